"""The positions contract, and the two smallest choices: none and learned."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._linear import normal


class AbstractPositions(eqx.Module):
    """How a model knows where a token stands.

    An instance holds hyperparameters only; `init` makes what is learned, one tree per model. There
    are three places to act: on embeddings, on queries and keys, on scores. A class does nothing at
    a place by returning its input there, or `None` for no bias.
    """

    @abc.abstractmethod
    def init(self, max_len: int, width: int, heads: int, *, key: PRNGKeyArray) -> Any:
        """The learned parameters, a tree of arrays; `None` if there are none."""

    @abc.abstractmethod
    def places(self, length: int, *, key: PRNGKeyArray | None) -> Int[Array, " len"]:
        """The position numbers of a sequence; with a `key` (in training) they may be random."""

    @abc.abstractmethod
    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch len width"]:
        """Act on the token embeddings."""

    @abc.abstractmethod
    def rotate(
        self, params: Any, x: Float[Array, "*batch heads len key_dim"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch heads len key_dim"]:
        """Act on queries and on keys."""

    @abc.abstractmethod
    def bias(
        self, params: Any, heads: int, places: Int[Array, " len"]
    ) -> Float[Array, "heads len len"] | None:
        """What is added to the scores, query by key; `None` for nothing."""


class NoPositions(AbstractPositions):
    """No positions: only the causal mask tells order, as in the paper's theory."""

    def init(self, max_len: int, width: int, heads: int, *, key: PRNGKeyArray) -> None:
        """Nothing to learn."""
        del max_len, width, heads, key

    def places(self, length: int, *, key: PRNGKeyArray | None) -> Int[Array, " len"]:
        """0, 1, 2, ..."""
        del key
        return jnp.arange(length)

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch len width"]:
        """The input."""
        del params, places
        return x

    def rotate(
        self, params: Any, x: Float[Array, "*batch heads len key_dim"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch heads len key_dim"]:
        """The input."""
        del params, places
        return x

    def bias(self, params: Any, heads: int, places: Int[Array, " len"]) -> None:
        """Nothing."""
        del params, heads, places


class LearnedPositions(AbstractPositions):
    """A learned vector per position, added to the embedding (GPT-1).

    Vectors beyond the training length stay as they were initialized: such a model cannot be
    expected to work there, and the figures show it.
    """

    scale: float = 0.02

    def init(
        self, max_len: int, width: int, heads: int, *, key: PRNGKeyArray
    ) -> Float[Array, "max_len width"]:
        """Vectors from N(0, scale^2)."""
        del heads
        return normal((max_len, width), self.scale, key=key)

    def places(self, length: int, *, key: PRNGKeyArray | None) -> Int[Array, " len"]:
        """0, 1, 2, ..."""
        del key
        return jnp.arange(length)

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch len width"]:
        """Add the vector of each place."""
        return x + jnp.broadcast_to(params[places], x.shape)

    def rotate(
        self, params: Any, x: Float[Array, "*batch heads len key_dim"], places: Int[Array, " len"]
    ) -> Float[Array, "*batch heads len key_dim"]:
        """The input."""
        del params, places
        return x

    def bias(self, params: Any, heads: int, places: Int[Array, " len"]) -> None:
        """Nothing."""
        del params, heads, places
