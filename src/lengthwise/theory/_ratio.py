r"""The least weighted mean over sets of tokens: Dinkelbach's method, and its check in rounded arithmetic.

A margin at a fixed last token q is $\sum_i w_i g_i / \sum_i w_i$ over the tokens i of the sequence, a
ratio of two sums over a set. With costs $\kappa_i$ in the denominator (all one for a margin):

    least = min over sets S of `count` free tokens of  N(S) / M(S),
    N(S) = sum of w g,  M(S) = sum of w kappa,  each over S, the own token and the token that must be in.

**Theorem** (Dinkelbach 1967). Let $F(\lambda) = \min_S N(S) - \lambda M(S)$ with every M(S) > 0. Then
$\lambda$ is a lower bound of the least ratio iff $F(\lambda) \ge 0$; and from any $\lambda$, replacing it
by the ratio of a set that attains $F(\lambda)$ gives, from the second step on, a decreasing sequence that
reaches the least ratio in finitely many steps.
Proof. 1. N(S) / M(S) >= lambda for all S iff N(S) - lambda M(S) >= 0 for all S, as M(S) > 0. 2. The ratio
of any set is at least the least ratio, so F(ratio) <= 0; if it is 0, step 1 says that it is the least.
3. If it is negative, the attaining set has N - ratio M < 0: a strictly smaller ratio. Sets are finitely
many. QED. For a fixed lambda the minimum separates: it takes the `count` smallest `w (g - lambda kappa)`.

The first part is also the check that makes a bound sound: F, computed with every rounding counted against
it, must come out nonnegative.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from ._rounding import UNIT


@dataclasses.dataclass(frozen=True)
class Ratios:
    """A batch of problems over the same tokens, which may each stand at one of several places.

    Weights are relative to the own token's, which is 1. Arrays broadcast to `(batch, tokens, places)`;
    `places` is 1 where they make no difference. Where there are more, each token takes its best place
    alone, as if several could share one: a lower bound, exact for one place.

    - `weights`: w > 0, with relative error `weight_error`.
    - `gains`, `costs`: g and kappa >= 0, with absolute errors `gain_error`, `cost_error`.
    - `own_gain`, `own_cost`: of the token that is always there, shape `(batch,)`, with the largest of
      the errors above.
    - `must`: a token that is in every set, shape `(batch,)`, or -1.
    - `free`: tokens that may be chosen, shape `(batch, tokens)`.
    """

    weights: np.ndarray
    weight_error: Float[np.ndarray, "..."]
    gains: Float[np.ndarray, "batch tokens places"]
    gain_error: Float[np.ndarray, "..."]
    own_gain: Float[np.ndarray, " batch"]
    must: Int[np.ndarray, " batch"]
    free: Bool[np.ndarray, "batch tokens"]
    costs: Float[np.ndarray, "..."] | None = None
    cost_error: float = 0.0
    own_cost: Float[np.ndarray, " batch"] | None = None

    def take(self, rows: np.ndarray) -> "Ratios":
        """Some problems of the batch."""
        part = lambda x: x if x is None or x.shape[0] == 1 else x[rows]
        return dataclasses.replace(
            self,
            weights=part(self.weights),
            weight_error=part(self.weight_error),
            gains=self.gains[rows],
            gain_error=part(self.gain_error),
            own_gain=self.own_gain[rows],
            must=self.must[rows],
            free=self.free[rows],
            costs=part(self.costs),
            own_cost=None if self.own_cost is None else self.own_cost[rows],
        )


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """The minimizing sets at some lambda: their sums, tokens and places (must last, if any)."""

    numerator: np.ndarray
    denominator: np.ndarray
    tokens: Int[np.ndarray, "batch chosen"]
    places: Int[np.ndarray, "batch chosen"]


def least_ratios(problem: Ratios, count: int, start: np.ndarray | None = None) -> np.ndarray:
    """The least ratio of each problem, to rounding, `(batch,)` in the dtype of the weights: float64, or
    long double for scores that float64 cannot hold.

    **Arguments:**

    - `problem`: with at least `count` free tokens in each.
    - `count`: how many free tokens a set has.
    - `start`: where to begin, such as the answer for `count - 1`; any number is right, a near one is
      quicker.
    """
    batch = problem.own_gain.shape[0]
    ratio = np.zeros(batch, problem.weights.dtype) if start is None else start.copy()
    active = np.arange(batch)
    for step in range(100):
        part = problem if active.size == batch else problem.take(active)
        chosen = _minimize(part, count, ratio[active] - _nudge(part, ratio[active]))
        new = chosen.numerator / chosen.denominator
        # The first step may go up, as the start need not be any set's ratio.
        moved = (new != ratio[active]) if step == 0 else (new < ratio[active])
        ratio[active[moved]] = new[moved]
        active = active[moved]
        if active.size == 0:
            break
    return ratio


def least_set(problem: Ratios, count: int, ratio: np.ndarray) -> tuple:
    """Tokens and places of the sets that attain `ratio`, each `(batch, chosen)`, the must-token last."""
    chosen = _minimize(problem, count, ratio - _nudge(problem, ratio))
    return chosen.tokens, chosen.places


def sound_ratios(problem: Ratios, count: int, ratio: np.ndarray) -> Float[np.ndarray, " batch"]:
    """Lower bounds of the exact least ratios, near the computed ones and checked.

    Each returned number passed the check $F(\\lambda) \\ge 0$ with all errors of weights, gains and
    costs, and all roundings of the check itself, counted against it. -inf where none passed.
    """
    bound = np.full(ratio.shape, -np.inf)
    # About as far below as the errors reach, so that most pass at once.
    error = float(np.max(problem.weight_error)) + (problem.free.shape[1] + 8) * UNIT
    error = 2.5 * error * _size(problem, ratio) + 2 * float(np.max(problem.gain_error))
    trial = np.asarray(ratio - error, np.float64)
    active = np.arange(trial.shape[0])
    step = 1.0
    for _ in range(40):
        part = problem if active.size == trial.shape[0] else problem.take(active)
        lower = _minimize(part, count, trial[active].astype(problem.weights.dtype), errors=True)
        passed = lower.numerator >= 0
        bound[active[passed]] = trial[active[passed]]
        active = active[~passed]
        if active.size == 0:
            break
        short = (-lower.numerator / lower.denominator)[~passed].astype(np.float64)
        trial[active] -= step * short + 4 * UNIT * np.abs(trial[active]) + 1e-300
        step *= 2
    return bound


def _nudge(problem: Ratios, ratio: np.ndarray) -> np.ndarray:
    """A few roundings of a ratio, below which sets are compared.

    At a rounded ratio, a token of huge weight whose gain is the ratio looks better than it is by the
    rounding times that weight. Slightly below it does not; and a ratio that no set improves there is
    at most this far above the least.
    """
    return 8 * UNIT * _size(problem, ratio)


def _size(problem: Ratios, ratio: np.ndarray) -> np.ndarray:
    largest = max(float(np.max(np.abs(problem.gains))), float(np.max(np.abs(problem.own_gain))))
    return largest + np.abs(ratio)


def _minimize(problem: Ratios, count: int, ratio: np.ndarray, errors: bool = False) -> _Chosen:
    """The sets that minimize `sum of w (g - ratio kappa)`.

    With `errors`, the numerator is a lower bound of that exact minimum; without, the set's N.
    """
    lam = ratio[:, None, None]
    costs = 1.0 if problem.costs is None else problem.costs
    own_cost = 1.0 if problem.own_cost is None else problem.own_cost
    value = problem.weights * (problem.gains - lam * costs)
    own = problem.own_gain - ratio * own_cost
    if errors:
        # One element w (g - lam kappa): relative error of w, two products, a difference; then a sum
        # of at most `tokens` + 1 elements. Written as a share of w (|g| + |lam| kappa).
        roundings = (value.shape[1] + 8) * UNIT
        size = np.abs(problem.gains) + np.abs(lam) * costs
        slack = (problem.weight_error + roundings) * size + problem.gain_error
        slack = slack + np.abs(lam) * problem.cost_error
        value = value - 1.02 * problem.weights * slack
        own_slack = roundings * (np.abs(problem.own_gain) + np.abs(ratio) * own_cost)
        own_slack = own_slack + np.max(problem.gain_error) + np.abs(ratio) * problem.cost_error
        own = own - 1.02 * own_slack
    if value.shape[2] == 1:
        value, place = value[:, :, 0], None
    else:
        place = np.argmin(value, axis=2)
        value = np.min(value, axis=2)
    rows = np.arange(value.shape[0])[:, None]
    if count > 0:
        open_values = np.where(problem.free, value, np.inf)
        tokens = np.argpartition(open_values, count - 1, axis=1)[:, :count]
    else:
        tokens = np.zeros((value.shape[0], 0), np.intp)
    if value.shape[0] and problem.must[0] >= 0:  # all or none have one
        tokens = np.concatenate([tokens, problem.must[:, None]], axis=1)
    places = np.zeros_like(tokens) if place is None else place[rows, tokens]
    pick = lambda x: np.broadcast_to(x, problem.gains.shape)[rows, tokens, places]
    weights = pick(problem.weights)
    denominator = own_cost + np.sum(weights if problem.costs is None else weights * pick(costs), 1)
    if errors:
        numerator = own + np.sum(value[rows, tokens], axis=1)
    else:
        numerator = problem.own_gain + np.sum(weights * pick(problem.gains), axis=1)
    return _Chosen(numerator, denominator, tokens, places)
