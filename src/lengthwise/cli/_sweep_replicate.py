"""`lengthwise sweep replicate`."""

import contextlib
import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from .._core import InputError, require, sole_writer
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class SweepReplicate:
    """Make the best configurations of a sweep again with fresh seeds, and show what is left of them."""

    directory: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR")]
    """Directory of the sweep."""
    best: int = 3
    """How many configurations, by the total variation at unseen lengths of their best weights."""
    seeds: int = 5
    """Replicates of each."""
    workers: int = 2
    """Processes, each on one core."""
    storage: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """Optuna's database, if its password is not known otherwise."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Enqueue the replicates that are missing, run them, write replicates.jsonl, show the table."""
        require(self.workers >= 1, "`workers >= 1`", "start one at least", workers=self.workers)
        from ..sweep import require_optuna

        require_optuna()
        start_jax(self.common.compile_cache)
        from ..report import read_replicates, read_trials, replication, replication_table
        from ..sweep import (
            SweepFiles,
            best_configurations,
            make_study,
            read_space,
            replicate_lines,
            replicate_rows,
            run_workers,
        )
        from ._sweep_show import SweepLine, line

        files = SweepFiles(self.directory)
        name, seed = f"{files.study_name()}-replicates", files.seed()
        space = read_space(self.directory / "space.json")
        trials = read_trials(self.directory).trials
        selected = best_configurations(trials, self.best)
        if not selected:
            raise InputError(
                f"`{self.directory}` must hold a trial with a finite total variation, but it has none: "
                "go on with `lengthwise sweep run`."
            )
        rows = replicate_rows(space, selected, self.seeds, seed=seed)
        with sole_writer(self.directory):
            storage = files.storage(self.storage)
            study = make_study(space, storage, name, seed=seed)
            study.give(rows)
            with contextlib.suppress(KeyboardInterrupt), SweepLine() as progress:
                run_workers(study, storage, self.workers, show=progress.show)
            table = files.export(replicate_lines(study.results(), trials), table="replicates")
            counts, errors = study.counts(), study.errors()
        found = replication(read_replicates(self.directory))
        print(line(counts, counts, 0.0))
        for reason in errors:
            print(f"failed  {reason}")
        print(replication_table(found))
        print(f"table   {table}")
        complete = counts["done"] == counts["rows"]
        if not complete:
            print("To go on, run the same `lengthwise sweep replicate` again.")
        values = {"directory": str(self.directory), "counts": counts, "replication": found}
        code = ExitCode.COMPLETED if complete else ExitCode.INTERRUPTED
        return Outcome(code, values | {"table": str(table)})
