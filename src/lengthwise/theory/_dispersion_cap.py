r"""The dispersion cap: no attention keeps every displacement above about 1/s.

Let a model of one head have exact structure, as lengths 1 and 2 force it for v >= 4 (docs/theory.md,
"Dispersion cap"; arXiv 2510.08341, section 3). On a sequence t with last token q, let a be *any*
weights on its tokens, a >= 0 with sum 1, and m the smallest displacement.

1. $\Delta_x = a_x \delta'_x$ for x != q and $\Delta_q = r_q + a_q \delta'_q$: see `Structure`.
2. So $a_x \ge m / \delta'_x$ and $a_q \ge (m - r_q) / \delta'_q$, as delta' > 0. The sum of all is 1:
   $m \sum_{x \in t} 1/\delta'_x - r_q / \delta'_q \le 1$. With $\delta_q = \delta'_q + r_q$, that is
   $m \le (\delta_q / \delta'_q) / \sum_{x \in t} 1/\delta'_x$.
3. Also $a_q \ge 0$: $m \sum_{x \ne q} 1/\delta'_x \le 1$. It is the stronger one where $r_q$ is above the
   first cap: then the residual path alone displaces q.
4. The smaller of the two is attained, for delta_q > 0: with m equal to it, $a_x = m / \delta'_x$ for
   x != q leave $a_q = 1 - m \sum_{x \ne q} 1/\delta'_x$, at least 0 by step 3 and at least
   $(m - r_q) / \delta'_q$ by step 2. (Softmax comes as near as one likes where $a_q = 0$.) QED.

Homogeneous: the first is $\delta / s$. No scores beat it: the cure must be elsewhere, such as in the scale
or a norm.
"""

import numpy as np
from jaxtyping import Float

from .._core import require


def dispersion_cap(
    attention_displacement: np.ndarray, residual_displacement: np.ndarray, tokens: np.ndarray
) -> Float[np.ndarray, " batch"]:
    r"""The largest value that any attention can give the smallest displacement on each sequence.

    **Arguments:**

    - `attention_displacement`: delta', positive, `(v,)`.
    - `residual_displacement`: r, with delta' + r > 0, `(v,)`.
    - `tokens`: sequences of distinct tokens, `(batch, length)`.

    **Returns:** the smaller of $(\delta_q / \delta'_q) / \sum_{x \in t} 1/\delta'_x$ and
    $1 / \sum_{x \ne q} 1/\delta'_x$ (infinite at length 1), float64, `(batch,)`.

    **Raises:** `InputError` where delta' or delta is not positive: then length 1 or 2 is not solved.
    """
    own = np.asarray(attention_displacement, np.float64)
    share = np.asarray(residual_displacement, np.float64)
    check_displaced(own, share)
    tokens = np.atleast_2d(np.asarray(tokens))
    last = tokens[:, -1]
    others = np.sum(1 / own[tokens[:, :-1]], axis=1)
    cap = (1 + share[last] / own[last]) / (others + 1 / own[last])
    with np.errstate(divide="ignore"):
        return np.minimum(cap, 1 / others)


def check_displaced(own: np.ndarray, share: np.ndarray) -> None:
    """Refuse displacements of a model that does not solve lengths 1 and 2."""
    require(
        own.ndim == 1 and own.shape == share.shape,
        "Displacements of one shape `(v,)`",
        "give one number for each token",
        attention_displacement=own.shape,
        residual_displacement=share.shape,
    )
    require(
        bool(np.all(own > 0)) and bool(np.all(own + share > 0)),
        "`attention_displacement > 0` and `attention_displacement + residual_displacement > 0`",
        "a model that solves lengths 1 and 2 has both: measure it with `check_balance`",
        smallest_attention_displacement=min(own.tolist()),
        smallest_displacement=min((own + share).tolist()),
    )
