"""`lengthwise report`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from .._core import require
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class Report:
    """Make the HTML page, figures and tables that compare runs."""

    runs: Annotated[tyro.conf.Positional[tuple[pathlib.Path, ...]], tyro.conf.arg(metavar="RUN...")]
    """Run directories."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the page; by default `report` inside the first run."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Read the runs and write the page."""
        from ._show import make_report

        require(
            len(self.runs) > 0, "`len(runs) >= 1`", "name a run directory", runs=list(self.runs)
        )
        page = make_report(self.runs, self.out or self.runs[0] / "report")
        print(f"report  {page}")
        values = {"report": str(page), "runs": [str(run) for run in self.runs]}
        return Outcome(ExitCode.COMPLETED, values)
