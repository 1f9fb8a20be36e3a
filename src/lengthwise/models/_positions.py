"""The positions contract, a base for each part that one may leave alone, and the smallest choice: none."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


class AbstractPositions(eqx.Module):
    """How a model knows where a token stands.

    An instance holds hyperparameters only; `init` makes what is learned, one tree per model. There
    are three places to act: on embeddings, on queries and keys, on scores. A class that does nothing at
    some of them has the classes below for bases, one for each thing that it leaves alone.

    `places` has the axes `(len,)` where all sequences share them, else those of the tokens.
    """

    @abc.abstractmethod
    def init(self, max_len: int, width: int, heads: int, key_dim: int, *, key: PRNGKeyArray) -> Any:
        """The learned parameters, a tree of arrays; `None` if there are none."""

    @abc.abstractmethod
    def places(
        self, shape: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> Int[Array, "*batch len"]:
        """The position numbers of tokens of this shape; with a `key` (in training) they may be random.

        **Returns:** `(len,)`, the same for all sequences, or an array of the shape `shape`.
        """

    @abc.abstractmethod
    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """Act on the token embeddings."""

    @abc.abstractmethod
    def rotate(
        self,
        params: Any,
        x: Float[Array, "*batch heads len key_dim"],
        places: Int[Array, "*#batch len"],
    ) -> Float[Array, "*batch heads len key_dim"]:
        """Act on queries and on keys."""

    @abc.abstractmethod
    def bias(
        self, params: Any, heads: int, places: Int[Array, "*batch len"]
    ) -> Float[Array, "*batch heads len len"] | None:
        """What is added to the scores, query by key; `None` for nothing."""


class AbstractUnlearned(AbstractPositions):
    """Positions without parameters."""

    def init(
        self, max_len: int, width: int, heads: int, key_dim: int, *, key: PRNGKeyArray
    ) -> None:
        """Nothing to learn."""
        del max_len, width, heads, key_dim, key


class AbstractFromZero(AbstractPositions):
    """Places that count from 0, in training too."""

    def places(self, shape: tuple[int, ...], *, key: PRNGKeyArray | None) -> Int[Array, " len"]:
        """0, 1, 2, ..."""
        del key
        return jnp.arange(shape[-1])


class AbstractNoEmbedding(AbstractPositions):
    """Positions that leave embeddings as they are."""

    def embed(
        self, params: Any, x: Float[Array, "*batch len width"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """The input."""
        del params, places
        return x


class AbstractNoRotation(AbstractPositions):
    """Positions that leave queries and keys as they are."""

    def rotate(
        self,
        params: Any,
        x: Float[Array, "*batch heads len key_dim"],
        places: Int[Array, "*#batch len"],
    ) -> Float[Array, "*batch heads len key_dim"]:
        """The input."""
        del params, places
        return x


class AbstractNoBias(AbstractPositions):
    """Positions that add nothing to the scores."""

    def bias(self, params: Any, heads: int, places: Int[Array, "*batch len"]) -> None:
        """Nothing."""
        del params, heads, places


class NoPositions(
    AbstractUnlearned, AbstractFromZero, AbstractNoEmbedding, AbstractNoRotation, AbstractNoBias
):
    """No positions: only the causal mask tells order, as in the paper's theory."""
