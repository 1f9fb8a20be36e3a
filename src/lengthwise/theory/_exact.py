r"""The exact worst margin at a length, for every last token q, illegal x and legal y.

With $g_i = D[i,y] - D[i,x]$ and $w_q(i) = e^{C[q,i] - C[q,q]}$, before any final norm

$$f_y - f_x = B[q,y] - B[q,x] + \sum_i w_q(i) g_i / \sum_i w_q(i)$$

over the tokens i of the sequence. It depends on the sequence only through its set (and q), so its
minimum over all sequences of length s that end in q, contain x and lack y is a least ratio over sets of
s - |{q, x}| tokens outside {q, x, y}: see `_ratio.py`. With x legal too (only q is in the set, x and y
are excluded) the same minimum gives the spread of the legal logits.

Exact for one head without positions. Several heads: each is minimised alone, which bounds the sum from
below (heads with the same scores are one head with the sum of their values). Learned positions: q
stands at the last place, each other token at the place that is worst for it, as if places could be
shared.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .._core import InputError
from ._one_layer import OneLayer
from ._parallel import each
from ._ratio import Ratios, least_ratios, least_set, sound_ratios
from ._rounding import UNIT, Rounded, gamma


class Margins(NamedTuple):
    """Before a final norm, at one length, sound in rounding.

    - `lower[q, x, y]`: at most `f_y - f_x` on every sequence that ends in q, has x and lacks y.
    - `spread[q]`: at least the difference of any two legal logits.
    """

    lower: Float[np.ndarray, "vocab vocab vocab"]
    spread: Float[np.ndarray, " vocab"]


class Weights(NamedTuple):
    """w_q(i) at every place, own weight 1, and its relative error: `(vocab, vocab, places)`."""

    value: np.ndarray  # float64, or long double where the scores need its range
    error: Float[np.ndarray, "..."]


class ExactMargins:
    """The margins of a model, length after length (each starts from the answers of the last)."""

    def __init__(self, layer: OneLayer):
        self.layer = layer
        self.heads = merged_heads(layer)
        self._starts: dict[tuple, np.ndarray] = {}

    def at(self, length: int) -> Margins:
        """All margins at a length."""
        vocab = self.layer.vocab
        own = self.layer.residual_logits(length)
        lower, spread = np.empty((vocab, vocab, vocab)), np.zeros(vocab)
        scores = self.layer.scores(length)
        weights = [relative_weights(scores.at(head), vocab) for head, _ in self.heads]

        def fill(q: int) -> None:
            first, error = differences(own.value[q], own.radius[q])
            sizes = np.abs(first)
            total, total_legal = first - error, first - error
            for number in range(len(self.heads)):
                last, other, legal = self._head(q, length, number, weights[number])
                part = other
                part[q] = last
                total, total_legal = total + part, total_legal + legal
                sizes = sizes + np.maximum(np.abs(part), np.abs(legal))
            roundings = gamma(len(self.heads) + 4) * np.where(np.isfinite(sizes), sizes, 0.0)
            lower[q] = total - roundings
            spread[q] = max(0.0, -float(np.min(total_legal - roundings)))

        each(fill, range(vocab), threads=vocab >= 16)
        return Margins(lower, spread)

    def witnesses(self, q: int, x: int, y: int, length: int) -> list[np.ndarray]:
        """Sequences of this length that should bring `f_y - f_x` down: one for each head."""
        scores, found = self.layer.scores(length), []
        for number, (head, _) in enumerate(self.heads):
            weights = relative_weights(scores.at(head), self.layer.vocab)
            problem, count = self.problem(
                q, length, number, weights, x=np.array([x]), y=np.array([y])
            )
            ratio = least_ratios(problem, count)
            tokens, _ = least_set(problem, count, ratio)
            others = list(map(int, tokens[0]))
            if self.layer.places > 1 and others:
                others = _placed(problem, others, float(ratio[0]), length)
            found.append(np.array([*others, q]))
        return found

    def _head(self, q: int, length: int, number: int, weights: Weights) -> tuple:
        """Lower bounds of a head's part: x = q, x other, both legal."""
        vocab = self.layer.vocab
        pairs = ~np.eye(vocab, dtype=bool)
        pairs[q] = pairs[:, q] = False
        x, y = np.nonzero(pairs)
        last = self._least(q, length, number, weights, np.full(vocab, q), np.arange(vocab), "last")
        last[q] = np.inf  # no margin: y is q itself
        other = np.full((vocab, vocab), np.inf)
        if length >= 2:
            other[pairs] = self._least(q, length, number, weights, x, y, "other")
        legal = np.full((vocab, vocab), np.inf)
        if length <= vocab - 2:
            legal[pairs] = self._least(q, length, number, weights, x, y, "legal")
        return last, other, legal

    def _least(self, q, length, number, weights, x, y, kind) -> np.ndarray:
        problem, count = self.problem(q, length, number, weights, x=x, y=y, legal=kind == "legal")
        name = (q, number, kind)
        ratio = least_ratios(problem, count, self._starts.get(name))
        self._starts[name] = ratio
        return sound_ratios(problem, count, ratio)

    def problem(
        self,
        q: int,
        length: int,
        number: int,
        weights: Weights,
        *,
        x: Int[np.ndarray, " batch"],
        y: Int[np.ndarray, " batch"],
        legal: bool = False,
    ) -> tuple[Ratios, int]:
        """Over sets with x (or, if `legal`, without it) and without y."""
        vocab, places = self.layer.vocab, self.layer.places
        _, values = self.heads[number]
        before = slice(0, max(length - 1, 1)) if places > 1 else slice(0, 1)
        of = lambda token: (before, slice(None), token)  # (places, tokens, batch)
        gains = np.moveaxis(values.value[of(y)] - values.value[of(x)], -1, 0)
        error = np.moveaxis(values.radius[of(y)] + values.radius[of(x)], -1, 0)
        gains, error = np.swapaxes(gains, 1, 2), np.swapaxes(error, 1, 2)  # (batch, tokens, places)
        here = length - 1 if places > 1 else 0
        own_gain = values.value[here, q, y] - values.value[here, q, x]
        own_error = values.radius[here, q, y] + values.radius[here, q, x]
        error = np.maximum(error, own_error[:, None, None])
        must = (x != q) & (not legal)
        free = np.ones((x.shape[0], vocab), bool)
        free[:, q] = False
        rows = np.arange(x.shape[0])
        free[rows, x] = False
        free[rows, y] = False
        problem = Ratios(
            weights=weights.value[q][None, :, before],
            weight_error=weights.error[q][None, :, before],
            gains=gains,
            gain_error=error,
            own_gain=own_gain,
            must=np.where(must, x, -1),
            free=free,
        )
        return problem, length - 1 - int(must[0])


def merged_heads(layer: OneLayer) -> list[tuple[int, Rounded]]:
    """The heads as (index of scores, D), where heads with identical scores are added up."""
    values, groups = layer.value_logits(), []
    for head in range(layer.heads):
        same = [
            number
            for number, (first, _) in enumerate(groups)
            if np.array_equal(layer.queries.value[head], layer.queries.value[first])
            and np.array_equal(layer.keys.value[head], layer.keys.value[first])
        ]
        if same:
            first, total = groups[same[0]]
            groups[same[0]] = (first, total.plus(values.at(head)))
        else:
            groups.append((head, values.at(head)))
    return groups


def relative_weights(scores: Rounded, vocab: int) -> Weights:
    """exp(C[q, i] - C[q, q]) from scores `(places, vocab, vocab)`, tokens before places.

    **Raises:** `InputError` if the scores of a token differ by more than the arithmetic can hold.
    """
    own = np.arange(vocab)
    reference = scores.value[-1, own, own][None, :, None]
    exponent = scores.value - reference
    radius = scores.radius + scores.radius[-1, own, own][None, :, None]
    radius = radius + 2 * UNIT * (np.abs(scores.value) + np.abs(reference))
    wide = np.finfo(np.longdouble).maxexp > np.finfo(np.float64).maxexp
    largest = float(np.max(np.abs(exponent)))
    dtype, limit = (np.float64, 600.0) if largest <= 600 else (np.longdouble, 5000.0)
    if largest > (5000.0 if wide else 600.0):
        raise InputError(
            f"`|C[q, i] - C[q, q]| <= {5000 if wide else 600}` must hold for all tokens, but the "
            f"largest difference is ({largest:.4g}): such attention is an argmax to every digit; "
            "divide the query weights by a constant."
        )
    value = np.exp(np.clip(exponent, -limit, limit).astype(dtype))
    error = np.expm1(np.minimum(radius, 700.0)) * 1.01 + 8 * UNIT  # of 700 it is still finite
    return Weights(np.moveaxis(value, 0, -1), np.moveaxis(error, 0, -1))


def differences(
    row: Float[np.ndarray, " vocab"], radius: Float[np.ndarray, " vocab"]
) -> tuple[Float[np.ndarray, "vocab vocab"], Float[np.ndarray, "vocab vocab"]]:
    """`row[y] - row[x]` at [x, y], and its error."""
    value = row[None, :] - row[:, None]
    size = np.abs(row)[None, :] + np.abs(row)[:, None]
    return value, (radius[None, :] + radius[:, None]) + 2 * UNIT * size


def _placed(problem: Ratios, tokens: list[int], ratio: float, length: int) -> list[int]:
    """Tokens in the order of the places that together bring the sum down most."""
    from scipy.optimize import linear_sum_assignment

    value = problem.weights[0] * (problem.gains[0] - ratio)  # (tokens, places)
    rows, columns = linear_sum_assignment(value[tokens].astype(np.float64))
    order = [0] * (length - 1)
    for row, column in zip(rows, columns, strict=True):
        order[column] = tokens[row]
    return order
