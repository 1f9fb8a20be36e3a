"""The two published shapes of a GPT: GPT-1's, and that of OthelloGPT's minGPT. No JAX."""

from .._core import Component
from ._config import DropoutRates, TransformerConfig


GPT_DROPOUT = DropoutRates(embedding=0.1, attention=0.1, residual=0.1)
"""The rates of both when they train."""


def gpt1_config(layers: int = 12, heads: int = 12, width: int = 768) -> TransformerConfig:
    """GPT-1 (Radford et al. 2018, openai/finetune-transformer-lm), by default at its own size.

    Norms after each sum and none at the end, GELU in its tanh form, biases, learned positions, tied
    unembedding, all weights from N(0, 0.02^2). There dropout acts on the embedding table, here on the
    embedded tokens, as in later GPTs.
    """
    return TransformerConfig(
        layers=layers,
        heads=heads,
        width=width,
        norm="post",
        gelu="tanh",
        tied=True,
        init_deviation=0.02,
        positions=Component("lengthwise.models:LearnedPositions", '{"scale": 0.02}'),
    )


def mingpt_config(layers: int = 8, heads: int = 8, width: int = 512) -> TransformerConfig:
    """OthelloGPT (Li et al., arXiv 2210.13382, likenneth/othello_world), by default at its own size.

    Its minGPT of 2020: norms before each branch and at the end, exact GELU (later minGPTs have the tanh
    form), biases, untied unembedding without one, weights from N(0, 0.02^2) with no smaller ends of
    branches, learned positions that begin at zero.
    """
    return TransformerConfig(
        layers=layers,
        heads=heads,
        width=width,
        norm="pre",
        gelu="exact",
        tied=False,
        init_deviation=0.02,
        positions=Component("lengthwise.models:LearnedPositions", '{"scale": 0.0}'),
    )
