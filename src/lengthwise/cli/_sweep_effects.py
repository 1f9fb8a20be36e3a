"""`lengthwise sweep effects`."""

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from .._core import InputError
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class SweepEffects:
    """Test what dropout and averaging did in a sweep, finished or under way, and make its page."""

    directory: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR")]
    """Directory of the sweep, or of a record: trials.jsonl, which may end in .gz or .xz, and space.json."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the page, its figures and tables; by default `effects` inside the sweep."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Read the trials, test every contrast, show the tables, write the page."""
        from ..report import (
            SweepResults,
            correlations_table,
            effects_table,
            importances_table,
            noise_correlations,
            read_replicates,
            read_trials,
            replication,
            replication_table,
            sweep_effects,
            verdicts,
            write_sweep_page,
        )

        sweep = read_trials(self.directory)
        importances, note = _importances(self.directory, sweep.trials)
        results = SweepResults(
            effects=sweep_effects(sweep),
            correlations=noise_correlations(sweep),
            importances=importances,
            replication=replication(read_replicates(self.directory)),
        )
        judged = verdicts(results.effects, results.correlations)
        for text in [*sweep.notes(), note]:
            if text:
                print(text)
        tables = [
            effects_table(results.effects),
            correlations_table(results.correlations),
            importances_table(results.importances),
            replication_table(results.replication),
            *(verdict["text"] for verdict in judged),
        ]
        print("\n\n".join(table for table in tables if table))
        out = self.out or self.directory / "effects"
        page = write_sweep_page(sweep, results, out, name=self.directory.resolve().name)
        print(f"\ntable   {out / 'effects.csv'}\nreport  {page}")
        values = {
            "directory": str(self.directory),
            "counts": sweep.counts(),
            "notes": sweep.notes(),
            "seen": sweep.seen,
            "learning_rate_bands": sweep.bands,
            "verdicts": judged,
            **vars(results),
            "table": str(out / "effects.csv"),
            "report": str(page),
        }
        return Outcome(ExitCode.COMPLETED, values)


def _importances(
    directory: pathlib.Path, trials: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], str]:
    """Rows, or why there are none."""
    from ..sweep import require_optuna

    try:
        require_optuna()
    except InputError as error:
        return [], f"There are no importances: {error}"
    from ..sweep import importances, read_space

    path = directory / "space.json"
    if not path.is_file():
        return [], f"Importances need the space, but there is no `{path}`."
    rows = importances(read_space(path), trials)
    return rows, "" if rows else "Importances need 20 draws that are not all alike."
