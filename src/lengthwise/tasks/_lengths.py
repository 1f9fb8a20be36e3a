"""Length laws: how long each training example is, as a function of the step and a key."""

import abc

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from .._core import require


class AbstractLengths(eqx.Module):
    """The law of the lengths of training examples; `max_length` is T, the longest one."""

    max_length: eqx.AbstractVar[int]

    @abc.abstractmethod
    def sample(self, step: Int[Array, ""], size: int, *, key: PRNGKeyArray) -> Int[Array, " batch"]:
        """Draw the lengths of `size` examples of training step `step` (traced)."""


class FixedLength(AbstractLengths):
    """Every example has length T. A causal model then trains on all its prefixes, 1 to T."""

    max_length: int

    def __check_init__(self):
        _check(self.max_length)

    def sample(self, step: Int[Array, ""], size: int, *, key: PRNGKeyArray) -> Int[Array, " batch"]:
        """All `max_length`."""
        del step, key
        return jnp.full((size,), self.max_length)


class UniformLengths(AbstractLengths):
    """Lengths uniform on 1..T, so that short prefixes weigh more than under `FixedLength`."""

    max_length: int

    def __check_init__(self):
        _check(self.max_length)

    def sample(self, step: Int[Array, ""], size: int, *, key: PRNGKeyArray) -> Int[Array, " batch"]:
        """Uniform draws from 1 to `max_length`, both included."""
        del step
        return jr.randint(key, (size,), 1, self.max_length + 1)


class Curriculum(AbstractLengths):
    """Length `start` at first, growing linearly to T over `growth_steps`, then T."""

    max_length: int
    start: int = 1
    growth_steps: int = 1000

    def __check_init__(self):
        _check(self.max_length)
        require(
            1 <= self.start <= self.max_length and self.growth_steps >= 1,
            "`1 <= start <= max_length` and `growth_steps >= 1`",
            "start the curriculum inside the training range",
            start=self.start,
            max_length=self.max_length,
            growth_steps=self.growth_steps,
        )

    def sample(self, step: Int[Array, ""], size: int, *, key: PRNGKeyArray) -> Int[Array, " batch"]:
        """All `start + floor((max_length - start + 1) * step / growth_steps)`, at most T."""
        del key
        grown = self.start + (self.max_length - self.start + 1) * step // self.growth_steps
        return jnp.full((size,), jnp.minimum(grown, self.max_length))


def _check(max_length: int) -> None:
    require(
        max_length >= 1, "`max_length >= 1`", "train on at least one token", max_length=max_length
    )
