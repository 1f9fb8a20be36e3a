"""Other positions, shifted at random in training."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import require
from ._learned import LearnedPositions
from ._positions import AbstractPositions


class RandomOffset(AbstractPositions):
    """In training the places of each sequence begin at a random number (SHAPE, arXiv 2109.05644).

    It is drawn uniformly from 0, 1, ..., `max_offset`, anew for each sequence and step; without a key
    (in evaluation) it is 0. So learned positions are trained up to the training length plus
    `max_offset`, which their table has room for. Rotary positions and ALiBi, which know distances
    alone, are not changed by it.

    - `max_offset`: the largest offset. Longest length minus training length trains every position that
      evaluation uses, and no other.
    - `positions`: the positions that are shifted, `LearnedPositions()` by default.
    """

    max_offset: int
    positions: AbstractPositions = LearnedPositions()

    def __check_init__(self):
        require(self.max_offset >= 0, "`max_offset >= 0`", "raise it", max_offset=self.max_offset)

    def init(self, max_len: int, width: int, heads: int, key_dim: int, *, key: PRNGKeyArray) -> Any:
        """Those of `positions`, for `max_len + max_offset` places."""
        return self.positions.init(max_len + self.max_offset, width, heads, key_dim, key=key)

    def places(
        self, shape: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> Int[Array, "*batch len"]:
        """Those of `positions`, from each sequence's offset on if there is a key."""
        if key is None:
            return self.positions.places(shape, key=None)
        own_key, offset_key = jr.split(key)
        places = self.positions.places(shape, key=own_key)
        first = jr.randint(offset_key, (*shape[:-1], 1), 0, self.max_offset + 1, places.dtype)
        return jnp.broadcast_to(places, shape) + first

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """As `positions` do."""
        return self.positions.embed(params, x, places)

    def rotate(
        self,
        params: Any,
        x: Float[Array, "*batch heads len key_dim"],
        places: Int[Array, "*#batch len"],
    ) -> Float[Array, "*batch heads len key_dim"]:
        """As `positions` do."""
        return self.positions.rotate(params, x, places)

    def bias(
        self, params: Any, heads: int, places: Int[Array, "*batch len"]
    ) -> Float[Array, "*batch heads len len"] | None:
        """As `positions` do."""
        return self.positions.bias(params, heads, places)
