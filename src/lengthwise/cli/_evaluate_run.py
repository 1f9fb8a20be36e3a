"""The weights of a finished run, measured anew."""

import pathlib
from typing import Any, NamedTuple

from .._core import RunFiles, RunRecord, StorageError, read_run, require
from ..evaluation import EvaluationConfig, Evaluator
from ..tasks import AbstractTask
from ..training import (
    RunResult,
    average_name,
    build_averages,
    described_model,
    load_config,
    load_weights,
    stream,
)


def load_model(path: pathlib.Path, weights: str) -> tuple[Any, int]:
    """One model of a run, by the name of its weights, and the longest training length.

    **Raises:** `StorageError` if the run does not hold these weights.
    """
    files, record = RunFiles(path), read_run(path)
    task, training, hparams, _ = load_config(record.config)
    names = ["raw", *(average_name(a) for a in build_averages(hparams).averages)]
    require(weights in names, f"`weights` in {names}", "choose one of them", weights=weights)
    if not files.weights(weights).exists():
        raise StorageError(
            f"`{path}` must hold the weights of a run that ended, but ({weights}) are missing: go on "
            f"with it (`lengthwise train --resume {path}`)."
        )
    model = load_weights(files.weights(weights), described_model(record.config, task))
    return model, training.lengths.build().max_length


class LoadedRun(NamedTuple):
    """A run that ended, with every set of its weights.

    - `seen`: the longest training length T.
    - `key`: of the run, to draw streams from.
    """

    record: RunRecord
    task: AbstractTask
    models: dict[str, Any]
    seen: int
    key: Any


def load_run(path: pathlib.Path) -> LoadedRun:
    """All that a run holds.

    **Raises:** `StorageError` if weights are missing.
    """
    files, record = RunFiles(path), read_run(path)
    task, training, hparams, key = load_config(record.config)
    names = ["raw", *(average_name(a) for a in build_averages(hparams).averages)]
    missing = [name for name in names if not files.weights(name).exists()]
    if missing:
        raise StorageError(
            f"`{path}` must hold the weights of a run that ended, but ({', '.join(missing)}) are "
            f"missing: go on with it (`lengthwise train --resume {path}`)."
        )
    like = described_model(record.config, task)
    models = {name: load_weights(files.weights(name), like) for name in names}
    return LoadedRun(record, task, models, training.lengths.build().max_length, key)


def evaluate_run(path: pathlib.Path, config: EvaluationConfig) -> RunResult:
    """The result of a run with its weights measured anew, on examples drawn from the run's key."""
    record, task, models, seen, key = load_run(path)
    evaluator = Evaluator(task, config, seen=seen, key=stream(key, "evaluation"))
    return RunResult(
        status="completed",
        message=record.record.get("message", ""),
        steps=record.record.get("steps", 0),
        models=models,
        evaluations={name: evaluator.model(model) for name, model in models.items()},
        initial_mass={name: record.record["initial_mass"][name] for name in models},
        metrics=[],
        history=[],
        seen=seen,
        seconds=0.0,
        directory=path,
    )
