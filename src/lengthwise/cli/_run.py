"""Training and resuming in a run directory, for every command that does."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._core import RunFiles, StorageError, read_json
from ..loggers import AbstractLogger
from ..training import ExperimentConfig, build_experiment
from ._command import Outcome
from ._exit_codes import exit_code
from ._show import live_progress, show_run


if TYPE_CHECKING:
    from ..training import RunResult


def train_run(
    experiment: ExperimentConfig,
    name: str,
    out: pathlib.Path | None,
    loggers: Sequence[AbstractLogger] = (),
    *,
    report: bool,
    again: bool = False,
) -> Outcome:
    """Train `experiment` in `out`, by default `runs/NAME-HASH`, and show it.

    With `again`, a run of the same config that is already there is shown or resumed.
    """
    from ..training import config_hash, describe_run, train

    task, model, key = build_experiment(experiment)
    config, hparams = experiment.training, experiment.hparams
    described = describe_run(task, model, config, hparams, key=key)
    directory = out or pathlib.Path("runs") / f"{name}-{config_hash(described)}"
    files = RunFiles(directory)
    if again and files.config.exists():
        if config_hash(read_json(files.config)) == config_hash(described):
            return _again(files, loggers, report=report)
    with live_progress(loggers) as all_loggers:
        result = train(
            task, model, config, hparams, directory=directory, loggers=all_loggers, key=key
        )
    return _shown(result, directory, report=report)


def resume_run(
    directory: pathlib.Path, loggers: Sequence[AbstractLogger] = (), *, report: bool
) -> Outcome:
    """Go on with the run in `directory`, and show it."""
    from ..training import by_first, resume

    if not by_first(RunFiles(directory).config.exists):
        raise StorageError(
            f"`{directory}` must hold a run, but it has no config.json: name a run directory, or "
            "start a new run without `--resume`."
        )
    with live_progress(loggers) as all_loggers:
        result = resume(directory, loggers=all_loggers)
    return _shown(result, directory, report=report)


def _shown(result: "RunResult", directory: pathlib.Path, *, report: bool) -> Outcome:
    """The run as process 0 shows it; the others leave it at that."""
    from ..training import is_first

    if is_first():
        return show_run(directory, report=report)
    return Outcome(exit_code(result.status), {"status": result.status, "message": result.message})


def _again(files: RunFiles, loggers: Sequence[AbstractLogger], *, report: bool) -> Outcome:
    status = read_json(files.record)["status"] if files.record.exists() else "under way"
    if status in ("completed", "diverged"):
        print(f"This run is already there, and is shown again; to train anew, delete {files.path}.")
        return show_run(files.path, report=report)
    print(f"This run is already there, but did not end: it goes on in {files.path}.")
    return resume_run(files.path, loggers, report=report)
