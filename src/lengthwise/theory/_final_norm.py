r"""Margins after a final norm: its sign is decided before it, its size by a bound on the hidden vector.

After the norm a difference of logits is $\sqrt{d}\, (f_y - f_x) / \sqrt{|h|^2 + d \epsilon} + b_y -
b_x$, with $f_y - f_x = \sum_i a_i g_i$ from before the norm, $h = \sum_i a_i h_i$, $h_i = R[q] + V[i]$.

**Theorem.** Let $|h|^2 \le \sum_i a_i M_i$ and $\rho, \tau > 0$. If $\sum_i a_i g_i \ge \tau \sum_i a_i
(M_i + \rho^2 + d \epsilon) / (2 \rho)$ then the margin (without b) is at least $\sqrt{d}\, \tau$.
Proof. 1. With $n = |h|^2 + d \epsilon$, the right side is at least $\tau (n / \rho + \rho) / 2$. 2.
That is at least $\tau \sqrt{n}$, as the geometric mean is at most the arithmetic one, with equality at
$\rho^2 = n$. 3. Multiply by $\sqrt{d / n}$. QED. The largest such tau at one rho is 2 rho times a least
ratio with costs $M_i + \rho^2 + d \epsilon$. Here $M_i$ = the largest $\sum_j a_j \langle h_i, h_j
\rangle$ over the sequences with q and i, a least ratio itself; $|h|^2 = \sum_i a_i \sum_j a_j \langle
h_i, h_j \rangle \le \sum_i a_i M_i$.

Where the margin before the norm may be negative, and for the spread, a *lower* bound of |h| is needed:
the larger of two. $f_y - f_q \le |h|\, |u_y - u_q|$ (Cauchy-Schwarz) with the margins of q itself; and
$|h|^2 \ge \sum_i a_i m_i$ with $m_i$ the least $\sum_j a_j \langle h_i, h_j \rangle$. Several heads and
learned positions: |h| is at most the largest $|h_i|$, heads added (h is a convex combination).
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from ._exact import ExactMargins, Margins, Weights, differences, relative_weights
from ._one_layer import OneLayer
from ._ratio import Ratios, least_ratios, least_set, sound_ratios
from ._rounding import UNIT, Rounded, gamma


ROUNDS = 3  # of rho, each from the minimizing sets of the last; more gained under 0.1 % in trials


def normed_margins(exact: ExactMargins, before: Margins, length: int) -> Margins:
    """Margins after the final norm, from those before it; themselves where there is no norm."""
    layer = exact.layer
    if layer.epsilon is None:
        return before
    vocab, dim = layer.vocab, layer.dim
    extra = dim * layer.epsilon * (1 + 4 * UNIT)
    largest = largest_square(layer, length)
    smallest = _smallest_square(layer, before.lower, length)
    alone = len(exact.heads) == 1 and layer.places == 1
    own, squares = layer.residual_logits(length), []
    if alone:
        weights = relative_weights(layer.scores(length).at(exact.heads[0][0]), vocab)
        squares = [_Squares(layer, weights, q, length) for q in range(vocab)]
    for q, square in enumerate(squares):
        largest[q] = min(largest[q], square.largest())
        smallest[q] = max(smallest[q], square.smallest())
    largest = largest + extra
    smallest = smallest + extra * (1 - 16 * UNIT)
    shrink = 1 - gamma(dim + 32)
    up = np.sqrt(dim / smallest) * (1 + gamma(32))
    factor = np.where(
        before.lower > 0,
        (np.sqrt(dim / largest) * shrink)[:, None, None],
        up[:, None, None],
    )
    with np.errstate(invalid="ignore"):
        lower = np.where(np.isfinite(before.lower), before.lower * factor, before.lower)
    for q, square in enumerate(squares):
        x, y = np.nonzero(np.isfinite(before.lower[q]) & (before.lower[q] > 0))
        if x.size:
            shift = differences(own.value[q], own.radius[q])
            tau = _scaled_margins(exact, square, shift, x, y, extra)
            lower[q, x, y] = np.maximum(lower[q, x, y], tau * np.sqrt(dim) * shrink)
    offset, error = differences(layer.offset.value, layer.offset.radius)
    size = np.where(np.isfinite(lower), np.abs(lower), 0.0)
    lower = lower + (offset - error)[None] - 4 * UNIT * (size + np.abs(offset)[None])
    spread = before.spread * up + float(np.max(np.abs(offset) + error))
    return Margins(lower, spread * (1 + 8 * UNIT))


def _scaled_margins(
    exact: ExactMargins,
    square: "_Squares",
    shifts: tuple[np.ndarray, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    extra: float,
) -> Float[np.ndarray, " batch"]:
    """The theorem's tau for the triples (q, x, y), sound; the pairs (q, q, y) come beside the others.

    `shifts` are B[q, y] - B[q, x] and their errors.
    """
    q, length = square.q, square.length
    tau = np.full(x.shape, -np.inf)
    squares = np.maximum(square.high, 0.0)  # M_i
    shift, shift_error = shifts
    for chosen in (np.flatnonzero(x == q), np.flatnonzero(x != q)):
        if chosen.size == 0:
            continue
        xs, ys = x[chosen], y[chosen]
        plain, count = exact.problem(q, length, 0, square.weights, x=xs, y=ys)
        gains = plain.gains + shift[xs, ys][:, None, None]
        error = plain.gain_error + shift_error[xs, ys][:, None, None] + 4 * UNIT * np.abs(gains)
        rho_square = np.full(xs.shape, float(np.max(squares)) + extra)
        for _ in range(ROUNDS):
            costs = (squares[None] + rho_square[:, None] + extra) * (1 + 8 * UNIT)
            problem = dataclasses.replace(
                plain,
                gains=gains,
                gain_error=error,
                own_gain=plain.own_gain + shift[xs, ys],
                costs=costs[:, :, None],
                own_cost=costs[:, q],
            )
            ratio = least_ratios(problem, count)
            sound = sound_ratios(problem, count, ratio)
            tau[chosen] = np.maximum(tau[chosen], 2 * np.sqrt(rho_square) * sound)
            tokens, _ = least_set(problem, count, ratio)
            attention = np.asarray(plain.weights[0, :, 0], np.float64)[tokens]
            total = 1 + np.sum(attention, axis=1)
            mean = (squares[q] + np.sum(attention * squares[tokens], axis=1)) / total
            rho_square = mean + extra
    return tau


class _Squares:
    """Ends of |h|^2 for one last token, one head and no positions.

    - `high`, `low`: M_i and m_i, shape `(vocab,)`; zero for tokens that no sequence has.
    """

    def __init__(self, layer: OneLayer, weights: Weights, q: int, length: int):
        self.q, self.length, self.vocab = q, length, layer.vocab
        self.weights = weights
        hidden = _hidden(layer, q)
        gram = hidden @ hidden.transposed()
        self.high, self.low = np.zeros(self.vocab), np.zeros(self.vocab)
        others = np.arange(self.vocab) != q
        for tokens in (np.array([q]), np.flatnonzero(others) if length >= 2 else np.array([], int)):
            if tokens.size:
                self.high[tokens] = -self._least(-gram.value[tokens], gram.radius[tokens], tokens)
                self.low[tokens] = self._least(gram.value[tokens], gram.radius[tokens], tokens)

    def largest(self) -> float:
        """At least |h|^2."""
        none, q = np.zeros((1, self.vocab)), np.array([self.q])
        return -float(self._least(-self.high[None], none, q)[0])

    def smallest(self) -> float:
        """At most |h|^2."""
        none, q = np.zeros((1, self.vocab)), np.array([self.q])
        return float(self._least(self.low[None], none, q)[0])

    def _least(self, gains: np.ndarray, radius: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The least mean of each row of `gains` over sequences with q and the row's token."""
        free = np.ones((tokens.size, self.vocab), bool)
        free[:, self.q] = False
        free[np.arange(tokens.size), tokens] = False
        alone = bool(tokens[0] == self.q)
        problem = Ratios(
            weights=self.weights.value[self.q][None],
            weight_error=self.weights.error[self.q][None],
            gains=gains[:, :, None],
            gain_error=np.maximum(radius, radius[:, [self.q]])[:, :, None],
            own_gain=gains[:, self.q],
            must=np.full(tokens.shape, -1) if alone else tokens,
            free=free,
        )
        count = self.length - 1 - (not alone)
        return sound_ratios(problem, count, least_ratios(problem, count))


def _hidden(layer: OneLayer, q: int) -> Rounded:
    """h_i = R[q] + V[i], heads (of the same scores) added; `(vocab, dim)`."""
    total = layer.residual.at(0).at(np.array([q]))
    for head in range(layer.heads):
        total = total.plus(layer.values.at((head, 0)))
    return total


def largest_square(layer: OneLayer, length: int) -> Float[np.ndarray, " vocab"]:
    """At least |h|^2 for each last token."""
    last = length - 1 if layer.places > 1 else 0
    places = slice(0, length) if layer.places > 1 else slice(0, 1)
    reach = np.zeros(layer.vocab)
    for head in range(layer.heads):
        value = layer.values.at((head, places))
        vectors = value.value[None]  # (1, places, vocab, dim)
        radius = value.radius[None]
        if head == 0:
            own = layer.residual.at(last)
            vectors = own.value[:, None, None] + vectors
            radius = own.radius[:, None, None] + radius + UNIT * np.abs(vectors)
        norm = np.linalg.norm(np.abs(vectors) + radius, axis=-1)
        reach = reach + np.max(norm, axis=(1, 2))
    return (reach * (1 + gamma(layer.dim + layer.heads + 8))) ** 2 * (1 + 4 * UNIT)


def _smallest_square(
    layer: OneLayer, lower: Float[np.ndarray, "vocab vocab vocab"], length: int
) -> Float[np.ndarray, " vocab"]:
    """At most |h|^2 for each last token q: at least v - s of the other tokens are legal."""
    vocab = layer.vocab
    columns = layer.unembedding
    result = np.zeros(vocab)
    for q in range(vocab):
        apart = columns.value - columns.value[:, [q]]
        apart = np.abs(apart) + columns.radius + columns.radius[:, [q]] + UNIT * np.abs(apart)
        size = np.linalg.norm(apart, axis=0) * (1 + gamma(layer.dim + 8))
        others = np.arange(vocab) != q
        reach = np.sort(lower[q, q, others] / np.maximum(size[others], 1e-300))
        result[q] = max(0.0, float(reach[vocab - length - 1]) * (1 - 8 * UNIT))
    return result**2 * (1 - 4 * UNIT)
