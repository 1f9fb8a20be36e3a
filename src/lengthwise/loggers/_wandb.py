"""Weights & Biases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._base import AbstractLogger
from ._extra import import_extra


@dataclass
class WandB(AbstractLogger):
    """Sends a run to Weights & Biases, as the environment is logged in; needs the extra `wandb`."""

    project: str = "lengthwise"
    name: str | None = None
    _package: Any = field(init=False, repr=False)
    _run: Any = field(init=False, repr=False)

    def __post_init__(self):
        self._package = import_extra("wandb", extra="wandb")

    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """Open a run there."""
        about = {**config, "steps": steps, "first_step": first_step}
        self._run = self._package.init(project=self.project, name=self.name, config=about)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One point of every curve."""
        self._run.log(dict(values), step=step)

    def finish(self, record: Mapping[str, Any]) -> None:
        """How it ended goes into the summary; the run counts as failed unless it completed."""
        self._run.summary.update(dict(record))
        self._run.finish(exit_code=0 if record["status"] == "completed" else 1)
