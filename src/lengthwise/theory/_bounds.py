r"""The dimensions that solving the task asks for, d >= v-1 and sum d_v >= v-1, as statements on ranks.

A model *solves* a length if, after each input of that length, all valid tokens have one logit and
every invalid token a lower one. $P = I - 1 1^T / v$ (softmax ignores constants). Source: arXiv
2510.08341, section 3; docs/theory.md, "Dimension bounds". Both bounds are attained, by d = d_v = v
- 1.

**Length 1** (every architecture that ends in a linear unembedding).

1. Solved, $f(x) = c_x 1 - \delta_x e_x$ with $\delta_x > 0$: the logits are $L = c 1^T -
   diag(\delta)$.
2. So $L P = c 1^T P - diag(\delta) P = -diag(\delta) P$, of rank v - 1, and $\sigma_{v-1}(L P) \ge
   \min \delta$.
3. The rows of L are in the d-dimensional row space of U: $d \ge v - 1$. Without norms L = B + D.
4. A bias b of the unembedding does not help, and an output of rank d - 1 (a final LayerNorm) counts
   as d - 1 even with a shift: were the rank of L less the bias below v - 1, some centred z would
   have $f(x) \cdot z = b \cdot z$ for all x, so $\delta_x z_x$ would be one constant, all z_x of
   one sign, z = 0.

**Length 2, one head, v >= 4** (lengths 1 and 2 solved, values without positions).

5. $f((x, q)) - f((q)) = a (D[x] - D[q])$ with $0 < a < 1$. Off x and q both sides' logits are
   equal: $D[x]_y - D[x]_{y'}$ is the same for all x other than y, y'.
6. Hence (v >= 4) $D = \alpha 1^T + 1 \beta^T - diag(\delta')$. By 5 the first token of a pair is
   displaced by $a \delta'_x$: $\delta' > 0$.
7. $P D P = -P diag(\delta') P$: $-z^T D z \ge \min \delta' |z|^2$ on the centred space. Rank v - 1,
   so $d_v \ge v - 1$, and $\sigma_{v-1}(D P) \ge \sigma_{v-1}(P D P) \ge \min \delta'$. Only a > 0
   was used: scores may have positions.

**Length 2, several heads, v >= 3.** (One head with v = 3 is a case of it.)

8. $F(x, q) = \sum_h a_h (D^h[x] - D^h[q]) = -p e_x - s e_q$ up to constants, p > 0. Let K be the
   centred z with $D^h z = 0$ for all h, and suppose $\sum d_v \le v - 2$: K holds some z != 0. F .
   z = 0 says $p z_x = -s z_q$: were one z_q = 0, all would be.
9. So dim K = 1 (else some z in K has a zero entry), and the row spaces of the $D^h P$, of
   dimensions d_v, sum directly.
10. $F(x, q) = p z_x (e_q / z_q - e_x / z_x)$. For z_x > 0 > z_q, F(x, q) and F(q, x) are positive
    multiples of one vector, not 0. Their parts in head h are $a_h G_h$ and $-a'_h G_h$: by
    directness all are 0, a contradiction.

**Approximate solutions**, with $\eta$, m, m_mid of `_floors` and its steps:

11. Length 1: let z be the unit right singular vector of $\sigma = \sigma_{v-1}(L P)$ in the centred
    space, $|z_x|$ its largest entry, at least $1 / \sqrt v$. Step 1 of `embedding_spread_floor`,
    with $|f(x) \cdot z| \le \sigma$ in place of 0: $\sigma \ge (m_{mid} - (\lfloor v/2 \rfloor -
    1/2) \eta) / \sqrt v$.
12. One head: $|G \cdot z| \le \sqrt 2 |D z| = \sqrt 2 \sigma$ in step 3 of `value_spread_floor` (m
    > eta): $\sqrt 2 \sigma \ge (A + C)(m - \kappa \eta)$. The range A + C of a unit centred vector
    is at least $2 / \sqrt v$ (Popoviciu): $\sigma_{v-1}(D P) \ge \sqrt{2 / v} (m - \kappa \eta)$.
13. Whatever D is, write $D = \alpha 1^T + 1 \beta^T - diag(\delta') + R$: by 7 and Weyl
    $\sigma_{v-1}(P D P) \ge \min \delta' - |R|_F$; in the same way $\sigma_{v-1}(L P) \ge \min
    \delta - |R|_F$.
"""

import dataclasses
import itertools as it
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from .._core import require
from ._floors import kappa
from ._one_layer import OneLayer
from ._rounding import UNIT, Rounded, gamma


@dataclasses.dataclass(frozen=True)
class DimensionBounds:
    """What solving lengths 1 and 2 asks for.

    - `embedding`: the least d.
    - `value_total`: the least sum of the heads' d_v.
    - `length_1`, `length_2`: why, as statements on ranks.
    - `form_from`: the vocabulary from which length 2 settles the form of D (one head).
    """

    vocab: int
    heads: int
    embedding: int
    value_total: int
    length_1: str
    length_2: str
    form_from: int = 4


def dimension_bounds(
    vocab: int, *, heads: int = 1, final_layer_norm: bool = False
) -> DimensionBounds:
    """The lower bounds on d and sum d_v; both are attained.

    **Arguments:**

    - `vocab`: v, at least 3.
    - `heads`: the number of heads. (Keyword only argument.)
    - `final_layer_norm`: whether a LayerNorm stands before the unembedding; its output has a rank of
        $d - 1$. (Keyword only argument.)

    **Raises:** `InputError` for v < 3, which has no input of length 2 with a valid token.
    """
    require(
        vocab >= 3,
        "`vocab >= 3`",
        "with fewer, no input of length 2 leaves a valid token, and D = 0 solves the task",
        vocab=vocab,
    )
    require(heads >= 1, "`heads >= 1`", "raise `heads`", heads=heads)
    least = vocab - 1
    logits = "the logits of length 1, centred," if final_layer_norm else "(B + D) P"
    length_1 = f"length 1 solved: {logits} = -diag(delta) P, of rank v - 1 = {least}"
    if final_layer_norm:
        length_1 += ", and a LayerNorm's output has rank d - 1"
    if heads == 1 and vocab >= 4:
        length_2 = f"lengths 1, 2 solved: P D P = -P diag(delta') P, of rank v - 1 = {least}"
    else:
        length_2 = f"lengths 1, 2 solved: the ranks of the D^h P sum to at least v - 1 = {least}"
    return DimensionBounds(vocab, heads, least + final_layer_norm, least, length_1, length_2)


@dataclasses.dataclass(frozen=True)
class RankCheck:
    """A statement on ranks, looked up on one model.

    - `matrix`: its name.
    - `lengths`: the lengths that must be solved, about, for it to promise anything.
    - `missing`: why the statement is not about this model, or `None`; then nothing is promised.
    - `singular_values`: descending, shape `(matrices, vocab)`; one matrix for each head.
    - `radius`: of each matrix, how far rounding can have moved each singular value.
    - `spread`, `margin`, `margin_mid`: eta, m, m_mid over the inputs of `lengths` (before a final
        norm, where there is one without shift: its factor is positive).
    - `displacement`: the least delta (length 1) or delta' (length 2) of the fitted form.
    - `deviation`: Frobenius norm of what the form leaves over.
    - `promised`: the theory's lower bound on the (v-1)th singular value; 0 if it says nothing.
    """

    matrix: str
    lengths: tuple[int, ...]
    missing: str | None
    singular_values: Float[np.ndarray, "matrices vocab"]
    radius: Float[np.ndarray, " matrices"]
    spread: float
    margin: float
    margin_mid: float
    displacement: float
    deviation: float
    promised: float

    @property
    def needed(self) -> int:
        """v - 1."""
        return self.singular_values.shape[1] - 1

    @property
    def rank(self) -> int:
        """The sum of the ranks, each at least this in exact arithmetic: singular values above radius."""
        return int(np.sum(self.singular_values > self.radius[:, None]))

    @property
    def smallest(self) -> float:
        """The (v-1)th singular value; NaN for several heads, which share the rank."""
        return float(self.singular_values[0, -2]) if len(self.radius) == 1 else math.nan

    @property
    def holds(self) -> bool:
        """Whether the singular value keeps the theory's promise, up to rounding."""
        if math.isnan(self.smallest):
            return True
        return bool(self.smallest + 2 * self.radius[0] >= self.promised * (1 - 1e-12))


def check_ranks(layer: OneLayer) -> tuple[RankCheck, ...]:
    """The statements of lengths 1 and 2 on a model: `(B+D) P`, `D P` and `P D P`.

    The statement of length 1 is about every model; those of length 2 about models without
    positions, and without a final norm's shift.

    **Arguments:**

    - `layer`: from `one_layer`; vocab at least 3.
    """
    v = layer.vocab
    require(v >= 3, "`vocab >= 3`", "see `dimension_bounds`", vocab=v)
    shifted = bool(np.any(layer.offset.value))
    plain = dataclasses.replace(layer, epsilon=layer.epsilon if shifted else None)

    # Length 1, steps 1-3, 11, 13.
    rows = _rows(plain)
    spread, margin, margin_mid = _measure(plain, 1)
    valid_mean = (np.sum(rows.value, axis=1) - np.diag(rows.value)) / (v - 1)
    delta = valid_mean - np.diag(rows.value)
    rest = rows.value - valid_mean[:, None] + np.diag(delta)
    left_over = float(np.linalg.norm(rest))
    promised = max(
        np.min(delta) - left_over, (margin_mid - (v // 2 - 0.5) * spread) / math.sqrt(v), 0.0
    )
    name = "(B+D) P" if plain.epsilon is None else "logits P"
    checks = [
        RankCheck(
            name,
            (1,),
            None,
            *_singular_values(rows.at(None), left=False),
            spread,
            margin,
            margin_mid,
            float(np.min(delta)),
            left_over,
            float(promised),
        )
    ]

    # Length 2, steps 5-10, 12, 13.
    missing = None
    if layer.places > 1:
        missing = "values depend on positions"
    elif shifted:
        missing = "a final norm's shift adds to the logits"
    nan, heads = math.nan, layer.heads
    both = (nan, nan, nan)
    if missing is None:
        one, two = _measure(plain, 1), _measure(plain, 2)
        both = (max(one[0], two[0]), min(one[1], two[1]), min(one[2], two[2]))
    values = plain.value_logits().at((slice(None), 0))  # (heads, v, v)
    delta, left_over = _fit(values.value[0]) if heads == 1 else (nan, nan)
    structure = from_spread = 0.0
    if missing is None and heads == 1 and v >= 4:
        structure = max(delta - left_over, 0.0)
        from_spread = max(math.sqrt(2 / v) * (both[1] - kappa(v) * both[0]), 0.0)
    promises = {False: max(structure, from_spread), True: structure}
    for left, promised in promises.items():
        parts = _singular_values(values, left=left)
        name = ("P D P" if left else "D P") if heads == 1 else ("P D^h P" if left else "D^h P")
        checks.append(RankCheck(name, (1, 2), missing, *parts, *both, delta, left_over, promised))
    return tuple(checks)


def _rows(layer: OneLayer) -> Rounded:
    """The logits after each single token, `(v, v)`, with their rounding."""
    hidden = layer.residual.at(0)
    for head in range(layer.heads):
        hidden = hidden.plus(layer.values.at((head, 0)))
    logits = hidden @ layer.unembedding
    if layer.epsilon is None:
        return logits
    # The norm's factor, sqrt(d / (|h|^2 + d eps)), has at most the relative error of |h|^2: its terms
    # times their condition. It goes into the magnitude, as in `_one_layer`.
    square = np.sum(hidden.value**2, axis=1) + layer.dim * layer.epsilon
    crossed = np.sum(np.abs(hidden.value) * hidden.magnitude, axis=1) + layer.dim * layer.epsilon
    condition = np.maximum(1.0, 2 * crossed / square)[:, None]
    factor = np.sqrt(layer.dim / square)[:, None]
    scaled = Rounded(
        logits.value * factor,
        logits.magnitude * factor * condition,
        logits.operations + hidden.operations + layer.dim + 6,
    )
    return scaled.plus(layer.offset)


def _singular_values(
    matrices: Rounded, *, left: bool
) -> tuple[Float[np.ndarray, "matrices vocab"], Float[np.ndarray, " matrices"]]:
    """Of M P, or P M P, and how far each can be off.

    By Weyl a change of M moves them at most by its spectral norm, which the Frobenius norm bounds,
    and which centring does not raise. Centring rounds v + 2 times. An SVD in floating point gives
    those of a matrix within a small multiple of UNIT times the norm; 10 v is far above what LAPACK
    shows.
    """
    value, radius, v = matrices.value, matrices.radius, matrices.value.shape[-1]
    size = np.linalg.norm(np.abs(value), axis=(1, 2))
    value = value - np.mean(value, axis=2, keepdims=True)
    if left:
        value = value - np.mean(value, axis=1, keepdims=True)
    found = np.linalg.svd(value, compute_uv=False)
    moved = np.linalg.norm(radius, axis=(1, 2)) * (1 + gamma(v * v))
    # |mean of n numbers| rounds within gamma_n times the mean of their sizes: in all 2 gamma_(v+2) |M|_F.
    return found, moved + (4 * gamma(v + 2) + 10 * v * UNIT) * size


def _measure(layer: OneLayer, length: int) -> tuple[float, float, float]:
    """eta, m and m_mid over every input of a length."""
    spread, margin, margin_mid = 0.0, math.inf, math.inf
    for tokens in _inputs(layer.vocab, length):
        logits = layer.logits(tokens)
        invalid = np.zeros(logits.shape, bool)
        np.put_along_axis(invalid, tokens, True, axis=1)
        low = np.min(np.where(invalid, np.inf, logits), axis=1)
        high = np.max(np.where(invalid, -np.inf, logits), axis=1)
        worst = np.max(np.where(invalid, logits, -np.inf), axis=1)
        spread = max(spread, float(np.max(high - low)))
        margin = min(margin, float(np.min(low - worst)))
        margin_mid = min(margin_mid, float(np.min((low + high) / 2 - worst)))
    return spread, margin, margin_mid


def _inputs(vocab: int, length: int) -> Iterator[np.ndarray]:
    every = it.permutations(range(vocab), length)
    while batch := list(it.islice(every, 4096)):
        yield np.array(batch)


def _fit(d: Float[np.ndarray, "v v"]) -> tuple[float, float]:
    r"""The least $\delta'$ and $|R|_F$ of $D = \alpha 1^T + 1 \beta^T - diag(\delta') + R$.

    R is zero on the diagonal, and least elsewhere.
    """
    v = len(d)
    x, y = np.nonzero(~np.eye(v, dtype=bool))
    design = np.zeros((len(x), 2 * v))
    design[np.arange(len(x)), x] = 1.0
    design[np.arange(len(x)), v + y] = 1.0
    fitted = np.linalg.lstsq(design, d[x, y], rcond=None)[0]
    rest = d[x, y] - design @ fitted
    return float(np.min(fitted[:v] + fitted[v:] - np.diag(d))), float(np.linalg.norm(rest))
