"""The average contract, and exponential averages of the weights."""

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from .._core import require


class AbstractAverage(eqx.Module):
    """A running average of the weights, tracked beside training without touching it.

    An instance holds hyperparameters (numbers are traced, text is static); the state is a tree that
    belongs to the checkpoint, its step counter an array inside. `update` is linear in the weights it
    has seen, so that the mass left on the initial weights can be computed by the same code.
    """

    @abc.abstractmethod
    def init(self, params: PyTree[Array]) -> PyTree[Array]:
        """The state before the first step, from the initial weights."""

    @abc.abstractmethod
    def update(self, state: PyTree[Array], params: PyTree[Array]) -> PyTree[Array]:
        """The state after a training step that ended in the weights `params`."""

    @abc.abstractmethod
    def value(self, state: PyTree[Array]) -> PyTree[Array]:
        """The averaged weights."""


class CountedState(eqx.Module):
    """The number of updates so far, and the average after them."""

    count: Int[Array, ""]
    average: PyTree[Array]


class NoAverage(AbstractAverage):
    """The raw weights, for a place that asks for an average."""

    def init(self, params: PyTree[Array]) -> PyTree[Array]:
        """The weights."""
        return params

    def update(self, state: PyTree[Array], params: PyTree[Array]) -> PyTree[Array]:
        """The newest weights."""
        del state
        return params

    def value(self, state: PyTree[Array]) -> PyTree[Array]:
        """The newest weights."""
        return state


class EMA(AbstractAverage):
    r"""Exponential moving average, $\bar\theta \gets d \bar\theta + (1 - d) \theta_t$, from $\theta_0$.

    Here `decay` is $d$; after $t$ steps the initial weights keep the mass $d^t$.
    """

    decay: Any

    def __check_init__(self):
        if isinstance(self.decay, int | float):
            require(
                0 <= self.decay < 1,
                "`0 <= decay < 1`",
                "0.99 to 0.9999 are usual",
                decay=self.decay,
            )

    def init(self, params: PyTree[Array]) -> PyTree[Array]:
        """The initial weights."""
        return params

    def update(self, state: PyTree[Array], params: PyTree[Array]) -> PyTree[Array]:
        """One step of the average."""
        return interpolate(state, params, 1 - jnp.asarray(self.decay))

    def value(self, state: PyTree[Array]) -> PyTree[Array]:
        """The average."""
        return state


class PowerEMA(AbstractAverage):
    r"""Average with power-law weights, $\bar\theta \gets \beta_t \bar\theta + (1 - \beta_t) \theta_t$.

    $$\beta_t = (1 - 1/t)^{\gamma + 1}$$

    Here `gamma` is $\gamma$; it forgets the initial weights at once ($\beta_1 = 0$), and its window
    grows with the run. (Karras et al., arXiv 2312.02696, equation 127.)
    """

    gamma: Any = 6.94

    def __check_init__(self):
        if isinstance(self.gamma, int | float):
            require(self.gamma >= 0, "`gamma >= 0`", "6.94 and 16.97 are usual", gamma=self.gamma)

    def init(self, params: PyTree[Array]) -> CountedState:
        """The initial weights, before any update."""
        return CountedState(jnp.zeros((), jnp.int32), params)

    def update(self, state: CountedState, params: PyTree[Array]) -> CountedState:
        """One step of the average."""
        count = state.count + 1
        keep = (1 - 1 / count.astype(float)) ** (jnp.asarray(self.gamma, float) + 1)
        return CountedState(count, interpolate(state.average, params, 1 - keep))

    def value(self, state: CountedState) -> PyTree[Array]:
        """The average."""
        return state.average


def interpolate(old: PyTree[Array], new: PyTree[Array], share: Float[Array, ""]) -> PyTree[Array]:
    """`(1 - share) * old + share * new`, leaf by leaf in the dtype of `old`."""

    def leaf(x, y):
        s = share.astype(x.dtype)
        return (1 - s) * x + s * y.astype(x.dtype)

    return jax.tree.map(leaf, old, new)


def average_name(average: AbstractAverage) -> str:
    """A name for tables and files: the class, and the fields that are not at their default."""
    parts = [type(average).__name__]
    for field in dataclasses.fields(average):
        value = getattr(average, field.name)
        if value != field.default:
            parts.append(f"{field.name}{value}")
    return "_".join(parts)
