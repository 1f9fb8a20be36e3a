"""Configs of the shipped tasks, for the command line. No JAX."""

from dataclasses import dataclass
from typing import TYPE_CHECKING


if TYPE_CHECKING:
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
