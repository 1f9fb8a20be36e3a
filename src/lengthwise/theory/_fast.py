r"""A bracket of the worst margin from the structure, in O(v^2) a length after one sort.

With $D[i,j] = \alpha_i + \beta_j - \delta'_j [i=j] + R[i,j]$ and $B[q,j] = c_q - \beta_j - r_q [q=j] +
R_B[q,j]$ (any model has these forms, with deviations R and R_B: see `_structure.py`), for x in t and y
not in t

$$f_y - f_x = a_x \delta'_x + r_q [x=q] + (R_B[q,y] + \sum_i a_i R[i,y]) - (R_B[q,x] + \sum_i a_i R[i,x]).$$

1. The attention on x != q is $w_x / (1 + w_x + \Sigma)$ with $\Sigma$ the sum over the other s - 2
tokens, which lies between the sums of the s - 2 smallest and of the s - 2 largest weights outside {q,
x}; the attention on q is $1 / (1 + \Sigma)$ with s - 1 tokens. A negative $\delta'_x$ takes the other
end.
2. A mean of $R[i,y]$ over tokens i of t lies between the smallest and largest entry of that column; for
x the entry i = x, which is zero, is among them.
3. So each margin is bounded by two numbers of (q, x), and the minimum over y is one of q's two
smallest. QED.

Several heads add up. Exact on balanced constructions with one head, where R = R_B = 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .._core import require
from ._exact import relative_weights
from ._final_norm import largest_square
from ._one_layer import OneLayer
from ._parallel import each
from ._probability import LARGEST
from ._rounding import UNIT, gamma
from ._structure import Structure, structure_of


BLOCK = 2**16  # entries of (v, v) arrays worked on at once: they stay in a core's cache
Rows = slice | Int[np.ndarray, " rows"]
REFINED = 16
"""Last tokens whose sum of the largest odds is worked out at each length."""


class FastBound(NamedTuple):
    """At one length: the least margin, bounds for each q, and sequences that may be the worst."""

    margin: float
    spread: Float[np.ndarray, " vocab"]
    odds: Float[np.ndarray, " vocab"]
    candidates: list[np.ndarray]


class _Head(NamedTuple):
    """Of one head, each row in the order of its weights: q itself first, then ascending.

    - `order`, `rank`: the token at each place, and the place of each token.
    - `weight`: w_q, 0 for q itself. `pull`: weight times delta'.
    - `displacement`: delta' in that order.
    - `top`, `bottom`: at [q, k], the sum of the k largest (smallest) weights of other tokens; bottom
      only where some delta' is negative.
    """

    order: Int[np.ndarray, "vocab vocab"]
    rank: Int[np.ndarray, "vocab vocab"]
    weight: Float[np.ndarray, "vocab vocab"]
    pull: Float[np.ndarray, "vocab vocab"]
    displacement: Float[np.ndarray, "vocab vocab"]
    top: Float[np.ndarray, "vocab vocab"]
    bottom: Float[np.ndarray, "vocab vocab"] | None


class FastMargins:
    """The structural bounds of a model at any length."""

    def __init__(self, layer: OneLayer):
        require(
            layer.places == 1,
            "A model without positions",
            'use `method="exact"`: the structure is that of tokens without places',
            places=layer.places,
        )
        self.layer = layer
        # A few (v, v) arrays at a time: at v = 4096 each takes 128 MB.
        own, values = layer.residual_logits(1), layer.value_logits()
        radius = 2 * _largest(own.radius)
        radius += 2 * sum(_largest(values.at(head).radius) for head in range(layer.heads))
        parts = structure_of(own.value, values.value[:, 0])
        del own, values
        deviation, self._spread = _deviations(parts)
        size = _sizes(parts)
        self._share, displacement = parts.residual_displacement, parts.attention_displacement
        del parts
        self._heads, error = [], 0.0
        for head in range(layer.heads):
            weights = relative_weights(layer.scores(1).at(head), layer.vocab)
            error = max(error, float(np.max(weights.error)))
            value = weights.value[:, :, 0]
            del weights
            self._heads.append(_head(value, displacement[head]))
        # Roundings of B, D, their parts and the attention, against every margin.
        relative = 2 * error + (layer.vocab + 32) * UNIT
        share = relative * sum(_largest(part) for part in displacement)
        slack = 1.05 * (radius + 32 * UNIT * size + share)
        deviation -= slack
        self._spread += slack
        # With one head everything stays in the order of its weights.
        first = self._heads[0]
        self._order = first.order if layer.heads == 1 else None
        self._deviation = (
            deviation if self._order is None else np.take_along_axis(deviation, first.order, axis=1)
        )
        self._width = _widths(layer)
        self._scale = None if layer.epsilon is None else _NormScale(layer)
        self._found: dict[int, tuple] = {}

    def prepare(self, lengths: Sequence[int]) -> None:
        """Work out many lengths, block by block: the arrays are read once and not once a length."""
        vocab = self.layer.vocab
        rows = max(1, BLOCK // vocab)
        blocks = [slice(start, min(start + rows, vocab)) for start in range(0, vocab, rows)]
        bounds = lambda block: [self._block(block, length) for length in lengths]
        parts = each(bounds, blocks, threads=len(blocks) > 1)
        for length, found in zip(lengths, zip(*parts, strict=True), strict=True):
            self._found[length] = tuple(
                np.concatenate(column) for column in zip(*found, strict=True)
            )

    def at(self, length: int) -> FastBound:
        """The bounds at a length."""
        if length not in self._found:
            self.prepare([length])
        own, least, worst, spread = self._found.pop(length)
        odds = self._odds(own, least, length)
        both = np.minimum(own, least)
        q = int(np.argmin(both))
        x = q if own[q] <= least[q] else int(worst[q])
        risky = int(np.argmax(odds))
        candidates = [
            self._sequence(q, x, length),
            self._sequence(risky, int(worst[risky]), length),
        ]
        return FastBound(float(both[q]), spread, odds, candidates)

    def _margins(self, rows: Rows, length: int) -> tuple:
        """M[q, q], M[q, x], the spread; M[q, x] is at most `f_y - f_x` on every sequence that ends in q
        and has x. The tokens x are in the order of `_order`; the entry of q itself is inf.
        """
        others = max(length - 2, 0)
        own, total = self._share[rows].copy(), None
        for head in self._heads:
            first = _ends(head, rows, others, largest=True)
            delta = head.displacement[rows]
            mine = delta[:, 0] / (1 + head.top[rows, length - 1])
            if head.bottom is not None:
                high = _ends(head, rows, others, largest=False)
                first = np.where(delta < 0, high, first)
                low = delta[:, 0] / (1 + head.bottom[rows, length - 1])
                mine = np.where(delta[:, 0] < 0, low, mine)
            if self._order is None:
                first = np.take_along_axis(first, head.rank[rows], axis=1)
            own += mine
            total = first if total is None else total + first
        assert total is not None
        total += self._deviation[rows]
        place = np.arange(total.shape[0])
        itself = 0 if self._order is not None else np.arange(self.layer.vocab)[rows]
        own = own + self._deviation[rows][place, itself]
        spread = self._spread[rows]
        if self._scale is not None:
            column = None if self._order is None else self._order[rows]
            own, total, spread = self._scale.apply(own, total, spread, self._width, rows, column)
        total[place, itself] = np.inf
        return own, total, spread

    def _block(self, rows: slice, length: int) -> tuple:
        own, others, spread = self._margins(rows, length)
        place = np.arange(own.shape[0])
        if length == 1:  # no other token is in the sequence
            return own, np.full_like(own, np.inf), np.arange(rows.start, rows.stop), spread
        worst = np.argmin(others, axis=1)
        token = worst if self._order is None else self._order[rows][place, worst]
        return own, others[place, worst], token, spread

    def _odds(self, own, least, length: int) -> Float[np.ndarray, " vocab"]:
        """ITR / (1 - ITR) <= (e^-M[q,q] + sum of the s-1 largest e^-M[q,x]) / (v - s).

        First with all s - 1 at the largest; the sum itself for the last tokens where that is worst.
        """
        up = 1 + gamma(self.layer.vocab + 16)
        exp = lambda m: np.exp(-np.clip(np.asarray(m, np.float64), -LARGEST, LARGEST))
        share = up / (self.layer.vocab - length)
        if length == 1:
            return exp(own) * share
        odds = (exp(own) + (length - 1) * exp(least)) * share
        rows = np.argsort(-odds)[:REFINED]
        others = self._margins(rows, length)[1]
        smallest = np.partition(others, length - 2, axis=1)[:, : length - 1]
        sums = (exp(own[rows]) + np.sum(exp(smallest), axis=1)) * share
        odds[rows] = np.minimum(odds[rows], sums)
        return odds

    def _sequence(self, q: int, x: int, length: int) -> np.ndarray:
        """q last, x in it (if another token), and the tokens that take most attention from x."""
        head = self._heads[0]
        order = head.order[q, 1:]  # ascending
        if head.displacement[q, head.rank[q, x]] >= 0:
            order = order[::-1]
        if x == q:
            return np.array([*order[: length - 1], q])
        others = order[order != x][: length - 2]
        return np.array([x, *others, q])


def _head(weight: np.ndarray, displacement: np.ndarray) -> _Head:
    vocab = weight.shape[0]
    own = np.arange(vocab)
    others = weight.copy()
    others[own, own] = -1.0  # sorts first
    order = np.argsort(others, axis=1).astype(np.int32)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(vocab, dtype=np.int32)[None], axis=1)
    ascending = np.take_along_axis(others, order, axis=1)
    ascending[:, 0] = 0.0
    delta = displacement[order]
    bottom = np.cumsum(ascending, axis=1) if np.any(displacement < 0) else None
    top = np.zeros_like(ascending)
    np.cumsum(ascending[:, :0:-1], axis=1, out=top[:, 1:])
    return _Head(order, rank, ascending, ascending * delta, delta, top, bottom)


def _ends(head: _Head, rows: Rows, others: int, *, largest: bool) -> np.ndarray:
    """delta' times an end of the attention on x, with `others` further tokens besides x and q.

    The `others` largest weights give the lower end, the smallest the upper. Where x is itself one of
    them, the next one takes its place, and 1 + w_x + (sum of others + 1, without w_x) is 1 + that sum.
    """
    sums = head.top if largest else head.bottom
    assert sums is not None
    block, pull = head.weight[rows], head.pull[rows]
    vocab = block.shape[1]
    result = np.zeros_like(block)  # also where q itself stands
    # The largest stand last, the smallest first (after q).
    if largest:
        inside, outside = slice(vocab - others, vocab), slice(0, vocab - others)
    else:
        inside, outside = slice(1, others + 1), slice(others + 1, vocab)
    np.multiply(pull[:, inside], 1 / (1 + sums[rows, others + 1])[:, None], out=result[:, inside])
    np.add(block[:, outside], (1 + sums[rows, others])[:, None], out=result[:, outside])
    np.divide(pull[:, outside], result[:, outside], out=result[:, outside])
    return result


def _deviations(parts: Structure) -> tuple[np.ndarray, np.ndarray]:
    """What R and R_B take from M[q, x], over every legal y, and the spread of legal logits."""
    vocab = parts.residual_deviation.shape[0]
    own = np.arange(vocab)
    low, high, high_illegal = np.zeros(vocab), np.zeros(vocab), np.zeros(vocab)
    for deviation in parts.value_deviation:
        off = deviation.copy()
        off[own, own] = np.inf
        low += np.min(off, axis=0)
        off[own, own] = -np.inf
        largest = np.max(off, axis=0)
        high += largest
        high_illegal += np.maximum(largest, 0.0)
    legal = parts.residual_deviation + low[None]
    legal[own, own] = np.inf
    two = np.partition(legal, 1, axis=1)[:, :2]
    least = np.where(legal == two[:, :1], two[:, 1:], two[:, :1])  # without x itself
    result = least - parts.residual_deviation - high_illegal[None]
    top = parts.residual_deviation + high[None]
    top[own, own] = -np.inf
    spread = np.max(top, axis=1) - two[:, 0]
    return result, spread


def _sizes(parts: Structure) -> float:
    """The largest entry of each part, added up."""
    by_head = lambda x: sum(_largest(part) for part in x)
    size = _largest(parts.residual_constant) + _largest(parts.residual_displacement)
    size += _largest(parts.residual_deviation) + by_head(parts.value_deviation)
    return size + by_head(parts.alpha) + by_head(parts.beta) + by_head(parts.attention_displacement)


def _largest(x: np.ndarray) -> float:
    return max(float(np.max(x)), -float(np.min(x)))


def _widths(layer: OneLayer) -> Float[np.ndarray, " vocab"]:
    """At least |u_y - u_q| for each q, over y."""
    columns = np.linalg.norm(np.abs(layer.unembedding.value) + layer.unembedding.radius, axis=0)
    return (columns + np.max(columns)) * (1 + gamma(layer.dim + 8))


class _NormScale:
    """What a final norm does to margins that are known before it: see `_final_norm.py`."""

    def __init__(self, layer: OneLayer):
        assert layer.epsilon is not None
        self.dim, self.extra = layer.dim, layer.dim * layer.epsilon
        self.largest = largest_square(layer, 1)  # without positions, of any length
        self.offset = layer.offset.value
        self.offset_error = float(np.max(layer.offset.radius)) + 4 * UNIT * float(
            np.max(np.abs(self.offset))
        )

    def apply(self, own, others, spread, width, rows: Rows, order) -> tuple:
        """M[q, q], M[q, x] and spread after the norm; `order` are the tokens x of each row."""
        safe = 1 + gamma(64)
        reach = np.maximum(own, 0.0) / width[rows]
        down = np.sqrt(self.dim / (self.largest[rows] + self.extra)) / safe
        up = np.sqrt(self.dim / ((reach / safe) ** 2 + self.extra / safe)) * safe

        def scaled(margins, down, up, tokens):
            after = np.where(margins > 0, margins * down, margins * up)
            shift = np.min(self.offset) - self.offset[tokens] - self.offset_error
            return after + shift - 4 * UNIT * np.abs(after)

        last = np.arange(self.offset.shape[0])[rows]
        tokens = np.arange(others.shape[1])[None] if order is None else order
        apart = float(np.max(self.offset) - np.min(self.offset)) + self.offset_error
        return (
            scaled(own, down, up, last),
            scaled(others, down[:, None], up[:, None], tokens),
            spread * up * safe + apart,
        )
