"""Norms over the last axis."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._config import TransformerConfig
from ._linear import last_axis


EPSILON = 1e-5


class LayerNorm(eqx.Module):
    """Centre and scale each vector to variance one, then apply `gain` and `shift`."""

    gain: Float[Array, " dim"]
    shift: Float[Array, " dim"] | None

    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """Normalize the last axis."""
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        y = centred * jax.lax.rsqrt(variance + EPSILON) * last_axis(self.gain, x)
        return y if self.shift is None else y + last_axis(self.shift, y)


class RMSNorm(eqx.Module):
    """Scale each vector to mean square one, then apply `gain`."""

    gain: Float[Array, " dim"]

    def __call__(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """Normalize the last axis."""
        square = jnp.mean(x**2, axis=-1, keepdims=True)
        return x * jax.lax.rsqrt(square + EPSILON) * last_axis(self.gain, x)


def make_norm(config: TransformerConfig) -> LayerNorm | RMSNorm:
    """The norm that `config` asks for, at its initial value (gain one, shift zero)."""
    gain = jnp.ones(config.width)
    if config.norm_kind == "rms":
        return RMSNorm(gain)
    return LayerNorm(gain, jnp.zeros(config.width) if config.bias else None)
