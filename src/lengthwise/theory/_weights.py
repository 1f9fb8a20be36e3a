"""What the constructions share: an orthonormal centred basis, and weights into the ordinary model."""

import math
from collections.abc import Sequence
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float

from .._core import require
from ..models import Transformer, TransformerConfig
from ..tasks import SetComplement
from ._displacement import predicted_displacements
from ._horizon import balanced_weights


def centred_basis(size: int) -> Float[np.ndarray, "size less"]:
    r"""Helmert's basis Q: orthonormal columns that span the centred space, `(size, size - 1)`.

    Column k = 1, 2, ... is $(1, \dots, 1, -k, 0, \dots) / \sqrt{k (k + 1)}$ with k ones.

    1. A column sums to k - k = 0, and its squares to $(k + k^2) / (k (k + 1)) = 1$.
    2. For j < k, column k is constant where column j is not zero: their product is that constant times
       the sum of column j, which is 0.
    3. These are size - 1 orthonormal centred columns, so $Q^T Q = I$ and $Q Q^T = I - 1 1^T / size$. QED.
    """
    basis = np.zeros((size, size - 1))
    for k in range(1, size):
        basis[:k, k - 1] = 1 / math.sqrt(k * (k + 1))
        basis[k, k - 1] = -k / math.sqrt(k * (k + 1))
    return basis


def explicit_model(
    config: TransformerConfig,
    vocab: int,
    *,
    embedding: np.ndarray,
    unembedding: np.ndarray | None,
    query: Sequence[np.ndarray],
    key: Sequence[np.ndarray],
    value: Sequence[np.ndarray],
    output: Sequence[np.ndarray],
) -> Transformer:
    """The ordinary single-layer model of `SetComplement(vocab)` with these weights.

    Its precision is JAX's default: float32, or float64 where x64 is enabled. All arguments but the first
    two are keyword only.

    **Arguments:**

    - `config`: of one layer, attention only, without biases; gains of its norms are one.
    - `vocab`: v.
    - `embedding`: E, `(vocab, width)`.
    - `unembedding`: U, `(width, vocab)`; `None` where tied.
    - `query`, `key`: of each head, `(width, key_dim)`; scores are divided by sqrt(key_dim) by the model.
    - `value`, `output`: of each head, `(width, n)` and `(n, width)`, n at most `value_dim`: the rest of the
      head is zero.
    """
    require(not config.bias, "`bias` False", "constructions have no biases", bias=config.bias)
    sizes = SetComplement(vocab).sizes
    # Shapes only: no random weights are drawn to be thrown away. What is not given are norms' gains.
    model = eqx.filter_eval_shape(lambda: config.build(sizes, key=jr.key(0)))
    attention = model.blocks[0].attention
    pad = lambda size: (0, attention.value_dim - size)
    values = [np.pad(x, ((0, 0), pad(x.shape[1]))) for x in value]
    outputs = [np.pad(x, (pad(x.shape[0]), (0, 0))) for x in output]
    new = [embedding, np.concatenate([*query, *key, *values], axis=1), np.concatenate(outputs)]
    where = lambda m: [
        m.embedding,
        m.blocks[0].attention.qkv.weight,
        m.blocks[0].attention.output.weight,
        *([] if config.tied else [m.unembedding]),
    ]
    if unembedding is not None:
        new.append(unembedding)
    old = where(model)
    shapes = [x.shape for x in old]
    require(
        shapes == [x.shape for x in new],
        f"Weights of shapes {shapes}",
        "make the weights agree with `config`",
        shapes=[x.shape for x in new],
    )
    arrays = [jnp.asarray(x, y.dtype) for x, y in zip(new, old, strict=True)]
    model = eqx.tree_at(where, model, arrays)
    missing = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    filled = lambda leaf: jnp.ones(leaf.shape, leaf.dtype) if missing(leaf) else leaf
    return jax.tree.map(filled, model)


def balanced_displacements(
    attention_displacement: np.ndarray, residual_displacement: np.ndarray, tokens: np.ndarray
) -> Float[np.ndarray, "batch length"]:
    r"""The closed form of every balanced family without norm, `(batch, length)`.

    $\Delta_x = \delta'_x w_q(x) / Z$ and $\Delta_q = r_q + \delta'_q / Z$, q the last token,
    $w_q(x) = \delta_q / (\delta'_x - r_q)$, $Z = 1 + \sum w_q(x)$ over the earlier tokens.
    """
    scores = np.log(balanced_weights(attention_displacement, residual_displacement))
    return predicted_displacements(attention_displacement, residual_displacement, scores, tokens)


def homogeneous_displacements(
    vocab: int, attention_displacement: float, residual_displacement: float, tokens: np.ndarray
) -> Float[np.ndarray, "batch length"]:
    """`balanced_displacements` with the same two numbers for every token."""
    of_each = lambda number: np.full(vocab, float(number))
    own, share = of_each(attention_displacement), of_each(residual_displacement)
    return balanced_displacements(own, share, tokens)


def homogeneous_horizon(
    vocab: int, attention_displacement: float, residual_displacement: float
) -> int | None:
    r"""The first length not solved, $\lceil 2 + \delta' / |r| \rceil$ for r < 0; `None` if above v - 1.

    In exact arithmetic of the numbers given: at $s = 2 + \delta' / |r|$ the last token ties, a failure.
    """
    if residual_displacement >= 0:
        return None
    ratio = Fraction(attention_displacement) / -Fraction(residual_displacement)
    first = 2 + math.ceil(ratio)
    return first if first < vocab else None


def require_numbers(vocab: int, **values: float) -> None:
    """Refuse a vocabulary below 2 and numbers that are not finite, naming them."""
    require(vocab >= 2, "`vocab >= 2`", "one token must be present and one absent", vocab=vocab)
    for name, value in values.items():
        require(math.isfinite(value), f"`{name}` finite", "give a number", **{name: value})
