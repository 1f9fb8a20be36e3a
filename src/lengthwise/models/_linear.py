"""The one weight product, initialization and dropout that all layers share."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


class Linear(eqx.Module):
    """`y = x W + b`, with `weight` stored (in, out) and an optional `bias`.

    Leading axes are flattened before the product: on XLA:CPU a product over (batch, len, dim) has a
    backward pass about twice as slow as the same over (batch * len, dim).
    """

    weight: Float[Array, "in_dim out_dim"]
    bias: Float[Array, " out_dim"] | None

    def __init__(
        self, in_dim: int, out_dim: int, *, bias: bool, scale: float = 1.0, key: PRNGKeyArray
    ):
        """Weights from N(0, scale^2 / in_dim), biases zero."""
        self.weight = normal((in_dim, out_dim), scale / math.sqrt(in_dim), key=key)
        self.bias = jnp.zeros(out_dim) if bias else None

    def __call__(self, x: Float[Array, "*batch in_dim"]) -> Float[Array, "*batch out_dim"]:
        """Apply to the last axis."""
        y = matmul(x, self.weight)
        return y if self.bias is None else y + self.bias


def matmul(
    x: Float[Array, "*batch in_dim"], weight: Float[Array, "in_dim out_dim"]
) -> Float[Array, "*batch out_dim"]:
    """`x @ weight` with the leading axes of `x` flattened."""
    flat = jnp.reshape(x, (-1, x.shape[-1])) @ weight
    return jnp.reshape(flat, (*x.shape[:-1], weight.shape[-1]))


def normal(shape: tuple[int, ...], deviation: float, *, key: PRNGKeyArray) -> Float[Array, "..."]:
    """Centred normal weights with this standard deviation."""
    return deviation * jr.normal(key, shape)


def dropout(
    x: Float[Array, "*shape"], rate: Any, *, key: PRNGKeyArray | None
) -> Float[Array, "*shape"]:
    """Zero each entry with probability `rate` and scale the rest by `1 / (1 - rate)`.

    No `rate` or no `key` means no dropout. The rate is rounded to a multiple of 2^-16: 16 random
    bits an entry cost half of 32, and drawing them is what dropout costs on a CPU.
    """
    if rate is None or key is None:
        return x
    bits = jr.bits(key, x.shape, dtype=jnp.uint16)
    threshold = jnp.round(jnp.asarray(rate, jnp.float32) * 2**16)
    kept = bits.astype(jnp.float32) >= threshold
    scale = jnp.asarray(1 / (1 - threshold / 2**16), x.dtype)
    return jnp.where(kept, x * scale, jnp.zeros((), x.dtype))


def split_or_none(key: PRNGKeyArray | None, count: int) -> list[Any]:
    """`count` keys, or as many `None`s where there is no key."""
    return [None] * count if key is None else list(jax.random.split(key, count))
