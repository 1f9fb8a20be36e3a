"""Sinusoidal positions: waves of many lengths, added to the embedding."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._core import require
from ._linear import at_least_float32
from ._positions import AbstractFromZero, AbstractNoBias, AbstractNoRotation, AbstractUnlearned


class SinusoidalPositions(AbstractUnlearned, AbstractFromZero, AbstractNoRotation, AbstractNoBias):
    r"""Sines and cosines of the place are added to the embedding (Vaswani et al., arXiv 1706.03762).

    $$PE(p, 2i) = s \sin(p \, b^{-2i/d}), \qquad PE(p, 2i + 1) = s \cos(p \, b^{-2i/d})$$

    Here `base` is $b$, `width` is $d$, `scale` is $s$. The paper has $s = 1$ and embeddings multiplied
    by $\sqrt{d}$; ours have length about 1, so `None` is $s = 1 / \sqrt{d}$, the same proportion.
    """

    base: float = 10_000.0
    scale: float | None = None

    def __check_init__(self):
        require(self.base > 1, "`base > 1`", "raise it, 10000 is usual", base=self.base)

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """Add the waves at each place."""
        del params
        width = x.shape[-1]
        turns = angles(places, width, self.base, x.dtype)
        waves = jnp.stack([jnp.sin(turns), jnp.cos(turns)], axis=-1)  # (..., len, pairs, 2)
        waves = jnp.reshape(waves, (*places.shape, 2 * turns.shape[-1]))[..., :width]
        waves = (width**-0.5 if self.scale is None else self.scale) * waves
        return x + jnp.broadcast_to(waves.astype(x.dtype), x.shape)


def angles(
    places: Int[Array, "*batch len"], dim: int, base: float, dtype: Any
) -> Float[Array, "*batch len pairs"]:
    """`p * base^(-2i / dim)` of each place p and pair i of `dim` entries (an odd one is half a pair).

    In `dtype`, but at least float32: a place in bfloat16 is exact below 256 only.
    """
    dtype = at_least_float32(dtype)
    rates = jnp.asarray(base ** (-np.arange(0, dim, 2) / dim), dtype)
    turns = places.astype(dtype)[..., None]
    return turns * jnp.reshape(rates, (1,) * places.ndim + rates.shape)
