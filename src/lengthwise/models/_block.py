"""One block: attention and MLP branches, with norms and dropout where the config says."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import require
from ._attention import AbstractAttention
from ._config import DropoutRates, TransformerConfig
from ._linear import Linear, dropout, split_or_none
from ._norm import LayerNorm, RMSNorm, make_norm
from ._positions import AbstractPositions


class SelfAttention(eqx.Module):
    """Causal multi-head self-attention with one fused query-key-value product.

    `qkv.weight` holds the columns of queries, keys and values in this order, each heads-major.
    """

    qkv: Linear
    output: Linear
    params: Any
    kind: AbstractAttention = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    key_dim: int = eqx.field(static=True)
    value_dim: int = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, kind: AbstractAttention, *, key: PRNGKeyArray):
        qkv_key, output_key, own_key = jax.random.split(key, 3)
        self.kind = kind
        self.heads = config.heads
        self.key_dim = config.key_dim or config.width // config.heads
        self.value_dim = config.value_dim or config.width // config.heads
        columns = self.heads * (2 * self.key_dim + self.value_dim)
        deviation = _deviation(config, config.width)
        self.qkv = Linear(config.width, columns, bias=config.bias, deviation=deviation, key=qkv_key)
        inner = self.heads * self.value_dim
        deviation = _deviation(config, inner, ends_branch=True)
        self.output = Linear(
            inner, config.width, bias=config.bias, deviation=deviation, key=output_key
        )
        self.params = kind.init(self.heads, self.key_dim, key=own_key)

    def attend(
        self,
        x: Float[Array, "*batch len width"],
        positions: AbstractPositions,
        position_params: Any,
        places: Int[Array, "*#batch len"],
    ) -> tuple[Float[Array, "*batch heads len len"], Float[Array, "*batch heads len value_dim"]]:
        """The attention weights and the values that they weigh."""
        length = x.shape[-2]
        keys = self.heads * self.key_dim
        query, key, value = jnp.split(self.qkv(x), [keys, 2 * keys], axis=-1)
        query = positions.rotate(position_params, self._by_head(query), places)
        key = positions.rotate(position_params, self._by_head(key), places)
        bias = positions.bias(position_params, self.heads, places)
        causal = jnp.tril(jnp.ones((length, length), bool))
        weights = self.kind.weights(self.params, query, key, bias, causal)
        wanted = (*query.shape[:-1], length)
        require(
            weights.shape == wanted,
            f"`{type(self.kind).__name__}.weights` of shape `(*batch, heads, q_len, k_len)`",
            f"return one weight for each query and key, {wanted} here",
            shape=weights.shape,
        )
        return weights, self._by_head(value)

    def __call__(
        self,
        x: Float[Array, "*batch len width"],
        positions: AbstractPositions,
        position_params: Any,
        places: Int[Array, "*#batch len"],
        rate: Any,
        *,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "*batch len width"]:
        """Attend, weigh the values and project; `rate` is the dropout of the weights."""
        weights, value = self.attend(x, positions, position_params, places)
        weights = dropout(weights, rate, key=key).astype(value.dtype)
        mixed = weights @ value  # (*batch, heads, len, value_dim)
        mixed = jnp.swapaxes(mixed, -3, -2)
        return self.output(jnp.reshape(mixed, (*x.shape[:-1], self.heads * self.value_dim)))

    def _by_head(self, x: Float[Array, "*batch len all"]) -> Float[Array, "*batch heads len dim"]:
        return jnp.swapaxes(jnp.reshape(x, (*x.shape[:-1], self.heads, -1)), -3, -2)


class MLP(eqx.Module):
    """Two weight products with a GELU between."""

    up: Linear
    down: Linear
    gelu: str = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, ratio: int, *, key: PRNGKeyArray):
        up_key, down_key = jax.random.split(key)
        hidden = ratio * config.width
        deviation = _deviation(config, config.width)
        self.up = Linear(config.width, hidden, bias=config.bias, deviation=deviation, key=up_key)
        deviation = _deviation(config, hidden, ends_branch=True)
        self.down = Linear(
            hidden, config.width, bias=config.bias, deviation=deviation, key=down_key
        )
        self.gelu = config.gelu

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        """Apply to the last axis."""
        return self.down(jax.nn.gelu(self.up(x), approximate=self.gelu == "tanh"))


class Block(eqx.Module):
    """An attention branch and, unless the model is attention-only, an MLP branch."""

    attention: SelfAttention
    mlp: MLP | None
    norm_attention: LayerNorm | RMSNorm | None
    norm_mlp: LayerNorm | RMSNorm | None
    norm: str = eqx.field(static=True)
    residual: bool = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, kind: AbstractAttention, *, key: PRNGKeyArray):
        attention_key, mlp_key = jax.random.split(key)
        has_norm, has_mlp = config.norm != "none", config.mlp_ratio is not None
        self.attention = SelfAttention(config, kind, key=attention_key)
        self.mlp = MLP(config, config.mlp_ratio, key=mlp_key) if config.mlp_ratio else None
        self.norm_attention = make_norm(config) if has_norm else None
        self.norm_mlp = make_norm(config) if has_norm and has_mlp else None
        self.norm = config.norm
        self.residual = config.residual

    def __call__(
        self,
        x: Float[Array, "*batch len width"],
        positions: AbstractPositions,
        position_params: Any,
        places: Int[Array, "*#batch len"],
        rates: DropoutRates,
        *,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "*batch len width"]:
        """The residual stream after this block."""
        weights_key, attention_key, mlp_key = split_or_none(key, 3)

        def branch(x, norm, function, key):
            y = function(norm(x) if self.norm == "pre" else x)
            y = dropout(y, rates.residual, key=key)
            y = x + y if self.residual else y
            return norm(y) if self.norm == "post" else y

        attend = lambda y: self.attention(
            y, positions, position_params, places, rates.attention, key=weights_key
        )
        x = branch(x, self.norm_attention, attend, attention_key)
        return x if self.mlp is None else branch(x, self.norm_mlp, self.mlp, mlp_key)


def _deviation(config: TransformerConfig, in_dim: int, *, ends_branch: bool = False) -> float:
    """The standard deviation of a matrix's initial weights."""
    if config.init_deviation is not None:
        return config.init_deviation
    # Branches are scaled so that their sum over the layers starts with the embedding's size.
    scale = (2 * config.layers) ** -0.5 if ends_branch and config.residual else 1.0
    return scale / math.sqrt(in_dim)
