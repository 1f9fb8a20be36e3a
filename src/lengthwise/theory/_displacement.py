r"""Logit displacement of every token of a sequence: measured, predicted, and by length.

The displacement of a token j of t is $\Delta_j(t)$ = (mean logit of the legal tokens) - $f(t)_j$; where
the legal logits are equal, that is the common one (arXiv 2510.08341, section 3).
"""

import itertools as it
import math
from collections.abc import Sequence
from typing import Any

import jax.random as jr
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._core import require
from ._dispersion_cap import dispersion_cap
from ._one_layer import OneLayer
from ._structure import structure


def displacements(layer: OneLayer, tokens: np.ndarray) -> Float[np.ndarray, "batch length"]:
    r"""$\Delta$ of every token: mean legal logit minus the token's own, after any final norm.

    **Arguments:**

    - `layer`: from `one_layer`.
    - `tokens`: sequences of one length below v, each of distinct tokens, `(batch, length)`, integers.

    **Returns:** float64, `(batch, length)`; the last column is the last token's.

    **Raises:** `InputError` for other sequences.
    """
    tokens = _checked(tokens, layer.vocab)
    logits = layer.logits(tokens)
    legal = _legal(tokens, layer.vocab)
    mean = np.mean(logits, axis=1, where=legal)
    return mean[:, None] - np.take_along_axis(logits, tokens, axis=1)


def valid_spread(layer: OneLayer, tokens: np.ndarray) -> Float[np.ndarray, " batch"]:
    """Largest minus smallest logit of a legal token, after each of the sequences `(batch, length)`."""
    tokens = _checked(tokens, layer.vocab)
    logits = layer.logits(tokens)
    legal = _legal(tokens, layer.vocab)
    high = np.max(logits, axis=1, where=legal, initial=-np.inf)
    return high - np.min(logits, axis=1, where=legal, initial=np.inf)


def attention_on(layer: OneLayer, tokens: np.ndarray) -> Float[np.ndarray, "heads batch length"]:
    """The last token's attention on every token of each of the sequences `(batch, length)`."""
    tokens = _checked(tokens, layer.vocab)
    length = tokens.shape[1]
    scores = layer.scores(length).value
    place = np.arange(length) if layer.places > 1 else np.zeros(length, int)
    return _softmax(scores[:, place[None, :], tokens[:, -1:], tokens])


def predicted_displacements(
    attention_displacement: np.ndarray,
    residual_displacement: np.ndarray,
    scores: np.ndarray,
    tokens: np.ndarray,
) -> Float[np.ndarray, "batch length"]:
    r"""The closed form $\Delta_x = \delta'_x w_q(x) / Z$, $\Delta_q = r_q + \delta'_q / Z$.

    Here q is the last token, $w_q(x) = e^{C[q,x] - C[q,q]}$, $Z = 1 + \sum_x w_q(x)$ over the earlier
    tokens: so $w_q(x) / Z$ is the attention on x and $1 / Z$ that on q, and the formula is that of
    `Structure` without deviations. It holds for every layer with exact structure, balanced or not;
    heads add up.

    **Arguments:**

    - `attention_displacement`: delta', `(v,)` or `(heads, v)`.
    - `residual_displacement`: r, `(v,)`.
    - `scores`: C, of which only differences in a row matter, `(v, v)` or `(heads, v, v)`.
    - `tokens`: `(batch, length)`, sequences of distinct tokens.

    **Returns:** float64, `(batch, length)`.
    """
    own, share, scores = (
        np.asarray(x, np.float64) for x in (attention_displacement, residual_displacement, scores)
    )
    own = np.atleast_2d(own)
    scores = scores[None] if scores.ndim == 2 else scores
    vocab = share.shape[-1]
    require(
        share.shape == (vocab,)
        and own.shape == scores.shape[:2]
        and scores.shape[1:] == (vocab, vocab),
        "Shapes (heads, v), (v,), (heads, v, v)",
        "give one number for each token and head",
        attention_displacement=own.shape,
        residual_displacement=share.shape,
        scores=scores.shape,
    )
    tokens = _checked(tokens, vocab)
    attention = _softmax(scores[:, tokens[:, -1:], tokens])
    result = np.sum(attention * own[:, tokens], axis=0)
    result[:, -1] += share[tokens[:, -1]]
    return result


def displacement_by_length(
    layer: OneLayer,
    lengths: Sequence[int],
    *,
    samples: int = 1024,
    key: PRNGKeyArray,
) -> list[dict[str, Any]]:
    """Displacement of earlier tokens and of the last one at each length: measured and predicted.

    **Arguments:**

    - `layer`: from `one_layer`.
    - `lengths`: each from 1 to v - 1.
    - `samples`: a length with at most this many sequences is measured on all of them, others on this
      many random ones.
    - `key`: draws them. (Keyword only argument.)

    **Returns:** a row for each length: `length`, `exhaustive`, `inputs`, and `earlier`, `last`,
    `smallest` (of all tokens of a sequence) and `spread` (of its legal logits), each as mean and with
    `_min` and `_max`; those of earlier tokens are NaN at length 1. Without positions and norm also
    `predicted_earlier`, `predicted_last`, `predicted_smallest`: means over the same sequences of
    `predicted_displacements` of the model's `structure`, and `prediction_error`, the largest absolute
    difference of any token: zero but for rounding iff nothing deviates. With one head whose
    structure is displaced, `cap`: the mean of `dispersion_cap`. Else these are NaN.
    """
    require(samples >= 1, "`samples >= 1`", "measure something", samples=samples)
    prediction = _Prediction(layer)
    rows = []
    for length in lengths:
        require(
            1 <= length < layer.vocab,
            f"`1 <= length <= {layer.vocab - 1}`",
            "choose a length with a legal token",
            length=length,
        )
        exhaustive = math.perm(layer.vocab, length) <= samples
        if exhaustive:
            tokens = np.array(list(it.permutations(range(layer.vocab), length)))
        else:
            order = jr.uniform(jr.fold_in(key, length), (samples, layer.vocab))
            tokens = np.argsort(np.asarray(order), axis=1)[:, :length]
        found = displacements(layer, tokens)
        row = {"length": length, "exhaustive": exhaustive, "inputs": len(tokens)}
        for name, value in _parts(found).items():
            row |= _statistics(name, value)
        row |= _statistics("spread", valid_spread(layer, tokens))
        rows.append(row | prediction.row(tokens, found))
    return rows


class _Prediction:
    """What the structure says of sequences, where it says anything."""

    def __init__(self, layer: OneLayer):
        self.known = layer.places == 1 and layer.epsilon is None
        self.capped = False
        if self.known:
            parts = structure(layer)
            self.own, self.share = parts.attention_displacement, parts.residual_displacement
            self.scores = layer.scores(1).value[:, 0]
            displaced = bool(np.all(self.own > 0) and np.all(parts.displacement > 0))
            self.capped = layer.heads == 1 and displaced

    def row(self, tokens: np.ndarray, measured: np.ndarray) -> dict[str, float]:
        row = dict.fromkeys(("earlier", "last", "smallest"), math.nan)
        error = cap = math.nan
        if self.known:
            predicted = predicted_displacements(self.own, self.share, self.scores, tokens)
            row = {name: _mean(value) for name, value in _parts(predicted).items()}
            error = float(np.max(np.abs(measured - predicted)))
        if self.capped:
            cap = _mean(dispersion_cap(self.own[0], self.share, tokens))
        row = {f"predicted_{name}": value for name, value in row.items()}
        return row | {"prediction_error": error, "cap": cap}


def _parts(found: np.ndarray) -> dict[str, np.ndarray]:
    return {"earlier": found[:, :-1], "last": found[:, -1], "smallest": np.min(found, axis=1)}


def _mean(value: np.ndarray) -> float:
    return float(np.mean(value)) if value.size else math.nan


def _statistics(name: str, value: np.ndarray) -> dict[str, float]:
    if value.size == 0:
        return dict.fromkeys((name, f"{name}_min", f"{name}_max"), math.nan)
    functions = {"": np.mean, "_min": np.min, "_max": np.max}
    return {name + end: float(function(value)) for end, function in functions.items()}


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True)


def _legal(tokens: np.ndarray, vocab: int) -> np.ndarray:
    legal = np.ones((tokens.shape[0], vocab), bool)
    np.put_along_axis(legal, tokens, False, axis=1)
    return legal


def _checked(tokens: np.ndarray, vocab: int) -> np.ndarray:
    tokens = np.atleast_2d(np.asarray(tokens))
    fine = (
        tokens.ndim == 2
        and np.issubdtype(tokens.dtype, np.integer)
        and 1 <= tokens.shape[1] < vocab
        and bool(np.all((tokens >= 0) & (tokens < vocab)))
        and bool(np.all(np.diff(np.sort(tokens, axis=1), axis=1) > 0))
    )
    require(
        fine,
        f"Sequences of 1 to {vocab - 1} distinct tokens from 0 to {vocab - 1}",
        "repair `tokens`",
        shape=tokens.shape,
        dtype=str(tokens.dtype),
    )
    return tokens
