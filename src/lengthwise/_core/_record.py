"""The layout of a run directory, the only place that knows its file names.

    config.json        what was asked: task, model, training, hparams (components) and the key
    record.json        what happened: status, versions, commit, device, wall time, compilations
    metrics.jsonl      one line a training step: step, loss, grad_norm, learning_rate
    history.csv        every metric's mean by step, weights and length, each `evaluate_every` steps
    probes.csv         accuracy of linear probes by weights, layer and length, if they were fitted
    evaluation.csv     the final evaluation, with intervals, as it is and at the fitted temperature
    weights/NAME.safetensors   the weights of every average, `raw` among them
    checkpoints/step-N.safetensors + step-N.json   the whole training state, to resume from

Everything but `record.json` is a function of the config and the machine, so that two runs of one
config give the same bytes.
"""

import functools as ft
import importlib.metadata
import pathlib
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from ._storage import read_csv, read_json, read_lines


SCHEMA = 1
UNBEGUN = (
    ".lock",
    "checkpoints",
    "checkpoints/step-000000000.*",
    "checkpoints/.step-000000000.*.tmp",
    ".config.json-*.tmp",
)
"""What a run leaves that is killed before it has a config, which is written after its first checkpoint."""


@dataclass(frozen=True)
class RunFiles:
    """The files of the run directory `path`."""

    path: pathlib.Path

    @property
    def config(self) -> pathlib.Path:
        """What was asked."""
        return self.path / "config.json"

    @property
    def record(self) -> pathlib.Path:
        """What happened."""
        return self.path / "record.json"

    @property
    def metrics(self) -> pathlib.Path:
        """One line a training step."""
        return self.path / "metrics.jsonl"

    @property
    def history(self) -> pathlib.Path:
        """Evaluations during training."""
        return self.path / "history.csv"

    @property
    def evaluation(self) -> pathlib.Path:
        """The final evaluation."""
        return self.path / "evaluation.csv"

    @property
    def probes(self) -> pathlib.Path:
        """Linear probes, if they were fitted."""
        return self.path / "probes.csv"

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder of training states."""
        return self.path / "checkpoints"

    def weights(self, name: str) -> pathlib.Path:
        """The final weights of the average `name`, or of `raw`."""
        return self.path / "weights" / f"{name}.safetensors"


@dataclass(frozen=True)
class RunRecord:
    """A run as it was written, read back without JAX.

    - `config`, `record`: the two JSON files.
    - `metrics`, `history`, `evaluation`: rows as dictionaries; empty while a run is under way.
    - `probes`: rows as dictionaries, if probes were fitted.
    """

    path: pathlib.Path
    config: dict[str, Any]
    record: dict[str, Any]
    metrics: list[dict[str, Any]]
    history: list[dict[str, Any]]
    evaluation: list[dict[str, Any]]
    probes: list[dict[str, Any]] = field(default_factory=list)


def read_run(path: str | pathlib.Path) -> RunRecord:
    """Read a run directory.

    **Raises:** `StorageError` if it holds no run or a damaged one.
    """
    files = RunFiles(pathlib.Path(path))
    return RunRecord(
        path=files.path,
        config=read_json(files.config),
        record=read_json(files.record) if files.record.exists() else {"status": "under way"},
        metrics=read_lines(files.metrics),
        history=read_csv(files.history) if files.history.exists() else [],
        evaluation=read_csv(files.evaluation) if files.evaluation.exists() else [],
        probes=read_csv(files.probes) if files.probes.exists() else [],
    )


def provenance() -> dict[str, Any]:
    """Versions, commit and machine, for `record.json`."""
    packages = ["lengthwise", "jax", "jaxlib", "equinox", "optax", "numpy", "safetensors"]
    versions = {name: _version(name) for name in packages}
    return {
        "versions": {"python": platform.python_version()} | versions,
        "commit": _commit(),
        "command": shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None  # read from a folder that is not installed: no reason to lose a run


def _commit() -> str | None:
    here = pathlib.Path(__file__)
    git = ft.partial(subprocess.run, capture_output=True, text=True, timeout=5, check=True)
    at = ["git", "-C", str(here.parent)]
    try:
        # Where this file is not tracked, the repository around it is somebody else's.
        git([*at, "ls-files", "--error-unmatch", here.name])
        done = git([*at, "describe", "--always", "--dirty", "--abbrev=40"])
    except (OSError, subprocess.SubprocessError):
        return None  # installed from a wheel, or no git
    return done.stdout.strip()
