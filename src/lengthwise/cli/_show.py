"""What a command shows of a run: the table, where it is, the page, and the same as values."""

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .._core import RunRecord, read_run
from ..loggers import AbstractLogger
from ._command import Outcome
from ._exit_codes import ExitCode, exit_code


def show_run(directory: pathlib.Path, *, report: bool) -> Outcome:
    """Print the table and the places of a run that ended, and make its page if asked."""
    record = read_run(directory)
    status = str(record.record["status"])
    code = exit_code(status)
    values: dict[str, Any] = {
        "status": status,
        "message": record.record.get("message"),
        "steps": record.record.get("steps"),
        "training_seconds": record.record.get("training_seconds"),
        "directory": str(directory),
        "summary": record.record.get("summary", []),
    }
    if code is ExitCode.INTERRUPTED:
        values["resume"] = f"lengthwise train --resume {directory}"
        print(f"{status}: {values['message']}\n\n  {values['resume']}")
        return Outcome(code, values)
    show_table(record)
    print(f"run     {directory}")
    if report:
        values["report"] = str(make_report([directory], directory / "report"))
        print(f"report  {values['report']}")
    if code is not ExitCode.COMPLETED:
        print(f"{status}: {values['message']}")
    return Outcome(code, values)


def show_table(record: RunRecord) -> None:
    """The summary table of a run."""
    from ..report import summary_table

    print(summary_table(record))


def make_report(runs: Sequence[pathlib.Path], out: pathlib.Path) -> pathlib.Path:
    """The page about `runs`."""
    from ..report import render

    return render(runs, out)


@contextmanager
def live_progress(own: Sequence[AbstractLogger]) -> Iterator[list[AbstractLogger]]:
    """The loggers of a run: the progress line, and the user's."""
    from ..loggers import ProgressLine

    line = ProgressLine()
    try:
        yield [line, *own]
    finally:
        line.close()
