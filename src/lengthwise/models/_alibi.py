"""ALiBi: a penalty on distance, steeper in some heads than in others."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ._positions import AbstractFromZero, AbstractNoEmbedding, AbstractNoRotation, AbstractUnlearned


class ALiBi(AbstractUnlearned, AbstractFromZero, AbstractNoEmbedding, AbstractNoRotation):
    r"""Attention with linear biases (arXiv 2108.12409): $-m_h (p - p')$ is added to the scores.

    Here p and p' are the places of query and key, and $m_h$ the slopes of `alibi_slopes`, not learned.
    Scores are $q k / \sqrt{d_k}$ before it is added, as in the paper.
    """

    def bias(
        self, params: Any, heads: int, places: Int[Array, "*batch len"]
    ) -> Float[Array, "*batch heads len len"]:
        """The slope of each head times key's place minus query's."""
        del params
        ahead = places[..., None, :] - places[..., :, None]  # (*batch, query, key), 0 or less
        slopes = np.reshape(alibi_slopes(heads), (1,) * (places.ndim - 1) + (heads, 1, 1))
        return jnp.asarray(slopes, float) * ahead[..., None, :, :].astype(float)


def alibi_slopes(heads: int) -> Float[np.ndarray, " heads"]:
    """The paper's slopes, one a head, for any number of heads.

    For a power of two, `2^(-8/n), 2^(-16/n), ..., 2^-8`. Else, with n the power of two below, those of
    n heads and then the first, third, fifth, ... of 2n heads.
    """
    below = 2 ** (heads.bit_length() - 1)
    geometric = lambda n: 2.0 ** (-8 * np.arange(1, n + 1) / n)
    return np.concatenate([geometric(below), geometric(2 * below)[::2][: heads - below]])
