"""`lengthwise sweep effects`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class SweepEffects:
    """Test what dropout and averaging did in a sweep, finished or under way, and make its page."""

    directory: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR")]
    """Directory of the sweep."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the page, its figures and effects.csv; by default `effects` inside the sweep."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Read the trials, test every contrast, show the table, write the page."""
        from ..report import (
            effects_table,
            read_trials,
            sweep_effects,
            verdicts,
            write_sweep_page,
        )

        sweep = read_trials(self.directory)
        rows = sweep_effects(sweep)
        judged = verdicts(rows)
        for note in sweep.notes():
            print(note)
        print(effects_table(rows))
        for verdict in judged:
            print(f"\n{verdict['text']}")
        out = self.out or self.directory / "effects"
        page = write_sweep_page(sweep, rows, out, name=self.directory.resolve().name)
        print(f"\ntable   {out / 'effects.csv'}\nreport  {page}")
        values = {
            "directory": str(self.directory),
            "counts": sweep.counts(),
            "notes": sweep.notes(),
            "seen": sweep.seen,
            "learning_rate_bands": sweep.bands,
            "verdicts": judged,
            "effects": rows,
            "table": str(out / "effects.csv"),
            "report": str(page),
        }
        return Outcome(ExitCode.COMPLETED, values)
