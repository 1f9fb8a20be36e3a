r"""Floors: the error that no model of too few dimensions gets below, and their proofs.

Spread and margin of a set of inputs: $\eta$ is the largest, over inputs, of (highest - lowest valid
logit); $m$ the smallest of (lowest valid - highest invalid logit); $m_{mid}$ the smallest of
(middle of the highest and lowest valid - highest invalid logit). An exact solution has $\eta = 0 <
m$. Always $m \ge m_{mid} - \eta / 2$, so a floor $\eta \ge r m$ gives $\eta \ge m_{mid} \, r / (1 +
r / 2)$.

TV and KL are those of `evaluation.measure`, the largest over the inputs. $P = I - 1 1^T / v$.

**The kernel of an embedding that is too small.** Let $k = v - 1 - d \ge 1$. The unembedding $U$ (d
x v) maps a space of dimension $v - d$ at least to zero; its vectors of sum zero form a space $K$ of
dimension $\ge k$. Every logit vector f = h U, from any architecture, has $f \cdot z = 0$ for z in
K: so every softmax p has $\sum_y z_y \log p_y = 0$. (A bias of the unembedding outside U's rows is
not covered. A final LayerNorm without shift makes $d - 1$ of d.)

**The kernel of values that are too small.** Lengths 1 and 2 of a model $f(t) = B[q] + \sum_h \sum_i
a^h_i D^h[t_i]$ without positions in the values. With $F(x, q) = f((x, q)) - f((q)) = \sum_h a_h
(D^h[x] - D^h[q])$, and K the centred z with $D^h z = 0$ for all h, of dimension $k \ge v - 1 -
\sum_h d_v$: F(x, q) . z = 0.

Source: arXiv 2510.08341, section 3, asks for the dimensions; the floors are this library's.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Float

from .._core import require


def embedding_spread_floor(vocab: int, width: int, longest: int = 1) -> float:
    r"""Floor of $\eta / m_{mid}$ on the inputs of length 1 to `longest`, with d = `width`.

    0 from $d = v - 1$ on. With $k = v - 1 - d \ge 1$ and $s = \min(longest, \lfloor v/2 \rfloor)$
    it is the larger of

    $$\frac{2 s}{2 \lfloor v/2 \rfloor - s}, \qquad 2 \sqrt{\frac{k}{(v - 1)(v - k)}}.$$

    At longest = v/2 it is 2: then m <= 0, some invalid token is not below all valid ones.

    **Proof.** 1. Fix z in K and an input t. Write $f_y = c + e_y$, $|e_y| \le \eta/2$, for valid y,
    c the middle of their logits, and $f_x = c - m_x$, $m_x \ge m_{mid}$, for x in t. Then $0 = f
    \cdot z = \sum_{y \notin t} z_y e_y - \sum_{x \in t} m_x z_x$. If the z_x of t have one sign,
    $\eta \ge 2 m_{mid} \sum_{x \in t} |z_x| / (|z|_1 - \sum_{x \in t} |z_x|)$.

    2. The positive entries of z sum to $S = |z|_1 / 2$, the negative ones to -S. One of the two
    kinds has $i \le \lfloor v/2 \rfloor$ entries. Let t be its min(s, i) largest: they sum to S
    min(s, i) / i at least, so that $\eta \ge 2 m_{mid} \min(s, i) / (2 i - \min(s, i))$. This falls
    in i: the first term. At s = 1 it is attained for every v and k = 1: z with $\lfloor v/2
    \rfloor$ entries 1, as many -1 (and one 0), $e_y = (\eta/2) sign(z_x z_y)$.

    3. Let $\Pi$ project on K, $z = \Pi e_x$, $p = \Pi_{xx} = z_x = |z|_2^2$. By Cauchy-Schwarz
    $\sum_{y \ne x} |z_y| \le \sqrt{(v - 1)(p - p^2)}$; the ratio of step 1 at t = (x) is at least
    $2 \sqrt{p / ((v - 1)(1 - p))}$, increasing in p; and the mean of p over x is at least k / v.
    QED.
    """
    _check(vocab, width=width)
    require(longest >= 1, "`longest >= 1`", "raise `longest`", longest=longest)
    k = vocab - 1 - width
    if k < 1:
        return 0.0
    half = vocab // 2
    s = min(longest, half)
    return max(2 * s / (2 * half - s), 2 * math.sqrt(k / ((vocab - 1) * (vocab - k))))


def embedding_tv_floor(vocab: int, width: int) -> float:
    r"""Floor of the total variation: $1 / (2 (v - 1))$ on the inputs of length 1 if $d \le v - 2$, else 0.

    It is attained while $v - 1 - d \le v / 2$: give the tokens in pairs the same column of U.

    **Proof.** 1. Let n = v - 1, z in K, x with the largest $|z_x|$, scaled to $z_x = 1$. Let $T / n
    < 1 / n$ be the total variation at x and $u = w / n$ the probability of x. The valid
    probabilities are $1/n + t_y$; the negative t sum to -T/n, the positive ones to (T - w)/n.

    2. $0 = \sum_y z_y \log (n p_y)$ gives $-\log w = \sum_{y \ne x} z_y \log(1 + n t_y)$. As $|z_y|
    \le 1$, terms with t > 0 are at most $n t_y$, in all T - w. Terms with t < 0 are at most
    $-\log(1 - n |t_y|)$, a superadditive function: in all at most $-\log(1 - T)$.

    3. So $w - \log w \le T - \log(1 - T)$. The left side falls on (0, 1] and $w \le T$: $-\log T
    \le -\log(1 - T)$, hence $T \ge 1/2$. QED.
    """
    _check(vocab, width=width)
    return 0.0 if width >= vocab - 1 else 1 / (2 * (vocab - 1))


def embedding_kl_floor(vocab: int, width: int) -> float:
    r"""Floor of KL(p* || p) on the inputs of length 1 if $d \le v - 2$, else 0; over every U.

    $$\frac{1}{v - 1} \max_{0 < s < 1} \left[ -s \log s - (k - 1) \phi(s) - k \phi(-s) \right], \quad
      \phi(s) = (1 + s) \log(1 + s), \quad k = \lfloor v/2 \rfloor.$$

    Attained at d = v - 2. Proved; only the maximum over s is numerical, and every s gives a floor.

    **Proof.** 1. `kl_floor`: KL(p* || p) >= H(p* + tau z) - H(p*) for z in K with p* + tau z >= 0.

    2. Take x with the largest |z_x|, scaled to z_x = 1, and tau = s / n, n = v - 1. The gain of
    entropy is $[-s \log s - \sum_{y \ne x} \phi(s z_y)] / n$, where $|z_y| \le 1$ and $\sum_{y \ne
    x} z_y = -1$.

    3. $\phi$ is convex: at any s the sum is largest at a vertex of this set, where all entries but
    one are 1 or -1. As they sum to -1, k - 1 are 1, k are -1, and (odd v) one is 0: the formula.

    4. That z is attained: k entries 1, k entries -1, and (odd v) one 0. By symmetry each x with z_x
    != 0 has this floor, a zero entry has none, and each input's floor is an infimum (`kl_floor`).
    QED.
    """
    _check(vocab, width=width)
    if width >= vocab - 1:
        return 0.0
    k = vocab // 2

    def gain(s: float) -> float:
        up, down = (1 + s) * math.log1p(s), (1 - s) * math.log1p(-s)
        return -s * math.log(s) - (k - 1) * up - k * down

    found = scipy.optimize.minimize_scalar(
        lambda s: -gain(float(s)), bounds=(1e-9, 1 - 1e-9), method="bounded"
    )
    return gain(float(found.x)) / (vocab - 1)  # pyright: ignore[reportAttributeAccessIssue]


def kl_floor(unembedding: Float[np.ndarray, "dim vocab"], tokens: Sequence[int]) -> float:
    r"""Floor of KL(p* || p) after `tokens`, for every model that ends in this unembedding.

    $$\max \{ H(p^* + z) - H(p^*) : U z = 0, \; \sum z = 0, \; p^* + z \ge 0 \}$$

    **Proof.** Let $q = p^* + z$ be feasible. As $\sum z_y \log p_y = 0$, $-\sum p^*_y \log p_y =
    -\sum q_y \log p_y \ge H(q)$, by Gibbs' inequality. QED. It is the infimum over all hidden
    vectors: the maximum-entropy q is a limit of softmaxes of rows of U (duality of entropy and
    likelihood).

    Numerical: Newton's method from inside. It returns the gain at a feasible point, so that it is a
    floor (up to rounding) even where the maximum is missed.

    **Arguments:**

    - `unembedding`: U, shape `(dim, vocab)`, without bias.
    - `tokens`: the input, distinct tokens, fewer than vocab.

    **Returns:** nats, at least 0.
    """
    vocab = unembedding.shape[1]
    given = sorted(set(tokens))
    require(
        len(given) == len(tokens) and 0 < len(given) < vocab and 0 <= given[0] <= given[-1] < vocab,
        f"1 to {vocab - 1} distinct `tokens` below {vocab}",
        "give an input of the task",
        tokens=list(tokens),
    )
    target = np.full(vocab, 1 / (vocab - len(given)))
    target[given] = 0.0
    kernel = scipy.linalg.null_space(np.vstack([unembedding, np.ones((1, vocab))]))
    if kernel.shape[1] == 0:
        return 0.0
    # A point inside: the mean of the points where each token's probability is largest. A token that
    # stays at zero there is at zero everywhere: its row is taken out of the kernel.
    corners = [
        scipy.optimize.linprog(
            -kernel[y], A_ub=-kernel, b_ub=target, bounds=(None, None), method="highs"
        ).x
        for y in range(vocab)
    ]
    inside = kernel @ np.mean(corners, axis=0)
    never = target + inside < 1e-9
    if np.any(never):
        kernel = kernel @ scipy.linalg.null_space(kernel[never])
        inside = kernel @ (kernel.T @ inside)
    if kernel.shape[1] == 0:
        return 0.0
    kernel, target, inside = kernel[~never], target[~never], inside[~never]
    q = target + inside
    for _ in range(100):
        gradient = -kernel.T @ (np.log(q) + 1)
        step = np.linalg.solve(kernel.T @ (kernel / q[:, None]), gradient)
        if gradient @ step < 1e-20:
            break
        move = kernel @ step
        size = min(1.0, 0.9 / max(np.max(-move / q), 1e-9))
        while size > 1e-12 and _entropy(q + size * move) < _entropy(q):
            size /= 2
        q = q + size * move
    return max(0.0, _entropy(q) - _entropy(target))


def value_spread_floor(vocab: int, value_dims: Sequence[int]) -> float:
    r"""Floor of $\eta / m$ on the inputs of lengths 1 and 2, for heads of these value dimensions.

    0 where $\sum d_v \ge v - 1$. **One head**, $k = v - 1 - d_v \ge 1$: the smaller of 1 and the
    larger of

    $$\frac{1}{\kappa}, \quad \kappa = \frac{2 \lfloor v^2/4 \rfloor}{v} - 1, \qquad
      \sqrt{\frac{2 k}{(v - 2)(v - 1 - k)}}.$$

    **Proof.** 1. If $m \le \eta$ nothing is left to show: let $m > \eta$. For tokens x, q put $G =
    D[x] - D[q]$, a the attention on x in (x, q), a' that on q in (q, x): $G = F(x, q) / a = -F(q,
    x) / a'$ up to constants. Let L, M, R be the least, middle and greatest $G_y$ over y other than
    x, q, and h = (R - L) / 2.

    2. $2 h \le 2 \eta / a$ and $2 h \le 2 \eta / a'$: a difference of two valid logits at (x, q)
    less that at (q). With y the least: $G_x - L = [(f(x,q)_x - f(x,q)_y) - (f(q)_x - f(q)_y)] / a
    \le -(m - \eta) / a$; with y the greatest, $G_q - R \ge (m - \eta) / a'$. Let $b = \min(1/a,
    1/a') \ge 1$: $h \le b \eta$, $M - G_x \ge b (m - \eta) + h$, and the same for $G_q - M$.

    3. Let z in K, z_x its largest and z_q its smallest entry, $A = z_x > 0$, $-C = z_q < 0$, and r
    the sum of the other |z_y|. From $0 = \sum z_y (G_y - M)$: $(A + C)(b (m - \eta) + h) \le h r$.
    So r > A + C, and $(A + C) b (m - \eta) \le h (r - A - C) \le b \eta (r - A - C)$: $(A + C) m
    \le \eta r$.

    4. With i positive entries of sum S, $A \ge S / i$ and $C \ge S / (v - i)$, so $A + C \ge S v /
    \lfloor v^2/4 \rfloor$ and $r / (A + C) \le \kappa$: the first term.

    5. The pair of the largest $s = |\Pi (e_x - e_q)|^2$, $\Pi$ the projection on K, serves too: put
    $u_y = \Pi e_y$ and $z = u_x - u_q$. For every y, $|u_y - u_x|^2 \le s$ means $(u_y - u_q) \cdot
    z \ge |u_y - u_q|^2 / 2$; the mean of the u is 0, so $z_q = u_q \cdot z < 0$, and so $z_x > 0$.
    Then A + C = s, $r \le \sqrt{(v - 2)(s - A^2 - C^2)} \le \sqrt{(v - 2)(s - s^2/2)}$, and s is at
    least its mean over pairs, 2k / (v - 1): the second term. QED.

    **Several heads**: $1 / (5 v - 12)$; with $\sum d_v \le v - 3$ even $1 / (2 \lfloor (v-1)/2
    \rfloor - 1)$. (Not tight: 1 / (2v - 5) is conjectured.)

    **Proof.** 1. Let $m > \eta$. Let M, h be middle and half range of $F(x, q)_y$ over y other than
    x, q. As in step 2 above (a = 1) $h \le \eta$ and $p := M - F_x \ge m - \eta + h$. If $p \le c
    h$ with $c \ge 1$, then $m - \eta \le (c - 1) \eta$: $\eta \ge m / c$.

    2. If some z in K has an entry z_q = 0 (always so if dim K >= 2): $0 = F \cdot z$ has no term
    F_q, and gives $p |z_x| \le h (|z|_1 - |z_x|)$ for all x; as in `embedding_spread_floor` with v
    - 1 entries, $c = 2 \lfloor (v-1)/2 \rfloor - 1$. Else K is one line, no entry of z is 0, $\sum
    d_v = v - 2$, and the row spaces of the $D^h P$ form a direct sum. Some head h has a nonzero
    one: let g be centred, no multiple of z, and orthogonal to the row spaces of all other heads.

    3. $g \cdot F(x, q) = a_h \, g \cdot (D^h[x] - D^h[q])$ and $g \cdot F(q, x) = -a'_h \, g \cdot
    (D^h[x] - D^h[q])$: never both positive, never both negative. Write $g_y = z_y r_y$. Taking a
    multiple of z from g changes nothing, so $g \cdot F(x, q) = -p z_x (r_x - r_q) + \sum_y
    \epsilon_y z_y (r_y - r_q)$, $|\epsilon_y| \le h$, y other than x, q. For $z_x > 0 > z_q$ the
    two leading terms, $-p z_x (r_x - r_q)$ and $-p' |z_q| (r_x - r_q)$, have one sign. So for each
    such pair (i) $p z_x |r_x - r_q| \le h \sum |z_y| |r_y - r_q|$, or (ii) $p' |z_q| |r_x - r_q|
    \le h' \sum |z_y| |r_y - r_x|$.

    4. Let x0, q0 be the places of the largest and the smallest entry, A, C their sizes, $A \le C$
    (else take -z), and S the sum of the i positive entries: $S \le i A$, $S \le \lfloor v/2 \rfloor
    C$. Let $\alpha$ be the largest $z_x |r_x - r_{q0}|$ over x with z_x > 0, and $\beta$ the
    largest $\min(|z_q|, A) |r_q - r_{x0}|$ over q with z_q < 0, $t_q = |z_q| / A$. Not both are 0,
    g being no multiple of z.

    5. $\beta \le \alpha$: take q0 and the x of $\alpha$. In (i) another positive y adds at most
    $\alpha$, a negative one at most $(\max(1, t_y) + t_y) \alpha$: in all $(v - 2 + 2 (S - C) / A)
    \alpha \le (3 v - 6) \alpha$. In (ii), times z_x / C: $v - 2 + 2 (S - C) / C + (2 S - C - z_x) /
    C \le v + 4 \lfloor v/2 \rfloor - 5$.

    6. $\beta > \alpha$: take x0 and the q of $\beta$, $\mu = \min(|z_q|, A)$. In (ii) a positive y
    adds at most $(1 + z_y / A) \beta$, a negative one $\max(1, t_y) \beta$. In (i), times $\mu /
    A$, each has at most $|z_y| \beta / A$ more: $(i - 1) + 2 (S - A) / A + \sum_{y \ne q} (\max(1,
    t_y) + t_y)$. With one negative entry the sum is empty: at most 3v - 6. Else $i \le v - 2$ and
    it is at most $v - 2 + 2 (S / A - 1) + 2 S / A \le 5 v - 12$.

    7. All of these c are at most 5v - 12 for $v \ge 4$. QED.
    """
    _check(vocab, value_dims=value_dims)
    k = vocab - 1 - sum(value_dims)
    if k < 1:
        return 0.0
    if len(value_dims) > 1:
        return 1 / (2 * ((vocab - 1) // 2) - 1) if k > 1 else 1 / (5 * vocab - 12)
    return min(1.0, max(1 / kappa(vocab), _by_farthest_pair(vocab, k)))


def value_tv_floor(vocab: int, value_dims: Sequence[int]) -> float:
    r"""Floor of the total variation on the inputs of lengths 1 and 2, for one head with $d_v \le v - 2$.

    $T / (v - 1) > 1 / (4 (v - 1))$, T the root of $\lambda(T) = c(T)$ below, between 1/4 and 1/2; 0
    where $\sum d_v \ge v - 1$, and for several heads, where none is proved.

    **Proof.** 1. Let $T / (v - 1)$ bound the total variation of all these inputs. Take z in K and
    x, q with the largest and the smallest entry, A = z_x > 0 > z_q = -C, and a, a' as in
    `value_spread_floor`, a >= a' (else swap, and take -z). Put $u_y = \log((v-2) p(y|x,q)) -
    \log((v-1) p(y|q))$, $u'$ the same with x and q swapped: u / a = -u' / a' + const, and $z \cdot
    u = 0$.

    2. $u_x \le -\lambda$ with $\lambda = \log \frac{v-1}{v-2} + \log \frac{1 - T}{T}$: an invalid
    probability is at most T / (v-1), a valid one at length 1 at least (1 - T) / (v-1). Also $u'_q
    \le -\lambda$.

    3. Let E be the mean over the v - 2 tokens y other than x, q: $u_q - E u = -(a / a') (u'_q - E
    u') \ge (a / a') (\lambda + E u')$, at least $\lambda + E u'$ as long as that is $\ge 0$. So $z
    \cdot u = 0$ gives $(A + C) \lambda \le \sum_y (z_y - C / (v-2)) u_y - C \, E u'$.

    4. u and u' are differences of logs of four distributions, each within T / (v-1) of uniform. In
    $\sum c_y \log(n p_y)$ the probabilities above 1/n add at most $\max c^+ n T / (v-1)$, those
    below at most $\max c^- \cdot -\log(1 - n T / (v-1))$ (superadditive). As $-C \le z_y \le A$,
    with $\tau = T (v-2) / (v-1)$ the right side of 3 is at most $A [\tau - \log(1 - T)] + C
    \frac{v}{v-2} [T - \log(1 - \tau)]$.

    5. So $\lambda(T) \le c(T)$, c the larger of the two coefficients. $\lambda$ falls and c grows:
    T is at least the root. Below it $\lambda > c \ge (T - \log(1 - \tau)) / (v-2) \ge -E u'$, as
    step 3 asked. QED.
    """
    _check(vocab, value_dims=value_dims)
    if sum(value_dims) >= vocab - 1 or len(value_dims) > 1:
        return 0.0
    v = vocab

    def excess(share: float) -> float:
        odds = math.log((v - 1) / (v - 2)) + math.log((1 - share) / share)
        tau = share * (v - 2) / (v - 1)
        first = tau - math.log1p(-share)
        return odds - max(first, v / (v - 2) * (share - math.log1p(-tau)))

    root = scipy.optimize.brentq(excess, 0.05, 0.5, xtol=1e-15)
    return float(root) / (v - 1)  # pyright: ignore[reportArgumentType]


def kappa(vocab: int) -> float:
    r"""$2 \lfloor v^2/4 \rfloor / v - 1$.

    Of any centred z, the sum of sizes without the two extremes is at most this times the range.
    """
    return 2 * (vocab**2 // 4) / vocab - 1


def mid_floor(floor: float) -> float:
    r"""The floor of $\eta / m_{mid}$ that a floor of $\eta / m$ gives."""
    return floor / (1 + floor / 2)


@dataclasses.dataclass(frozen=True)
class FloorRow:
    """One line of `floor_table`.

    - `dimension`: `"d"` or `"d_v"`, whose shortage it is.
    - `lengths`: of the inputs that it speaks of.
    - `quantity`: `"spread / m_mid"`, `"spread / m"`, `"tv"` or `"kl"`.
    - `floor`: no model gets below it; 0 where the dimension suffices, `None` where none is proved.
    """

    dimension: str
    lengths: tuple[int, ...]
    quantity: str
    floor: float | None


def floor_table(vocab: int, width: int, value_dims: Sequence[int]) -> list[FloorRow]:
    """Every floor of a model of these dimensions.

    A value path is no wider than the embedding: with one head, d_v counts as at most d.

    **Arguments:**

    - `vocab`: v, at least 4.
    - `width`: d.
    - `value_dims`: d_v of each head.
    """
    require(
        len(value_dims) >= 1,
        "`len(value_dims) >= 1`",
        "name each head's d_v",
        value_dims=value_dims,
    )
    dims = [min(d, width) for d in value_dims]
    by_embedding: dict[str, Callable[..., float]] = {
        "spread / m_mid": embedding_spread_floor,
        "tv": embedding_tv_floor,
        "kl": embedding_kl_floor,
    }
    rows = [FloorRow("d", (1,), name, f(vocab, width)) for name, f in by_embedding.items()]
    by_two = embedding_spread_floor(vocab, width, longest=2)
    rows.append(FloorRow("d", (1, 2), "spread / m_mid", by_two))
    spread = value_spread_floor(vocab, dims)
    tv = value_tv_floor(vocab, dims)
    unknown = len(dims) > 1 and sum(dims) < vocab - 1
    rows += [
        FloorRow("d_v", (1, 2), "spread / m", spread),
        FloorRow("d_v", (1, 2), "spread / m_mid", mid_floor(spread)),
        FloorRow("d_v", (1, 2), "tv", None if unknown else tv),
    ]
    return rows


def _by_farthest_pair(vocab: int, k: int) -> float:
    left = vocab - 1 - k
    return math.inf if left == 0 else math.sqrt(2 * k / ((vocab - 2) * left))


def _entropy(q: np.ndarray) -> float:
    q = q[q > 0]
    return float(-np.sum(q * np.log(q)))


def _check(vocab: int, **dims: int | Sequence[int]) -> None:
    require(
        vocab >= 4,
        "`vocab >= 4`",
        "with fewer, two tokens leave one valid, and there is no spread to speak of",
        vocab=vocab,
    )
    for name, value in dims.items():
        values = [value] if isinstance(value, int) else list(value)
        require(len(values) > 0 and min(values) >= 0, f"`{name} >= 0`", "raise it", **{name: value})
