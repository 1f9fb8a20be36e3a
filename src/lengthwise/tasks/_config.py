"""Configs of the shipped tasks, for the command line. No JAX."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..othello import Policy


if TYPE_CHECKING:
    from ._othello import OthelloTask
    from ._set_complement import SetComplement


@dataclass(frozen=True)
class SetComplementConfig:
    """The set complement task: predict the uniform distribution over the absent tokens."""

    vocab_size: int = 24
    """Number of tokens, v."""
    begin_token: bool = False
    """Put a begin token before every input, so that length 0 is a prediction too."""

    def build(self) -> "SetComplement":
        """The task."""
        from ._set_complement import SetComplement

        return SetComplement(self.vocab_size, self.begin_token)


@dataclass(frozen=True)
class OthelloConfig:
    """Othello: predict the uniform distribution over the legal moves of a random game."""

    size: int = 6
    """Side of the board: 4, 6 or 8."""
    policy: Policy = "skip"
    """skip: forfeited turns leave no trace, as in the published corpus. pass: they are a token."""
    begin_token: bool = False
    """Put a begin token before every game, so that the first move is a prediction too."""

    def build(self) -> "OthelloTask":
        """The task."""
        from ._othello import OthelloTask

        return OthelloTask(self.size, self.policy, self.begin_token)
