"""Trackio, the local-first tracker of Hugging Face."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._base import AbstractLogger
from ._extra import import_extra


@dataclass
class Trackio(AbstractLogger):
    """Writes a run to trackio's local database (`trackio show`); needs the extra `trackio`."""

    project: str = "lengthwise"
    name: str | None = None
    _package: Any = field(init=False, repr=False)
    _run: Any = field(init=False, repr=False)

    def __post_init__(self):
        self._package = import_extra("trackio", extra="trackio")

    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """Open a run there."""
        about = {**config, "steps": steps, "first_step": first_step}
        self._run = self._package.init(project=self.project, name=self.name, config=about)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One point of every curve."""
        self._run.log(dict(values), step=step)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Close the run; it has no place for how it ended but a last point."""
        self._run.log({"completed": float(record["status"] == "completed")}, step=record["steps"])
        self._run.finish()
