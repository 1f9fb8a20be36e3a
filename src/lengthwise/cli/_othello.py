"""`lengthwise othello`: its own subcommands, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._command import Outcome
from ._othello_games import OthelloGames
from ._othello_play import OthelloPlay
from ._othello_probe import OthelloProbe
from ._parse import UsageError, parse_among


COMMANDS: Mapping[str, Any] = {
    "games": OthelloGames,
    "play": OthelloPlay,
    "probe": OthelloProbe,
}


@dataclass(frozen=True)
class Othello:
    """Othello: games, played at random to files; play and probe, to look at a run's models."""

    @classmethod
    def parse(cls, argv: list[str], *, prog: str) -> Any:
        """The subcommand that `argv` begins with."""
        what = f"A command of `{prog}`"
        return parse_among(COMMANDS, argv, prog=prog, what=what, description=cls.__doc__)

    def run(self) -> Outcome:
        """It is a subcommand that runs."""
        raise UsageError(
            "`lengthwise othello` must have a subcommand: see `lengthwise othello --help`."
        )
