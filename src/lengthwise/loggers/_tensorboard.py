"""TensorBoard, by the tensorboardX package."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._base import AbstractLogger
from ._extra import import_extra


@dataclass
class TensorBoard(AbstractLogger):
    """Writes event files to `directory`; needs the extra `tensorboard`."""

    directory: str = "tensorboard"
    _package: Any = field(init=False, repr=False)
    _writer: Any = field(init=False, repr=False)

    def __post_init__(self):
        self._package = import_extra("tensorboardX", extra="tensorboard")

    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """Open the writer; events after `first_step` of an earlier attempt are discarded."""
        del steps
        self._writer = self._package.SummaryWriter(self.directory, purge_step=first_step + 1)
        self._writer.add_text("config", json.dumps(config, indent=2), first_step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self, record: Mapping[str, Any]) -> None:
        """How it ended, as text."""
        self._writer.add_text("record", json.dumps(record, indent=2), record["steps"])
        self._writer.close()
