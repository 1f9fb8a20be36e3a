"""Norms over the last axis, computed in float32 at least, whatever the activations are."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._config import TransformerConfig
from ._linear import at_least_float32, last_axis


EPSILON = 1e-5
"""What the norms add to the variance or the mean square, as in PyTorch."""


class LayerNorm(eqx.Module):
    """Centre and scale each vector to variance one, then apply `gain` and `shift`."""

    gain: Float[Array, " dim"]
    shift: Float[Array, " dim"] | None

    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """Normalize the last axis."""
        inner = x.astype(at_least_float32(x.dtype))
        centred = inner - jnp.mean(inner, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        y = centred * jax.lax.rsqrt(variance + EPSILON) * _as(self.gain, inner)
        y = y if self.shift is None else y + _as(self.shift, inner)
        return y.astype(x.dtype)


class RMSNorm(eqx.Module):
    """Scale each vector to mean square one, then apply `gain`."""

    gain: Float[Array, " dim"]

    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """Normalize the last axis."""
        inner = x.astype(at_least_float32(x.dtype))
        square = jnp.mean(inner**2, axis=-1, keepdims=True)
        y = inner * jax.lax.rsqrt(square + EPSILON) * _as(self.gain, inner)
        return y.astype(x.dtype)


def make_norm(config: TransformerConfig) -> LayerNorm | RMSNorm:
    """The norm that `config` asks for, at its initial value (gain one, shift zero)."""
    gain = jnp.ones(config.width)
    if config.norm_kind == "rms":
        return RMSNorm(gain)
    return LayerNorm(gain, jnp.zeros(config.width) if config.bias else None)


def _as(vector: Float[Array, " dim"], x: Float[Array, "*batch dim"]) -> Float[Array, "..."]:
    return last_axis(vector, x).astype(x.dtype)
