"""`lengthwise othello`: its own subcommands, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._command import Outcome
from ._othello_games import OthelloGames
from ._parse import UsageError, parse_among


COMMANDS: Mapping[str, Any] = {
    "games": OthelloGames,
}


@dataclass(frozen=True)
class Othello:
    """Play Othello at random, to files: games."""

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
