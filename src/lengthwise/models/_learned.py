"""Learned positions: a table of vectors."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._linear import normal
from ._positions import AbstractFromZero, AbstractNoBias, AbstractNoRotation


class LearnedPositions(AbstractFromZero, AbstractNoRotation, AbstractNoBias):
    """A learned vector per position, added to the embedding (GPT-1).

    Vectors beyond the training length get no gradient: they stay as they were initialized, but for
    weight decay, which takes `learning_rate * weight_decay` of them at each step. Such a model cannot
    be expected to work there, and the figures show it.

    - `scale`: standard deviation of the initial vectors: 0.02 in GPT-1, 0 in OthelloGPT's minGPT.
    """

    scale: float = 0.02

    def init(
        self, max_len: int, width: int, heads: int, key_dim: int, *, key: PRNGKeyArray
    ) -> Float[Array, "max_len width"]:
        """Vectors from N(0, scale^2)."""
        del heads, key_dim
        return normal((max_len, width), self.scale, key=key)

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """Add the vector of each place."""
        return x + jnp.broadcast_to(params[places], x.shape)
