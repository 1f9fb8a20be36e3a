"""What is shown of a sweep: a live line, and its end."""

import datetime
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._command import Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..sweep import Study, SweepFiles


class SweepLine:
    """Trials done, running, failed, per hour and time left on stderr."""

    def __init__(self, *, interval: float = 30.0):
        self._interval = interval
        self._first: Mapping[str, Any] | None = None
        self._printed = -interval

    def __enter__(self) -> "SweepLine":
        return self

    def __exit__(self, *_: object) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def show(self, counts: Mapping[str, Any], seconds: float) -> None:
        """Move the line; where there is no terminal, print one now and then."""
        self._first = self._first or counts
        text = line(counts, self._first, seconds)
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._printed >= self._interval:
            self._printed = time.monotonic()
            print(text, file=sys.stderr)


def line(counts: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> str:
    """The progress in words; `before` are the counts of so many `seconds` ago.

    The time left goes by the predicted work, not by trials: those of the smallest shapes come first.
    """
    finished, share = counts["done"] - before["done"], counts["share"] - before["share"]
    parts = [f"{counts['done']}/{counts['rows']} trials", f"{counts['running']} running"]
    parts += [f"{counts['failed']} failed"]
    if finished > 0 and share > 0 and seconds > 0:
        left = (1 - counts["share"]) * seconds / share
        parts.append(f"{3600 * finished / seconds:.0f} per hour")
        parts.append(f"{datetime.timedelta(seconds=round(left))} left")
    return " · ".join(parts)


def show_sweep(files: "SweepFiles", study: "Study") -> Outcome:
    """Write the tables, and say what there is and how to go on."""
    counts, results = study.counts(), study.results()
    table = files.export(results)
    diverged = sum(result["status"] == "diverged" for result in results)
    compilations = sum(result["traces"] for result in results)
    print(f"{line(counts, counts, 0.0)} · {diverged} diverged · {compilations} compilations")
    for reason in study.errors():
        print(f"failed  {reason}")
    print(f"table   {table}")
    complete = counts["done"] == counts["rows"]
    if not complete:
        print(f"To go on, run the same `lengthwise sweep run` again, with `--out {files.path}`.")
    values = {
        "directory": str(files.path),
        "counts": counts,
        "diverged": diverged,
        "compilations": compilations,
        "table": str(table),
    }
    return Outcome(ExitCode.COMPLETED if complete else ExitCode.INTERRUPTED, values)
