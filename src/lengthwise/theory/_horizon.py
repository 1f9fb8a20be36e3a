r"""The generalization horizon: the first length that a model exact at lengths 1 and 2 fails.

One head, exact structure (forced by lengths 1 and 2 for v >= 4; docs/theory.md, "Balanced displacement";
arXiv 2510.08341, section 3). $w_q(x) = e^{C[q,x] - C[q,q]}$, last token q, $Z = 1 + \sum w_q(x)$ over
the earlier tokens, $\delta_q = \delta'_q + r_q$.

1. Legal logits are equal at every length, $\Delta_x = \delta'_x w_q(x) / Z > 0$ for earlier tokens, and
   $\Delta_q = r_q + \delta'_q / Z$: see `Structure`. So only the last token can fail, and only if r_q < 0.
2. It fails iff $Z \ge \delta'_q / |r_q|$. Z is largest for the s - 1 largest weights: s is solved iff
   $1 + (\text{sum of the s-1 largest } w_q(x)) < \delta'_q / |r_q|$ for every q with r_q < 0. The sum grows
   with s, so that all lengths before the first failure are solved and none after.
3. Balanced at length 2, $a \delta'_x = r_q + (1 - a) \delta'_q = \delta_q - a \delta'_q$, hence
   $a = \delta_q / (\delta'_x + \delta'_q)$ and $w_q(x) = a / (1 - a) = \delta_q / (\delta'_x - r_q)$. It is
   positive, and the model exists, iff delta_q > 0 and r_q < delta'_x for all x != q.
4. Put 3 into 2, for r_q < 0: $\sum \delta_q / (\delta'_x + |r_q|) < \delta'_q / |r_q| - 1$. The right
   side is $\delta_q / |r_q|$; with $\delta_q$ divided out, $\sum |r_q| / (\delta'_x + |r_q|) < 1$ for the
   s - 1 smallest delta'_x, x != q. QED.

Homogeneous: (s - 1) |r| < delta' + |r|, so the horizon is the first s >= 2 + delta' / |r|. At equality the
last token's logit is that of the legal ones: a failure.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float

from .._core import require
from ._rounding import UNIT


@dataclasses.dataclass(frozen=True)
class Horizon:
    """The first length from 1 to v - 1 that is not solved, and a sequence of it that fails.

    Both are `None` where every length is solved. The last token of `witness` is the one that is not
    displaced.
    """

    length: int | None
    witness: tuple[int, ...] | None


def balance_exists(
    attention_displacement: Sequence[Any] | np.ndarray,
    residual_displacement: Sequence[Any] | np.ndarray,
) -> bool:
    """Whether some attention balances lengths 1 and 2 for these delta' and r (step 3).

    That is: `delta' > 0`, `delta' + r > 0`, and `r_q < delta'_x` for all x != q.
    """
    own, share = _exact(attention_displacement), _exact(residual_displacement)
    _check_shapes(own, share)
    displaced = all(d > 0 and d + r > 0 for d, r in zip(own, share, strict=True))
    smallest = sorted(range(len(own)), key=lambda x: own[x])[:2]
    least = lambda q: own[smallest[1] if q == smallest[0] else smallest[0]]
    return displaced and all(share[q] < least(q) for q in range(len(own)))


def balanced_weights(
    attention_displacement: np.ndarray, residual_displacement: np.ndarray
) -> Float[np.ndarray, "vocab vocab"]:
    r"""$w_q(x) = \delta_q / (\delta'_x - r_q)$ at [q, x], 1 at [q, q]: the attention that balances.

    Its logarithm is a matrix of scores. **Raises:** `InputError` where none balances.
    """
    _check_balance(attention_displacement, residual_displacement)
    own = np.asarray(attention_displacement, np.float64)
    share = np.asarray(residual_displacement, np.float64)
    gaps = own[None, :] - share[:, None]
    np.fill_diagonal(gaps, own + share)
    return (own + share)[:, None] / gaps


def horizon(
    attention_displacement: Sequence[Any] | np.ndarray,
    residual_displacement: Sequence[Any] | np.ndarray,
) -> Horizon:
    """Where a model that is balanced at lengths 1 and 2 first fails: exact, by steps 1 to 4.

    **Arguments:**

    - `attention_displacement`: delta', `(v,)`.
    - `residual_displacement`: r, `(v,)`. Numbers are taken as they are: floats too, integers and
      `Fraction` are decided in exact arithmetic wherever float64 could not tell.

    **Raises:** `InputError` where no attention balances these, see `balance_exists`.

    **Example:** `horizon([3, 3, 3, 3, 3, 3], [-1, -1, -1, -1, -1, -1]).length` is 5 = 2 + 3 / 1.
    """
    _check_balance(attention_displacement, residual_displacement)
    own, share = _exact(attention_displacement), _exact(residual_displacement)
    ascending = sorted(range(len(own)), key=lambda x: own[x])

    def failures() -> Iterator[tuple[int, int, list[int]]]:
        for q, r in enumerate(share):
            if r < 0:
                others = [x for x in ascending if x != q]
                terms = [(-r, own[x] - r) for x in others]  # numerator, denominator
                yield _crossing(0, terms, (Fraction(1), Fraction(1))), q, others

    return _first(failures(), len(own))


def unbalanced_horizon(
    weights: Sequence[Sequence[Any]] | np.ndarray,
    attention_displacement: Sequence[Any] | np.ndarray,
    residual_displacement: Sequence[Any] | np.ndarray,
) -> Horizon:
    """Where a model with exact structure first fails, balanced or not: steps 1 and 2.

    **Arguments:**

    - `weights`: w_q(x) at [q, x], `(v, v)`, positive; the diagonal is not read (it is 1).
    - `attention_displacement`, `residual_displacement`: as of `horizon`, with delta' > 0.

    **Returns:** the first failing length; 1 or 2 where those are not solved either.

    **Raises:** `InputError` where a delta' or a weight is not positive.
    """
    own, share = _exact(attention_displacement), _exact(residual_displacement)
    _check_shapes(own, share)
    table = [_exact(row) for row in weights]
    require(
        len(table) == len(own) and all(len(row) == len(own) for row in table),
        "`weights` of shape `(v, v)`",
        "give w_q(x) for all pairs",
        tokens=len(own),
        rows=len(table),
    )
    positive = all(w > 0 for q, row in enumerate(table) for x, w in enumerate(row) if x != q)
    require(
        positive and all(d > 0 for d in own),
        "`weights > 0` and `attention_displacement > 0`",
        "only models that displace the earlier token of a pair have a horizon",
        attention_displacement=[float(d) for d in own],
    )

    def failures() -> Iterator[tuple[int, int, list[int]]]:
        for q, r in enumerate(share):
            if r < 0:
                row = table[q]
                others = sorted((x for x in range(len(own)) if x != q), key=lambda x: -row[x])
                terms = [(row[x], Fraction(1)) for x in others]
                yield _crossing(1, terms, (own[q], -r)), q, others

    return _first(failures(), len(own))


def _crossing(
    start: int, terms: list[tuple[Fraction, Fraction]], limit: tuple[Fraction, Fraction]
) -> int:
    """The least k with `start + (sum of the first k terms) >= limit`, `len(terms) + 1` if none.

    Terms and the limit are positive fractions (numerator, denominator). float64 decides where it can:
    each term is within 4 roundings, their sum of k within k more; the rest is exact.
    """
    ratio = lambda pair: float(pair[0]) / float(pair[1])
    sums = np.cumsum([float(start), *map(ratio, terms)])
    bound = ratio(limit)
    slack = 2 * (len(terms) + 8) * UNIT * (sums + bound)
    # Sums ascend: those before the first near one are below, those after the last are above.
    near = int(np.argmax(sums >= bound - slack)) if sums[-1] >= bound - slack[-1] else sums.size
    while near < sums.size and sums[near] < bound + slack[near]:
        exact = sum((Fraction(a) / b for a, b in terms[:near]), Fraction(start))
        if exact >= limit[0] / limit[1]:
            break
        near += 1
    return near


def _first(failures: Iterator[tuple[int, int, list[int]]], vocab: int) -> Horizon:
    """The failure with the fewest earlier tokens, if it leaves a legal token."""
    earlier, q, others = min(failures, default=(vocab, 0, []), key=lambda found: found[0])
    if earlier + 1 > vocab - 1:
        return Horizon(None, None)
    return Horizon(earlier + 1, (*others[:earlier], q))


def _exact(values: Sequence[Any] | np.ndarray) -> list[Fraction]:
    """The numbers as fractions: a float is one."""
    found = []
    for value in np.asarray(values, object).tolist():
        number = value if isinstance(value, int | Fraction) else float(value)
        require(
            isinstance(number, int | Fraction) or bool(np.isfinite(number)),
            "Every entry is a finite number",
            "give numbers",
            value=value,
        )
        found.append(Fraction(number))
    return found


def _check_shapes(own: list[Fraction], share: list[Fraction]) -> None:
    require(
        len(own) == len(share) >= 2,
        "Displacements of one shape `(v,)`, v >= 2",
        "give one number for each token",
        attention_displacement=len(own),
        residual_displacement=len(share),
    )


def _check_balance(
    attention_displacement: Sequence[Any] | np.ndarray,
    residual_displacement: Sequence[Any] | np.ndarray,
) -> None:
    require(
        balance_exists(attention_displacement, residual_displacement),
        "`delta' > 0`, `delta' + r > 0`, and `r_q < delta'_x` for all x != q",
        "no attention balances these displacements: use `unbalanced_horizon`",
        attention_displacement=[float(x) for x in attention_displacement],
        residual_displacement=[float(x) for x in residual_displacement],
    )
