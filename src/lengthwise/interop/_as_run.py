"""Imported weights as a run, which every command knows."""

import dataclasses
import pathlib

import jax.random as jr

from .._core import Component, whole_directory
from ..evaluation import EvaluationConfig
from ..training import Hparams, RunResult, TrainingConfig, train
from ._import import Imported


def write_run(
    directory: str | pathlib.Path,
    imported: Imported,
    evaluation: EvaluationConfig | None = None,
    *,
    seed: int = 0,
) -> RunResult:
    """Write a run of no steps that began with these weights, measured at every length.

    Its only set of weights is `raw`, whatever they were called. The directory appears when all of it is
    written.

    **Arguments:**

    - `directory`: must not exist, or be empty.
    - `imported`: from `import_model`.
    - `evaluation`: how much is measured.
    - `seed`: of the examples. (Keyword only argument.)
    """
    config = TrainingConfig(
        steps=0,
        lengths=Component("lengthwise.tasks:FixedLength", f'{{"max_length": {imported.seen}}}'),
        evaluate_every=0,
        evaluation=evaluation or EvaluationConfig(),
    )
    directory = pathlib.Path(directory)
    with whole_directory(directory) as folder:
        result = train(
            imported.task,
            imported.model,
            config,
            Hparams(averages=()),
            directory=folder,
            key=jr.key(seed),
        )
    return dataclasses.replace(result, directory=directory)
