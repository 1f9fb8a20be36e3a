"""How another tool numbers the tokens of a task."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._core import InputError, require
from ..tasks import AbstractTask, OthelloTask


class Vocabulary(NamedTuple):
    """The numbers of a task's tokens in a table of one size, for inputs and outputs alike.

    - `size`: rows of their embedding and of their unembedding.
    - `inputs`, `outputs`: their number of each of our input and output tokens.
    """

    size: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def spread_rows(
        self, embedding: Float[np.ndarray, "inputs width"]
    ) -> Float[np.ndarray, "size width"]:
        """Our embedding in their numbers; a token that we do not have is a row of zeros."""
        rows = np.zeros((self.size, embedding.shape[1]), embedding.dtype)
        rows[list(self.inputs)] = embedding
        return rows

    def spread_columns(
        self, unembedding: Float[np.ndarray, "width vocab"]
    ) -> Float[np.ndarray, "width size"]:
        """Our unembedding in their numbers; a token that we do not have gets the mean column.

        So its logit is the mean of the others', which is never the largest, and its probability is at
        most 1 / (vocab + 1), as exp(mean) <= mean(exp): it falls where a model is sure that most tokens
        are illegal. A column of zeros could be the largest.
        """
        columns = np.repeat(unembedding.mean(axis=1, keepdims=True), self.size, axis=1)
        columns[:, list(self.outputs)] = unembedding
        return columns


def vocabulary_of(task: AbstractTask) -> Vocabulary:
    """The published numbers of an Othello task's tokens; those of any other task as they are.

    In the published corpus of OthelloGPT 0 is padding, and the squares outside the centre follow from
    1 on, row by row (likenneth/othello_world: the squares that occur, sorted, behind -100): `token + 1`.

    **Raises:** `InputError` for Othello with passes or a begin token, which have no number there.
    """
    if isinstance(task, OthelloTask):
        require(
            task.policy == "skip" and not task.begin_token,
            "`task.policy == 'skip'` without `task.begin_token`",
            "the published vocabulary of Othello has no number for a pass or a begin; export it with the "
            "layout `lengthwise`",
            policy=task.policy,
            begin_token=task.begin_token,
        )
        numbers = tuple(range(1, task.sizes.vocab + 1))
        return Vocabulary(len(numbers) + 1, numbers, numbers)
    inputs, outputs = range(task.sizes.inputs), range(task.sizes.vocab)
    return Vocabulary(max(len(inputs), len(outputs)), tuple(inputs), tuple(outputs))


def squares_of(task: AbstractTask) -> list[int | None] | None:
    """The square of each published number, `None` for padding; nothing for other tasks."""
    return [None, *task.squares] if isinstance(task, OthelloTask) else None


def task_of(size: int, *, source: str) -> OthelloTask:
    """Othello on the board whose published vocabulary has this size.

    **Raises:** `InputError` if it is none of 4x4, 6x6 and 8x8.
    """
    boards = {side * side - 3: side for side in (4, 6, 8)}
    if size not in boards:
        raise InputError(
            f"`{source}` must have a vocabulary of {', '.join(map(str, boards))} tokens, as Othello on "
            f"4x4, 6x6 and 8x8 has, but got ({size}): name its task by `--task`."
        )
    return OthelloTask(boards[size])
