r"""The anatomy of a single-layer attention-only model: what it does, as arrays over tokens.

Whatever its norms, biases, heads and learned positions, such a model computes, after the tokens
$t_1 \dots t_s$ with last token $q = t_s$,

$$h(t) = R[q] + \sum_h \sum_i a^h_i V^h[t_i], \qquad a^h = softmax_i(C^h[q, t_i]), \qquad
  f(t) = norm(h(t))\, U + b,$$

where $R$, $V$, $C$ are functions of one token, one token and two tokens (and of their places, where
positions are learned). Proof: the embedding $x_i = E[t_i] + p_i$ and a norm before the attention act
on each token alone. Value and output products are linear, and a value bias passes through unchanged as
the weights sum to one. A final norm's centring is linear and goes into $R$ and $V$, its gain into $U$,
its shift, times the unembedding, into $b$: what is left of the norm is one positive factor,
$\sqrt{d} / \sqrt{|h|^2 + d \epsilon}$. QED.

Without norm and positions, $B = R U$, $D^h = V^h U$ and $C$ say everything (arXiv 2510.08341, section 3).
"""

import dataclasses
import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .._core import InputError, require
from ..models import (
    EPSILON,
    LayerNorm,
    LearnedPositions,
    NoPositions,
    RMSNorm,
    Softmax,
    Transformer,
)
from ._rounding import Rounded


@dataclasses.dataclass(frozen=True)
class OneLayer:
    """A single-layer attention-only model as arrays, in float64, each with its rounding error.

    Axes: `heads`; `places`, one without learned positions (then a place makes no difference), else
    one for each; `vocab`. All but the query side of `scores` are by the token attended to.

    - `residual`: R, hidden vectors of the last token, shape `(places, vocab, dim)`.
    - `values`: V, shape `(heads, places, vocab, dim)`.
    - `queries`, `keys`: shape `(heads, places, vocab, key_dim)`; queries hold 1 / sqrt(d_k).
    - `unembedding`: U, shape `(dim, vocab)`, with a final norm's gain.
    - `offset`: b, shape `(vocab,)`, from a final norm's shift; zero without one.
    - `epsilon`: of the final norm, `None` without one; it multiplies h by
      `sqrt(dim) / sqrt(|h|^2 + dim * epsilon)`.
    """

    residual: Rounded
    values: Rounded
    queries: Rounded
    keys: Rounded
    unembedding: Rounded
    offset: Rounded
    epsilon: float | None

    @property
    def vocab(self) -> int:
        """The number of tokens, v."""
        return self.residual.value.shape[1]

    @property
    def heads(self) -> int:
        """The number of heads."""
        return self.values.value.shape[0]

    @property
    def places(self) -> int:
        """1 without learned positions, else the number of them."""
        return self.residual.value.shape[0]

    @property
    def dim(self) -> int:
        """The dimension of hidden vectors, d."""
        return self.residual.value.shape[-1]

    def residual_logits(self, length: int) -> Rounded:
        """B: logits of the last token's own hidden vector, before a norm; `(vocab, vocab)`."""
        return self.residual.at(self._last(length)) @ self.unembedding

    def value_logits(self) -> Rounded:
        """D: logits of each value vector, before a norm; `(heads, places, vocab, vocab)`."""
        return self.values @ self.unembedding

    def scores(self, length: int) -> Rounded:
        """C from the last token to every token at every place; `(heads, places, vocab, vocab)`.

        The first `vocab` axis is the last token's. Without positions the places are one; with them,
        the last entry is the last token's own place.
        """
        query = self.queries.at((slice(None), self._last(length)))
        query = query.at((slice(None), None))
        keys = self.keys.at((slice(None), slice(0, length if self.places > 1 else 1)))
        return query @ keys.transposed()

    def plain_matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(B, C, D)`, shapes `(v, v)`, `(heads, v, v)`, `(heads, v, v)`, of a model without positions.

        With a final norm they are those before the norm.

        **Raises:** `InputError` for a model with positions, where each depends on places.
        """
        require(
            self.places == 1,
            "A model without positions",
            "B, C and D depend on places here; use `scores(length)`, `value_logits()`",
            places=self.places,
        )
        return (
            self.residual_logits(1).value,
            self.scores(1).value[:, 0],
            self.value_logits().value[:, 0],
        )

    def logits(self, tokens: np.ndarray) -> Float[np.ndarray, "batch vocab"]:
        """f(t), float64, of sequences of one length, shape `(batch, length)`: the ordinary model's
        logits at its last position, by the formula above.
        """
        tokens = np.atleast_2d(tokens)
        length, last = tokens.shape[1], tokens[:, -1]
        hidden = self.residual.value[self._last(length), last]
        for head in range(self.heads):
            query = self.queries.value[head, self._last(length), last]  # (batch, key_dim)
            if self.places == 1:  # by matrix products over all tokens: no (batch, length, dim)
                scores = query @ self.keys.value[head, 0].T
                weights = _softmax(np.take_along_axis(scores, tokens, axis=1))
                attention = np.zeros((tokens.shape[0], self.vocab))
                np.put_along_axis(attention, tokens, weights, axis=1)
                hidden = hidden + attention @ self.values.value[head, 0]
            else:
                place = np.arange(length)[None]
                keys = self.keys.value[head, place, tokens]  # (batch, length, key_dim)
                weights = _softmax(np.einsum("bk,bik->bi", query, keys))
                values = self.values.value[head, place, tokens]
                hidden = hidden + np.einsum("bi,bid->bd", weights, values)
        if self.epsilon is not None:
            square = np.sum(hidden**2, axis=1, keepdims=True)
            hidden = hidden * np.sqrt(self.dim / (square + self.dim * self.epsilon))
        return hidden @ self.unembedding.value + self.offset.value

    def _last(self, length: int) -> int:
        if self.places == 1:
            return 0
        require(
            1 <= length <= self.places,
            f"`1 <= length <= {self.places}`",
            "the model has no position for it",
            length=length,
        )
        return length - 1


def _softmax(scores: Float[np.ndarray, "batch length"]) -> Float[np.ndarray, "batch length"]:
    weights = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return weights / np.sum(weights, axis=1, keepdims=True)


def one_layer(model: Transformer) -> OneLayer:
    """The anatomy of a model.

    **Raises:** `InputError` if the model is not of one layer, attention only, with softmax and without
    or with learned positions and no begin token, or if a weight is NaN or infinite.
    """
    config = model.config
    covered = {
        "layers": config.layers == 1,
        "mlp_ratio": config.mlp_ratio is None,
        "attention": isinstance(model.blocks[0].attention.kind, Softmax),
        "positions": isinstance(model.positions, NoPositions | LearnedPositions),
        "activations": config.activations == "float32",
    }
    wrong = {name: str(getattr(config, name)) for name, fine in covered.items() if not fine}
    require(
        not wrong,
        "A model that the theory covers (one layer, attention only, softmax, no or learned positions)",
        "train one, as `lengthwise train minimal` does; `evaluate` measures any model",
        **wrong,
    )
    require(
        model.sizes.inputs == model.sizes.vocab,
        "A model without begin token (`inputs == vocab`)",
        "train it on `SetComplement(begin_token=False)`",
        inputs=model.sizes.inputs,
        vocab=model.sizes.vocab,
    )
    _check_finite(model)
    attention, block = model.blocks[0].attention, model.blocks[0]
    x = Rounded.exact(_array(model.embedding)[None])
    if isinstance(model.positions, LearnedPositions):
        x = x.plus(Rounded.exact(_array(model.position_params)[:, None]))
    before = block.norm_attention if config.norm == "pre" else None
    seen = x if before is None else _normed(x, before)

    columns = np.split(
        _array(attention.qkv.weight),
        np.cumsum([attention.heads * attention.key_dim] * 2),
        axis=1,
    )
    bias = attention.qkv.bias
    biases = (
        np.split(_array(bias), np.cumsum([attention.heads * attention.key_dim] * 2))
        if bias is not None
        else [None] * 3
    )
    query, key, value = (
        _by_head(seen, weight, shift, attention.heads)
        for weight, shift in zip(columns, biases, strict=True)
    )
    query = query.scaled(np.array(1 / math.sqrt(attention.key_dim)), operations=2)
    output = np.stack(np.split(_array(attention.output.weight), attention.heads, axis=0))
    values = value @ Rounded.exact(output[:, None])
    residual = x if config.residual else Rounded.exact(np.zeros_like(x.value))
    if attention.output.bias is not None:
        residual = residual.plus(Rounded.exact(_array(attention.output.bias)))

    norm = model.norm_final if config.norm == "pre" else block.norm_attention
    unembedding = Rounded.exact(_array(model.unembedding_matrix()))
    offset = Rounded.exact(np.zeros(model.sizes.vocab))
    if norm is None:
        return OneLayer(residual, values, query, key, unembedding, offset, None)
    if isinstance(norm, LayerNorm):
        residual, values = _centred(residual), _centred(values)
        if norm.shift is not None:
            offset = Rounded.exact(_array(norm.shift)[None]) @ unembedding
            offset = offset.at(0)
    unembedding = unembedding.scaled(_array(norm.gain)[:, None])
    return OneLayer(residual, values, query, key, unembedding, offset, EPSILON)


def _array(x: object) -> np.ndarray:
    return np.asarray(x, np.float64)


def _by_head(x: Rounded, weight: np.ndarray, shift: np.ndarray | None, heads: int) -> Rounded:
    """`x W + b` by head: `(heads, places, vocab, dim)`."""
    weights = np.stack(np.split(weight, heads, axis=1))[:, None]
    y = x.at(None) @ Rounded.exact(weights)
    if shift is None:
        return y
    return y.plus(Rounded.exact(np.reshape(shift, (heads, 1, 1, -1))))


def _centred(x: Rounded) -> Rounded:
    mean = np.mean(x.value, axis=-1, keepdims=True)
    size = np.mean(x.magnitude, axis=-1, keepdims=True)
    return Rounded(x.value - mean, x.magnitude + size, x.operations + x.value.shape[-1] + 2)


def _normed(x: Rounded, norm: LayerNorm | RMSNorm) -> Rounded:
    """A norm of each token's vector alone.

    The factor `1 / sqrt(mean square + eps)` has the relative error of the mean square, which is that
    of its terms times their condition: the factor's error goes into the magnitude.
    """
    y = _centred(x) if isinstance(norm, LayerNorm) else x
    square = np.mean(y.value**2, axis=-1, keepdims=True) + EPSILON
    crossed = np.mean(np.abs(y.value) * y.magnitude, axis=-1, keepdims=True) + EPSILON
    condition = np.maximum(1.0, 2 * crossed / square)
    factor = 1 / np.sqrt(square)
    y = Rounded(
        y.value * factor,
        y.magnitude * factor * condition,
        2 * y.operations + y.value.shape[-1] + 6,
    ).scaled(_array(norm.gain))
    if isinstance(norm, LayerNorm) and norm.shift is not None:
        y = y.plus(Rounded.exact(_array(norm.shift)))
    return y


def _check_finite(model: Transformer) -> None:
    leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    bad = sum(int(np.sum(~np.isfinite(np.asarray(leaf)))) for leaf in leaves)
    if bad:
        raise InputError(
            f"Every weight must be a finite number, but {bad} are NaN or infinite: the run has "
            "diverged; choose another run, or an earlier checkpoint."
        )
