"""Configs of models: static, hashable, and free of JAX until they build."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .._core import Component, ComponentLike, Sizes, require


if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray

    from ._transformer import Transformer


class DropoutRates(NamedTuple):
    """Where dropout acts, and how much of it.

    `None` means that this dropout does not exist in the compiled program (static); a number is
    traced, so that it can differ between trials, be vmapped, and change without a recompilation.
    """

    embedding: Any = None
    """Rate after the embedding."""
    attention: Any = None
    """Rate of the attention weights."""
    residual: Any = None
    """Rate of each branch before it is added."""


@dataclass(frozen=True)
class TransformerConfig:
    """A decoder transformer."""

    layers: int = 2
    """Number of blocks."""
    heads: int = 4
    """Attention heads of each block."""
    width: int = 64
    """Dimension of the residual stream, d in the paper."""
    key_dim: int | None = None
    """Dimension of queries and keys per head; `None` for width / heads."""
    value_dim: int | None = None
    """Dimension of values per head (d_v = heads * value_dim in the paper); `None` for width / heads."""
    mlp_ratio: int | None = 4
    """Hidden width of the MLP over `width`; `None` for attention only."""
    gelu: Literal["tanh", "exact"] = "tanh"
    """The MLP's GELU: the tanh form (GPT-1 and GPT-2), or exact, with the error function."""
    norm: Literal["none", "pre", "post"] = "pre"
    """Where the norms stand: nowhere, before each branch (and at the end), or after each sum."""
    norm_kind: Literal["layer", "rms"] = "layer"
    """LayerNorm or RMSNorm."""
    residual: bool = True
    """Whether each branch is added to its input, or replaces it."""
    tied: bool = False
    """Whether the unembedding is the transposed embedding."""
    bias: bool = True
    """Whether weight products and LayerNorm have a bias."""
    init_deviation: float | None = None
    """Standard deviation of all initial weights (GPT: 0.02); `None` for 1 / sqrt(inputs) by matrix, less
    where a branch ends. That of positions is their own."""
    attention: ComponentLike = Component("lengthwise.models:Softmax")
    """How scores become weights: an `AbstractAttention`, as instance or `module:Class {fields}`."""
    positions: ComponentLike = Component("lengthwise.models:NoPositions")
    """How positions enter: an `AbstractPositions`, as instance or `module:Class {fields}`."""
    activations: Literal["float32", "bfloat16"] = "float32"
    """What passes between the layers: float32, as the weights are, or bfloat16 (products of blocks too;
    norms, softmax and logits stay in float32, and so do weights, optimizer and averages)."""

    def __post_init__(self):
        for name in ("attention", "positions"):
            object.__setattr__(self, name, Component.of(getattr(self, name)))
        for name in ("layers", "heads", "width"):
            value = getattr(self, name)
            require(value >= 1, f"`{name} >= 1`", f"raise `{name}`", **{name: value})
        for name in ("key_dim", "value_dim", "mlp_ratio"):
            value = getattr(self, name)
            require(
                value is None or value >= 1,
                f"`{name} >= 1`",
                "raise it or give None",
                **{name: value},
            )
        require(
            self.init_deviation is None or self.init_deviation > 0,
            "`init_deviation > 0`",
            "raise it or give None",
            init_deviation=self.init_deviation,
        )
        for name, known in (
            ("norm", ("none", "pre", "post")),
            ("norm_kind", ("layer", "rms")),
            ("gelu", ("tanh", "exact")),
            ("activations", ("float32", "bfloat16")),
        ):
            value = getattr(self, name)
            require(value in known, f"`{name}` in {known}", "choose one of them", **{name: value})
        if self.key_dim is None or self.value_dim is None:
            require(
                self.width % self.heads == 0,
                "`width % heads == 0`",
                "choose heads that divide the width, or give `key_dim` and `value_dim`",
                width=self.width,
                heads=self.heads,
            )

    def build(self, sizes: Sizes, *, key: "PRNGKeyArray") -> "Transformer":
        """A freshly initialized model for a task of these `sizes`."""
        from ._transformer import Transformer

        return Transformer(self, sizes, key=key)


def minimal_config(
    width: int,
    *,
    heads: int = 1,
    key_dim: int | None = None,
    value_dim: int | None = None,
    tied: bool = False,
) -> TransformerConfig:
    """The single-layer, attention-only model of the theory (arXiv 2510.08341, section 3).

    No positions, no norms, no MLP, no biases, with the residual path:
    `f(t) = B[t_s] + sum_i a_i D[t_i]`, see `minimal_matrices`.
    """
    return TransformerConfig(
        layers=1,
        heads=heads,
        width=width,
        key_dim=key_dim,
        value_dim=value_dim,
        mlp_ratio=None,
        norm="none",
        tied=tied,
        bias=False,
    )
