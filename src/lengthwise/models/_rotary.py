"""Rotary positions: queries and keys are turned, so that scores know the distance."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import require
from ._positions import AbstractFromZero, AbstractNoBias, AbstractNoEmbedding
from ._sinusoidal import angles


class RotaryPositions(AbstractFromZero, AbstractNoEmbedding, AbstractNoBias):
    r"""Pairs of entries of queries and keys are turned by the place (RoFormer, arXiv 2104.09864).

    Entries i and i + d_k / 2 are one complex number, multiplied by $e^{\mathrm{i} p \theta_i}$ at place
    p, where $\theta_i = b^{-2i/d_k}$ and `base` is $b$. The score of a query at m and a key at n then
    depends on m - n alone: $Re(\bar q k e^{\mathrm{i} (n - m) \theta})$.

    The paper pairs neighbours (2i, 2i + 1); halves, as in GPT-NeoX and Llama, are the same model with
    the columns of queries and keys in another order, and are cut without strides.
    """

    base: float = 10_000.0

    def __check_init__(self):
        require(self.base > 1, "`base > 1`", "raise it, 10000 is usual", base=self.base)

    def init(
        self, max_len: int, width: int, heads: int, key_dim: int, *, key: PRNGKeyArray
    ) -> None:
        """Nothing to learn."""
        del max_len, width, heads, key
        require(
            key_dim % 2 == 0,
            "`key_dim % 2 == 0` with rotary positions",
            "they turn pairs: choose an even `key_dim` (width / heads by default)",
            key_dim=key_dim,
        )

    def rotate(
        self,
        params: Any,
        x: Float[Array, "*batch heads len key_dim"],
        places: Int[Array, "*#batch len"],
    ) -> Float[Array, "*batch heads len key_dim"]:
        """Turn each pair by its angle."""
        del params
        turns = angles(places, x.shape[-1], self.base, x.dtype)[
            ..., None, :, :
        ]  # one for all heads
        real, imaginary = jnp.split(x, 2, axis=-1)
        of_pairs = lambda wave: jnp.broadcast_to(wave.astype(x.dtype), real.shape)
        cos, sin = of_pairs(jnp.cos(turns)), of_pairs(jnp.sin(turns))
        turned = [real * cos - imaginary * sin, real * sin + imaginary * cos]
        return jnp.concatenate(turned, axis=-1)
