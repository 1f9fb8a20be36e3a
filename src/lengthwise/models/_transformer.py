"""The decoder transformer."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import Sizes, require
from ._attention import AbstractAttention
from ._base import AbstractModel
from ._block import Block
from ._config import DropoutRates, TransformerConfig
from ._linear import at_least_float32, dropout, matmul, normal, split_or_none
from ._norm import LayerNorm, RMSNorm, make_norm
from ._positions import AbstractPositions


class Transformer(AbstractModel):
    """Embedding, blocks, norm (with `norm="pre"`) and unembedding without bias.

    With `minimal_config` it is the single-layer attention-only model of the theory.

    **Arguments:**

    - `config`: everything but the task's sizes.
    - `sizes`: of the task.
    - `key`: randomness of the initial weights. (Keyword only argument.)
    """

    embedding: Float[Array, "inputs width"]
    position_params: Any
    blocks: tuple[Block, ...]
    norm_final: LayerNorm | RMSNorm | None
    unembedding: Float[Array, "width vocab"] | None
    config: TransformerConfig = eqx.field(static=True)
    sizes: Sizes = eqx.field(static=True)
    positions: AbstractPositions = eqx.field(static=True)

    def __init__(self, config: TransformerConfig, sizes: Sizes, *, key: PRNGKeyArray):
        embedding_key, position_key, unembedding_key, block_key = jax.random.split(key, 4)
        self.config = config
        self.sizes = sizes
        self.positions = _built(config.positions, AbstractPositions, "positions")
        kind = _built(config.attention, AbstractAttention, "attention")
        deviation = config.width**-0.5 if config.init_deviation is None else config.init_deviation
        self.embedding = normal((sizes.inputs, config.width), deviation, key=embedding_key)
        self.position_params = self.positions.init(
            sizes.max_len,
            config.width,
            config.heads,
            config.key_dim or config.width // config.heads,
            key=position_key,
        )
        keys = jax.random.split(block_key, config.layers)
        self.blocks = tuple(Block(config, kind, key=keys[i]) for i in range(config.layers))
        self.norm_final = make_norm(config) if config.norm == "pre" else None
        self.unembedding = (
            None
            if config.tied
            else normal((config.width, sizes.vocab), deviation, key=unembedding_key)
        )

    def __call__(
        self,
        tokens: Int[Array, "*batch len"],
        *,
        dropout: DropoutRates | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch len vocab"]:
        """Logits of the next token after every prefix; see `AbstractModel`."""
        check_length(tokens, self.sizes)
        rates = DropoutRates() if dropout is None else dropout
        place_key, embedding_key, *keys = split_or_none(key, 2 + len(self.blocks))
        places = self.positions.places(tokens.shape, key=place_key)
        x = self.embed(tokens, places)
        x = _dropout(x, rates.embedding, key=embedding_key)
        x = self.streams(x, places, rates, keys)[-1]
        x = x.astype(at_least_float32(x.dtype))  # to the end: the last product is a small one
        if self.norm_final is not None:
            x = self.norm_final(x)
        return matmul(x, self.unembedding_matrix())

    def embed(
        self, tokens: Int[Array, "*batch len"], places: Int[Array, "*#batch len"]
    ) -> Float[Array, "*batch len width"]:
        """Tokens and positions as the first block reads them, in the dtype of the activations."""
        x = self.positions.embed(self.position_params, self.embedding[tokens], places)
        return x.astype(jnp.bfloat16) if self.config.activations == "bfloat16" else x

    def streams(
        self,
        x: Float[Array, "*batch len width"],
        places: Int[Array, "*#batch len"],
        rates: DropoutRates,
        keys: Sequence[PRNGKeyArray | None],
    ) -> tuple[Float[Array, "*batch len width"], ...]:
        """`x`, and what comes out of every block; `keys` are one a block, for dropout."""
        found = [x]
        for block, key in zip(self.blocks, keys, strict=True):
            x = block(x, self.positions, self.position_params, places, rates, key=key)
            found.append(x)
        return tuple(found)

    def unembedding_matrix(self) -> Float[Array, "width vocab"]:
        """U: the unembedding, or the transposed embedding of the output tokens where tied."""
        if self.unembedding is not None:
            return self.unembedding
        return jnp.transpose(self.embedding[: self.sizes.vocab])


def check_length(tokens: Int[Array, "*batch len"], sizes: Sizes) -> None:
    """Refuse more positions than the model has places for."""
    length = tokens.shape[-1]
    require(
        length <= sizes.max_len,
        "`positions <= max_len`",
        "shorten the input or build the model for a longer task",
        positions=length,
        max_len=sizes.max_len,
    )


_dropout = dropout  # the name is an argument of `__call__`


def _built(component: Any, contract: type, field: str) -> Any:
    instance = component.build()
    require(
        isinstance(instance, contract),
        f"`{field}` is an `{contract.__name__}`",
        "subclass it, or correct the name",
        **{field: str(component)},
    )
    return instance
