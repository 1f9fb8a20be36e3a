"""The contract of a task: what comes in, and the exact distribution of what may come next."""

import abc
import math
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._core import InputError, Sizes


class Batch(eqx.Module):
    """Examples with everything that a loss or a metric needs.

    - `tokens`: the inputs.
    - `sampled`: one next token per position, drawn from `targets` (the paper's training signal).
    - `targets`: the exact distribution of the next token; its support are the legal tokens.
    - `mask`: the positions that count, of lengths within the example's own.
    """

    tokens: Int[Array | np.ndarray, "*batch len"]
    sampled: Int[Array | np.ndarray, "*batch len"]
    targets: Float[Array | np.ndarray, "*batch len vocab"]
    mask: Bool[Array | np.ndarray, "*batch len"]


class AbstractTask(eqx.Module):
    """A sequence task whose next-token distribution is known exactly at every position.

    Position `i` of the input is read after `i + first_length` tokens of the task, so `first_length`
    is 1, or 0 where a begin token makes the empty sequence a prediction too. Sampling, labelling
    and enumeration are separate: theory enumerates, tests compare `label` with an oracle.

    Subclass `AbstractDeviceTask` or `AbstractHostTask`, which say where examples come from.

    - `length_label`: what a length is, as the label of an axis; a constant of the class.
    """

    length_label: ClassVar[str] = "length s"

    @property
    @abc.abstractmethod
    def sizes(self) -> Sizes:
        """What a model must know of the task."""

    @property
    @abc.abstractmethod
    def first_length(self) -> int:
        """The length that has been read at position 0."""

    @abc.abstractmethod
    def label(self, tokens: Int[Array, " len"]) -> Float[Array, "len vocab"]:
        """The exact distribution of the next token after every prefix of `tokens`.

        Padding after an example's end may be labelled by anything: its positions are masked.
        """

    @abc.abstractmethod
    def count_inputs(self, length: int) -> int | float:
        """The number of different inputs of this length; `math.inf` if they are not enumerated."""

    @abc.abstractmethod
    def enumerate_inputs(self, length: int) -> Int[np.ndarray, "inputs positions"]:
        """Every input of this length once; each of their prefixes stands in equally many of them.

        **Raises:** `InputError` for a length outside the task, or if there are too many to list.
        """

    def position(self, length: int) -> int:
        """The position at which a sequence of this length has been read."""
        return length - self.first_length

    def lengths(self) -> range:
        """Every length at which there is a prediction."""
        return range(self.first_length, self.first_length + self.sizes.max_len)


class AbstractDeviceTask(AbstractTask):
    """A task whose examples are drawn from a key on the device, inside the training step."""

    @abc.abstractmethod
    def sample(
        self, positions: int, *, key: PRNGKeyArray
    ) -> tuple[Int[Array, " len"], Int[Array, " len"]]:
        """Draw one example.

        **Arguments:**

        - `positions`: number of input positions, static.
        - `key`: randomness. (Keyword only argument.)

        **Returns:** `(tokens, sampled)`, each of shape `(positions,)`: the inputs, and at each
        position one token drawn from the distribution that `label` states.
        """


class AbstractHostTask(AbstractTask):
    """A task whose examples are made on the host as NumPy arrays, such as games from an engine."""

    @abc.abstractmethod
    def batch(self, index: int, size: int, positions: int, *, stream: str, seed: int) -> Batch:
        """Batch number `index` of a stream: a pure function of its arguments, so runs can resume.

        For runs of several processes its examples are to be numbered: batch `index` of `size` holds the
        examples `index * size` to `index * size + size - 1` of the stream, whatever the `size`. Then each
        process makes its own share of every batch, and all shares are the batch of one process.

        **Arguments:**

        - `index`: the number of the batch.
        - `size`: examples in it.
        - `positions`: input positions of each.
        - `stream`: "train" or "evaluation"; different streams share no examples by construction.
        - `seed`: the run's seed.
        """


def check_length(task: AbstractTask, length: int) -> None:
    """Refuse a length at which `task` has no prediction."""
    if length not in task.lengths():
        raise InputError(
            f"`{task.lengths()[0]} <= length <= {task.lengths()[-1]}` must hold, but got "
            f"({length=}): choose a length of the task."
        )


def permutations_count(vocab: int, length: int) -> int:
    """v! / (v - s)!: the number of sequences of `length` distinct tokens."""
    return math.perm(vocab, length)
