r"""From margins to probabilities: what a worst margin says of illegal token rate and total variation.

Let $M[q, x, y] \le f_y(t) - f_x(t)$ for every sequence t of length s that ends in q, contains x and
lacks y, and let valid logits differ by at most $\eta_q$.

**Illegal token rate.** 1. For x in t the v - s valid tokens y have $e^{f_y} \ge e^{f_x} e^{M[q,x,y]}$,
so $p_x / p(valid) \le e_x$ := 1 / (sum of the v - s smallest $e^{M[q,x,y]}$). 2. Adding over the tokens
of t, of which only q is known: $ITR / (1 - ITR) \le odds_q$ := $e_q$ + (sum of the s - 1 largest
$e_x$). QED.

**Total variation.** 1. $p = ITR \cdot p(.|illegal) + (1 - ITR)\, p(.|valid)$ and $p^*$ lives on the
valid tokens, so by convexity $TV \le ITR + (1 - ITR)\, TV(p(.|valid), p^*)$. 2. Of all distributions on
n tokens whose largest and smallest probabilities have ratio at most $R = e^\eta$, the farthest from
uniform has k tokens at R times the others (TV is convex, so it is attained at an extreme point): the
distance is $\tau_n = \max_k k (n-k)(R-1) / (n (n + k (R-1)))$. 3. The bound of 1 increases in ITR, as
$\tau \le 1$. QED.
"""

import numpy as np
from jaxtyping import Float

from ._rounding import gamma


LARGEST = 700.0  # exp of it is finite; a larger margin is only known to be as large


def odds_bounds(
    margins: Float[np.ndarray, "vocab vocab vocab"], length: int
) -> Float[np.ndarray, " vocab"]:
    """Upper bounds of ITR / (1 - ITR) for each last token q, from `margins[q, x, y]`.

    Entries with y = x or y = q are not read.
    """
    vocab = margins.shape[0]
    own = np.arange(vocab)
    chance = np.exp(np.clip(margins, -LARGEST, LARGEST))
    chance[own, :, own] = np.inf
    chance[:, own, own] = np.inf
    smallest = np.sort(chance, axis=2)[:, :, : vocab - length]
    # Where x is neither q nor seen with length 1, v - 2 candidates remain, enough for length >= 2.
    illegal = 1 / np.sum(smallest, axis=2)  # e[q, x]
    illegal = illegal * (1 + gamma(vocab + 16))
    other = illegal.copy()
    other[own, own] = 0.0
    largest = np.sort(other, axis=1)[:, vocab - (length - 1) :]
    return (illegal[own, own] + np.sum(largest, axis=1)) * (1 + gamma(vocab + 4))


def rate_of_odds(odds: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """ITR = odds / (1 + odds)."""
    return np.minimum(1.0, odds / (1 + odds) * (1 + gamma(4)))


def spread_variation(spread: Float[np.ndarray, "..."], valid: int) -> Float[np.ndarray, "..."]:
    r"""$\tau_n(\eta)$: the largest total variation of n logits within `spread`, from uniform."""
    if valid < 2:
        return np.zeros_like(spread)
    ratio = np.expm1(np.clip(np.maximum(spread, 0.0), 0.0, LARGEST))
    # As a function of real k, a concave over an affine positive one: a single maximum, at n / (1 +
    # sqrt(R)); so the best integer is next to it.
    best = valid / (1 + np.sqrt(1 + ratio))
    distance = np.zeros_like(ratio)
    for top in (np.floor(best), np.ceil(best)):
        top = np.clip(top, 1, valid - 1)
        share = (top / valid) * (valid - top) * (ratio / (valid + top * ratio))
        distance = np.maximum(distance, share)
    return np.asarray(np.minimum(1.0, distance * (1 + gamma(16))))


def variation_bound(
    rate: Float[np.ndarray, "..."], spread: Float[np.ndarray, "..."], valid: int
) -> Float[np.ndarray, "..."]:
    """TV <= ITR + (1 - ITR) tau(spread)."""
    return np.minimum(1.0, (rate + (1 - rate) * spread_variation(spread, valid)) * (1 + gamma(8)))
