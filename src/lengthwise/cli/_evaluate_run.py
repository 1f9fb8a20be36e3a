"""The weights of a finished run, measured anew."""

import pathlib

from .._core import RunFiles, StorageError, read_run
from ..evaluation import EvaluationConfig, Evaluator
from ..training import (
    RunResult,
    average_name,
    build_averages,
    described_model,
    load_config,
    load_weights,
    stream,
)


def evaluate_run(path: pathlib.Path, config: EvaluationConfig) -> RunResult:
    """The result of a run with its weights measured anew, on examples drawn from the run's key."""
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
    seen = training.lengths.build().max_length
    evaluator = Evaluator(task, config, seen=seen, key=stream(key, "evaluation"))
    return RunResult(
        status="completed",
        message=record.record.get("message", ""),
        steps=record.record.get("steps", 0),
        models=models,
        evaluations={name: evaluator.model(model) for name, model in models.items()},
        initial_mass={name: record.record["initial_mass"][name] for name in names},
        metrics=[],
        history=[],
        seen=seen,
        seconds=0.0,
        directory=path,
    )
