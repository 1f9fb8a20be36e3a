"""`lengthwise othello`: its own subcommands, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._command import Outcome
from ._othello_games import OthelloGames
from ._parse import UsageError, parse, subcommands


COMMANDS: Mapping[str, Any] = {
    "games": OthelloGames,
}


@dataclass(frozen=True)
class Othello:
    """Play Othello at random, to files: games."""

    @classmethod
    def parse(cls, argv: list[str], *, prog: str) -> Any:
        """The subcommand that `argv` begins with."""
        del cls
        if argv and argv[0] in COMMANDS:
            return parse(COMMANDS[argv[0]], argv[1:], prog=f"{prog} {argv[0]}")
        if argv and not argv[0].startswith("-"):
            raise UsageError(
                f"A command of `{prog}` must be one of ({', '.join(COMMANDS)}), but got ({argv[0]}): "
                f"see `{prog} --help`."
            )
        options = subcommands(COMMANDS)
        return parse(options, argv or ["--help"], prog=prog, description=Othello.__doc__)

    def run(self) -> Outcome:
        """It is a subcommand that runs."""
        raise UsageError(
            "`lengthwise othello` must have a subcommand: see `lengthwise othello --help`."
        )
