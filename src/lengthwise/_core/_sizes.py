"""What a model must know of a task: three numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The sizes that a task asks of a model.

    - `vocab`: number of output tokens, `v` in the paper.
    - `inputs`: number of input tokens; larger than `vocab` where there is a begin token.
    - `max_len`: the longest input, in positions.
    """

    vocab: int
    inputs: int
    max_len: int
