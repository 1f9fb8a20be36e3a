"""`lengthwise sweep check`."""

import os
import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from .._core import require
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class SweepCheck:
    """Run a few trials of a record again and compare every number: equal, or as near as rounding lets it.

    On the machine and with the versions that made the record, the numbers are equal. Elsewhere, a trial
    matches if its log total variations lie where those of the same training with a learning rate that
    differs by a rounding lie. It runs on one core, as the trials of a sweep do.
    """

    record: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR")]
    """Directory of a sweep, or of a record: space.json and trials.jsonl, which may end in .gz or .xz."""
    trials: int = 3
    """How many, drawn at random."""
    seed: int = 0
    """Of the draw."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Draw trials, run them, say of each whether it matches."""
        import numpy as np

        from ..report import read_trials
        from ..sweep import read_space

        require(self.trials >= 1, "`trials >= 1`", "check one at least", trials=self.trials)
        require(self.seed >= 0, "`seed >= 0`", "choose another seed", seed=self.seed)
        space, found = read_space(self.record / "space.json"), read_trials(self.record).trials
        require(len(found) >= 1, "A record with a trial", "check the path", record=str(self.record))
        count = min(self.trials, len(found))
        chosen = np.random.default_rng(self.seed).choice(len(found), count, replace=False)
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        if cores:  # sums over several threads may round otherwise than those of a worker
            os.sched_setaffinity(0, {min(cores)})
        try:
            start_jax(self.common.compile_cache)
            from ..sweep import check_trial

            checks = []
            for index in sorted(chosen):
                checks.append(check_trial(space, found[index]))
                print(checks[-1].message, flush=True)
        finally:
            if cores:
                os.sched_setaffinity(0, cores)
        matching, equal = (sum(getattr(c, n) for c in checks) for n in ("holds", "equal"))
        print(f"{matching} of {count} trials match, {equal} of them in every number")
        values = {"record": str(self.record), "checks": [vars(one) for one in checks]}
        code = ExitCode.COMPLETED if matching == count else ExitCode.MISMATCH
        return Outcome(code, values | {"matching": matching, "equal": equal})
