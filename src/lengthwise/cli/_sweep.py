"""`lengthwise sweep`: its own subcommands, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._command import Outcome
from ._parse import UsageError, parse_among
from ._sweep_check import SweepCheck
from ._sweep_effects import SweepEffects
from ._sweep_replicate import SweepReplicate
from ._sweep_run import SweepRun
from ._sweep_status import SweepStatus
from ._sweep_work import SweepWork


COMMANDS: Mapping[str, Any] = {
    "run": SweepRun,
    "work": SweepWork,
    "status": SweepStatus,
    "effects": SweepEffects,
    "replicate": SweepReplicate,
    "check": SweepCheck,
}


@dataclass(frozen=True)
class Sweep:
    """Search hyperparameters by a paired random design: run, work, status, effects, replicate, check."""

    @classmethod
    def parse(cls, argv: list[str], *, prog: str) -> Any:
        """The subcommand that `argv` begins with."""
        what = f"A command of `{prog}`"
        return parse_among(COMMANDS, argv, prog=prog, what=what, description=cls.__doc__)

    def run(self) -> Outcome:
        """It is a subcommand that runs."""
        raise UsageError(
            "`lengthwise sweep` must have a subcommand: see `lengthwise sweep --help`."
        )
