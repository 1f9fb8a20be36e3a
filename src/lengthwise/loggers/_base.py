"""The logger contract."""

import abc
from collections.abc import Mapping
from typing import Any


class AbstractLogger(abc.ABC):
    """Where a run's progress is sent, beside the run directory.

    `start` is called once before the first step, `log` after every chunk of steps and every
    evaluation, `finish` once at the end, whatever that is.
    """

    @abc.abstractmethod
    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """A run begins at `first_step` (above 0 if it is resumed) and is to end at `steps`."""

    @abc.abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Named numbers after `step` steps, such as `loss` or `itr_unseen/raw`."""

    @abc.abstractmethod
    def finish(self, record: Mapping[str, Any]) -> None:
        """The run ended, with `status`, `message` and `steps` as in `record.json`.

        The status is "failed" if an error ended it, which there is no record of.
        """
