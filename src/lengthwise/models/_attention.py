"""The attention contract: how queries and keys become weights."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ._linear import at_least_float32


class AbstractAttention(eqx.Module):
    """How much each query attends to each key.

    An instance holds hyperparameters only (static, JSON values); what it learns are the parameters
    that `init` makes, one tree per layer, trained and averaged with the model's other weights.
    """

    @abc.abstractmethod
    def init(self, heads: int, key_dim: int, *, key: PRNGKeyArray) -> Any:
        """The learned parameters of one layer, a tree of arrays; `None` if there are none."""

    @abc.abstractmethod
    def weights(
        self,
        params: Any,
        query: Float[Array, "*batch heads q_len key_dim"],
        key: Float[Array, "*batch heads k_len key_dim"],
        bias: Float[Array, "*#batch heads q_len k_len"] | None,
        mask: Bool[Array, "q_len k_len"],
    ) -> Float[Array, "*batch heads q_len k_len"]:
        """Attention weights, zero where `mask` is False.

        **Arguments:**

        - `params`: what `init` made.
        - `query`, `key`: after any rotation by the positions, in the dtype of the activations.
        - `bias`: what the positions add to the scores, if anything: `(heads, q_len, k_len)`, with the
          leading axes of the scores only where sequences differ in their places.
        - `mask`: True where a query may attend to a key (causal).
        """


class Softmax(AbstractAttention):
    """Softmax of scaled scores, `a = softmax(q k / sqrt(d_k) + bias)`, as in the paper."""

    def init(self, heads: int, key_dim: int, *, key: PRNGKeyArray) -> None:
        """Nothing to learn."""
        del heads, key_dim, key

    def weights(
        self,
        params: Any,
        query: Float[Array, "*batch heads q_len key_dim"],
        key: Float[Array, "*batch heads k_len key_dim"],
        bias: Float[Array, "*#batch heads q_len k_len"] | None,
        mask: Bool[Array, "q_len k_len"],
    ) -> Float[Array, "*batch heads q_len k_len"]:
        """Softmax over the keys."""
        del params
        return jax.nn.softmax(masked(scaled_scores(query, key, bias), mask), axis=-1)


def scaled_scores(
    query: Float[Array, "*batch heads q_len key_dim"],
    key: Float[Array, "*batch heads k_len key_dim"],
    bias: Float[Array, "*#batch heads q_len k_len"] | None,
) -> Float[Array, "*batch heads q_len k_len"]:
    """`q k / sqrt(d_k) + bias`, the scores that most attentions begin with, in float32 at least."""
    scores = jnp.matmul(
        query / math.sqrt(query.shape[-1]),
        jnp.swapaxes(key, -1, -2),
        preferred_element_type=at_least_float32(query.dtype),
    )
    if bias is None:
        return scores
    return scores + jnp.broadcast_to(bias.astype(scores.dtype), scores.shape)


def masked(
    scores: Float[Array, "*batch q_len k_len"],
    mask: Bool[Array, "q_len k_len"],
) -> Float[Array, "*batch q_len k_len"]:
    """Scores with the most negative finite number where `mask` is False.

    Finite, not -inf: gradients of -inf are NaN in rows that a later step multiplies by zero.
    """
    return jnp.where(jnp.broadcast_to(mask, scores.shape), scores, jnp.finfo(scores.dtype).min)
