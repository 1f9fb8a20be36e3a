"""The loggers of a run, as one: each is told of the end, and an error of theirs reaches every process."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..loggers import AbstractLogger
from ._processes import by_first, is_first


class Listeners:
    """The loggers of process 0; see `AbstractLogger`."""

    def __init__(self, loggers: Sequence[AbstractLogger]):
        self._loggers = loggers if is_first() else ()
        self._open: list[AbstractLogger] = []
        self._step = 0

    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """A run begins."""
        self._step = first_step

        def start() -> None:
            for logger in self._loggers:
                self._open.append(logger)
                logger.start(config, steps=steps, first_step=first_step)

        by_first(start)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Named numbers after `step` steps."""
        self._step = step

        def log() -> None:
            for logger in self._loggers:
                logger.log(step, values)

        by_first(log)

    def finish(self, record: Mapping[str, Any]) -> None:
        """The run ended."""

        def finish() -> None:
            while self._open:
                self._open.pop(0).finish(record)

        by_first(finish)

    def fail(self, error: BaseException) -> None:
        """The run ended by an error, perhaps in this process alone: no other is waited for."""
        message = f"{type(error).__name__}: {error}"
        record = {"status": "failed", "message": message, "steps": self._step}
        while self._open:
            try:
                self._open.pop(0).finish(record)
            except Exception as second:  # the first is the one to be read
                error.add_note(f"A logger could not be told of it ({second!r}).")


@contextlib.contextmanager
def listening(loggers: Sequence[AbstractLogger]) -> Iterator[Listeners]:
    """The loggers as one, told of an error that ends the block."""
    listeners = Listeners(loggers)
    try:
        yield listeners
    except BaseException as error:
        listeners.fail(error)
        raise
