"""The live progress line of the command line."""

import datetime
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ._base import AbstractLogger


class ProgressLine(AbstractLogger):
    """Steps, loss, steps/s and time left on stderr: one live line, or a plain line now and then.

    **Arguments:**

    - `console`: where to; stderr by default. A line that moves needs a terminal.
    - `interval`: seconds between plain lines where there is no terminal. (Keyword only argument.)
    - `clock`: seconds, for tests. (Keyword only argument.)
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        interval: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._console = Console(stderr=True) if console is None else console
        self._interval = interval
        self._clock = clock
        self._live: Progress | None = None
        self._task = TaskID(0)
        self._steps = 0
        self._began = self._printed = 0.0
        self._measured: tuple[int, float] | None = None  # step and time from which speed counts

    def start(self, config: Mapping[str, Any], *, steps: int, first_step: int) -> None:
        """Show the line; the first chunk compiles, so it does not count for the speed."""
        del config
        self._steps, self._measured = steps, None
        self._began = self._printed = self._clock()
        if not self._console.is_terminal:
            self._print(f"training from step {first_step} to {steps}")
            return
        columns = (
            BarColumn(bar_width=16),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}"),
        )
        self._live = Progress(*columns, console=self._console)
        self._live.start()
        self._task = self._live.add_task("compiling", total=steps, completed=first_step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Move the line."""
        now = self._clock()
        parts = [f"loss {values['loss']:.4f}"] if "loss" in values else []
        left = ""
        if self._measured is None:
            self._measured = (step, now)
        elif now > self._measured[1]:
            speed = (step - self._measured[0]) / (now - self._measured[1])
            parts.append(f"{speed:.0f} steps/s")
            left = f"{_duration((self._steps - step) / speed)} left" if speed > 0 else ""
        parts.append("evaluating" if step == self._steps else left)
        text = " · ".join(part for part in parts if part)
        if self._live is not None:
            self._live.update(self._task, completed=step, description=text)
        elif now - self._printed >= self._interval:
            self._printed = now
            self._print(f"step {step}/{self._steps} · {text}")

    def finish(self, record: Mapping[str, Any]) -> None:
        """Leave a last line that says how it ended, and after how long."""
        text = f"{record['status']} in {_duration(self._clock() - self._began)}"
        if self._live is not None:
            self._live.update(self._task, completed=record["steps"], description=text)
        else:
            self._print(f"step {record['steps']}/{self._steps} · {text}")
        self.close()

    def close(self) -> None:
        """Give the terminal back; needed where an error keeps `finish` from being called."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
