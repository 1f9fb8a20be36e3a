"""The set complement task of the paper: predict what is missing."""

import itertools as it

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import Sizes, require
from ._base import AbstractDeviceTask, check_length, permutations_count


class SetComplement(AbstractDeviceTask):
    r"""Given distinct tokens, predict the uniform distribution over the tokens that are absent.

    $$p^*(y \mid t_1 \dots t_s) = \frac{1[y \notin \{t_1, \dots, t_s\}]}{v - s},
      \qquad 1 \le s < v$$

    Here `vocab_size` is $v$, `tokens` is $t$; for $v = 4$ the input `2 0` gives `0 1/2 0 1/2`.
    (arXiv 2510.08341, section 2.)

    **Arguments:**

    - `vocab_size`: $v \ge 2$.
    - `begin_token`: put token $v$ before every input, so that length 0 is a prediction too.

    **Example:**

    ```python
    task = SetComplement(vocab_size=4)
    task.label(jnp.array([2, 0]))   # [[1/3, 1/3, 0, 1/3], [0, 1/2, 0, 1/2]]
    ```
    """

    vocab_size: int
    begin_token: bool = False

    def __check_init__(self):
        require(
            self.vocab_size >= 2,
            "`vocab_size >= 2`",
            "raise it, as one token at least must be absent and one present",
            vocab_size=self.vocab_size,
        )

    @property
    def sizes(self) -> Sizes:
        """Inputs reach length v - 1, the longest that leaves a token absent."""
        begin = int(self.begin_token)
        return Sizes(self.vocab_size, self.vocab_size + begin, self.vocab_size - 1 + begin)

    @property
    def first_length(self) -> int:
        """0 with a begin token, else 1."""
        return 1 - int(self.begin_token)

    def label(self, tokens: Int[Array, " len"]) -> Float[Array, "len vocab"]:
        """Uniform over the tokens absent from each prefix; zeros where none is left (padding)."""
        # The begin token has no column here, so it is never "present".
        present = jnp.cumsum(tokens[:, None] == jnp.arange(self.vocab_size)[None, :], axis=0) > 0
        absent = jnp.where(present, 0.0, 1.0)
        return absent / jnp.maximum(jnp.sum(absent, axis=1, keepdims=True), 1.0)

    def sample(
        self, positions: int, *, key: PRNGKeyArray
    ) -> tuple[Int[Array, " len"], Int[Array, " len"]]:
        """A uniformly random sequence of distinct tokens; its continuation is the sampled token.

        In a uniform permutation the token after a prefix is uniform over the absent ones, which is
        exactly $p^*$: so next-token prediction on one permutation is a draw from every label.
        """
        order = random_order(self.vocab_size, key=key)
        if self.begin_token:
            order = jnp.concatenate([jnp.array([self.vocab_size]), order])
        return order[:positions], order[1 : positions + 1]

    def count_inputs(self, length: int) -> int:
        """$v! / (v - s)!$."""
        check_length(self, length)
        return permutations_count(self.vocab_size, length)

    def enumerate_inputs(self, length: int) -> Int[np.ndarray, "inputs positions"]:
        """Every sequence of `length` distinct tokens, in lexicographic order."""
        check_length(self, length)
        count = self.count_inputs(length)
        require(
            count <= 10_000_000,
            "`v! / (v - length)! <= 10_000_000`",
            "sample instead of enumerating",
            length=length,
            inputs=count,
        )
        flat = it.chain.from_iterable(it.permutations(range(self.vocab_size), length))
        inputs = np.fromiter(flat, dtype=np.int32, count=count * length).reshape(count, length)
        begin = np.full((count, int(self.begin_token)), self.vocab_size, dtype=np.int32)
        return np.concatenate([begin, inputs], axis=1)


def random_order(count: int, *, key: PRNGKeyArray) -> Int[Array, " count"]:
    """A uniformly random order of `0..count-1`.

    Small ones by counting: the place of an item is the number of items with a smaller random number
    (ties, of chance 2^-32 a pair, go by index). XLA:CPU's sort costs ten times as much there, a
    sixth of a small model's training step.
    """
    if count > 128:
        return jr.permutation(key, count)
    item = jnp.arange(count)
    number = jr.bits(key, (count,))
    this, other = number[:, None], number[None, :]
    before = (other < this) | ((other == this) & (item[None, :] < item[:, None]))
    place = jnp.sum(before, axis=1)
    return jnp.sum(jnp.where(place[None, :] == item[:, None], item[None, :], 0), axis=1)
