"""`lengthwise sweep work`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class SweepWork:
    """Run trials of a sweep that `sweep run` has begun, on this or any other machine."""

    storage: Annotated[str, tyro.conf.arg(metavar="URL")]
    """Optuna's database."""
    study: str
    """The study's name."""
    population: int | None = None
    """Trials of one static shape that run together, as one vmapped program; by default one after the
    other on a CPU, and as many as its memory holds on an accelerator."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Work until nothing is left."""
        from ..sweep import require_optuna

        require_optuna()
        start_jax(self.common.compile_cache)
        from ..sweep import open_study, work_here

        study = open_study(self.storage, self.study)
        ran, counts = work_here(study, population=self.population), study.counts()
        print(f"{ran} trials ran here; {counts['done']} of {counts['rows']} are done")
        return Outcome(ExitCode.COMPLETED, {"ran": ran, "counts": counts})
