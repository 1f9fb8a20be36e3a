"""The layout of OthelloGPT's minGPT: a PyTorch state dictionary."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..models import TransformerConfig
from ._layout import TURNED, AbstractLayout, Form, Part


ONE_ROW = Form(lambda x, heads: x[None], lambda x, heads: x[0])
"""Positions have a leading axis of one there."""


class MinGPT(AbstractLayout):
    """The state dictionary of minGPT as of 2020, as published (likenneth/othello_world, `mingpt/model.py`).

    Its GELU is the exact one, its MLP four times the width. The number of heads is in no array.
    """

    name: ClassVar[str] = "mingpt"
    gelus: ClassVar[Mapping[str, str]] = {"exact": "gelu"}
    mlp_ratio: ClassVar[int | None] = 4
    heads_name: ClassVar[str] = "n_head"

    def parts(self) -> tuple[Part, ...]:
        """`tok_emb.weight`, `pos_emb`, `blocks.N...`, `ln_f`, `head.weight`."""
        products = {
            "attn.query": "attention.query",
            "attn.key": "attention.key",
            "attn.value": "attention.value",
            "attn.proj": "attention.output",
            "mlp.0": "mlp.up",
            "mlp.2": "mlp.down",
        }
        norms = {
            "blocks.{n}.ln1": "blocks.{n}.norm_attention",
            "blocks.{n}.ln2": "blocks.{n}.norm_mlp",
        }
        return (
            Part("tok_emb.weight", "embedding"),
            Part("pos_emb", "position_params", ONE_ROW),
            *(
                part
                for theirs, ours in products.items()
                for part in (
                    Part(f"blocks.{{n}}.{theirs}.weight", f"blocks.{{n}}.{ours}.weight", TURNED),
                    Part(f"blocks.{{n}}.{theirs}.bias", f"blocks.{{n}}.{ours}.bias"),
                )
            ),
            *(
                part
                for theirs, ours in (norms | {"ln_f": "norm_final"}).items()
                for part in (
                    Part(f"{theirs}.weight", f"{ours}.gain"),
                    Part(f"{theirs}.bias", f"{ours}.shift"),
                )
            ),
            Part("head.weight", "unembedding", TURNED),
        )

    def constants(self, layers: int, max_len: int, vocabulary: int) -> dict[str, np.ndarray]:
        """The causal mask of every block, float32 of shape (1, 1, max_len, max_len)."""
        del vocabulary
        mask = np.tril(np.ones((1, 1, max_len, max_len), np.float32))
        return {f"blocks.{n}.attn.mask": mask for n in range(layers)}

    def arguments(
        self, config: TransformerConfig, *, vocabulary: int, max_len: int
    ) -> dict[str, Any]:
        """The arguments of `GPTConfig`."""
        return {
            "vocab_size": vocabulary,
            "block_size": max_len,
            "n_layer": config.layers,
            "n_head": config.heads,
            "n_embd": config.width,
        }

    def check_arguments(self, arguments: Mapping[str, Any], *, source: str) -> None:
        """They say no more than sizes, which the arrays show."""
        del arguments, source

    def heads(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The shapes do not tell it."""
        del arrays

    def gelu(self, arguments: Mapping[str, Any]) -> str:
        """There is one only."""
        del arguments
        return "exact"

    def completed(self, arrays: Mapping[str, np.ndarray], *, source: str) -> dict[str, np.ndarray]:
        """All but the masks."""
        del source
        return {name: array for name, array in arrays.items() if not name.endswith(".attn.mask")}
