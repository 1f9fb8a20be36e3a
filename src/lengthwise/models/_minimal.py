"""Reading the minimal model: three matrices that say everything about it at every length."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import require
from ._attention import Softmax
from ._positions import NoPositions
from ._transformer import Transformer


class MinimalMatrices(NamedTuple):
    r"""$f(t) = B[t_s] + \sum_h \sum_i a^h_i D^h[t_i]$ with $a^h = softmax_i(C^h[t_s, t_i])$.

    - `residual`: $B = E U$, zero where the model has no residual path, shape `(vocab, vocab)`.
    - `scores`: $C^h = E W_Q W_K^T E^T / \sqrt{d_k}$, shape `(heads, vocab, vocab)`.
    - `values`: $D^h = E W_V W_O U$, shape `(heads, vocab, vocab)`.
    """

    residual: Float[Array, "vocab vocab"]
    scores: Float[Array, "heads vocab vocab"]
    values: Float[Array, "heads vocab vocab"]


def minimal_matrices(model: Transformer) -> MinimalMatrices:
    """Read B, C and D (arXiv 2510.08341, section 3) from a single-layer attention-only model.

    **Raises:** `InputError` if the model has anything that the three matrices cannot say: more
    layers, an MLP, norms, positions, biases, another attention than softmax, or rounded activations.
    """
    config = model.config
    covered = {
        "layers": config.layers == 1,
        "mlp_ratio": config.mlp_ratio is None,
        "norm": config.norm == "none",
        "bias": not config.bias,
        "attention": isinstance(model.blocks[0].attention.kind, Softmax),
        "positions": isinstance(model.positions, NoPositions),
        "activations": config.activations == "float32",
    }
    wrong = [name for name, fine in covered.items() if not fine]
    require(
        not wrong,
        "A minimal model (one layer, attention only, softmax, no norm, bias or positions)",
        "use `minimal_config`, or measure the model with `evaluate`",
        **{name: getattr(config, name) for name in wrong},
    )
    attention = model.blocks[0].attention
    embedding = model.embedding[: model.sizes.vocab]
    unembedding = model.unembedding_matrix()
    heads, keys = attention.heads, attention.heads * attention.key_dim
    query, key, value = jnp.split(attention.qkv.weight, [keys, 2 * keys], axis=1)
    by_head = lambda w: jnp.stack(jnp.split(embedding @ w, heads, axis=1))  # (heads, vocab, dim)
    scores = by_head(query) @ jnp.swapaxes(by_head(key), 1, 2) / math.sqrt(attention.key_dim)
    output = jnp.stack(jnp.split(attention.output.weight, heads, axis=0))
    values = by_head(value) @ output @ unembedding
    residual = embedding @ unembedding
    return MinimalMatrices(residual if config.residual else 0 * residual, scores, values)
