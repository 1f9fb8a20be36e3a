r"""The structure of a single layer: what each token does to its own logit, and all that deviates.

Any matrices can be written, for each head h, as

$$D_h[i,j] = \alpha_h[i] + \beta_h[j] - \delta'_h[j]\, [i=j] + R_h[i,j], \qquad
  B[q,j] = c[q] - \sum_h \beta_h[j] - r[q]\, [q=j] + R_B[q,j]$$

with R and R_B zero on their diagonals. What for: of a sequence t with last token q, attention a, and
any tokens x in t, y not in t,

1. $f_y - f_x = B[q,y] - B[q,x] + \sum_h \sum_{i \in t} a^h_i (D_h[i,y] - D_h[i,x])$.
2. $\alpha$ and c cancel. $\beta$ cancels too, as $\sum_i a^h_i = 1$: the values add
   $\sum_h (\beta_h[y] - \beta_h[x])$, and the residual takes just that away.
3. The indicator [i = y] is never true, as y is not in t; [i = x] is for one i. So

$$f_y - f_x = \sum_h a^h_x \delta'_h[x] + r[q]\, [x=q]
    + (R_B[q,y] + \sum_h \sum_i a^h_i R_h[i,y]) - (R_B[q,x] + \sum_h \sum_i a^h_i R_h[i,x]).$$

Without deviations, every legal token has the same logit at every length, whatever the attention, and
the token x is displaced by $\sum_h a^h_x \delta'_h[x] + r[q] [x=q]$. The converse is the theorem: a model
of one head that solves lengths 1 and 2 with v >= 4 has no deviations (docs/theory.md, "Structure";
arXiv 2510.08341, section 3). Proof, with attention on both tokens positive: at length 2, for y, y' not
in {x, q}, the logits of y and y' are equal, so
$B[q,y] - B[q,y'] + a_x (D[x,y] - D[x,y']) + a_q (D[q,y] - D[q,y']) = 0$; at length 1,
$B[q,y] - B[q,y'] + D[q,y] - D[q,y'] = 0$; subtract: $D[x,y] - D[x,y'] = D[q,y] - D[q,y']$. So the
difference of columns y and y' is the same in all rows but y and y'. With v >= 4 there is a row outside
any three columns, so that these differences add up: they are $\beta[y] - \beta[y']$ of one vector, and the
off-diagonal entries of D are $\alpha[i] + \beta[j]$. Length 1 gives B. QED.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .._core import require
from ._one_layer import OneLayer


@dataclasses.dataclass(frozen=True)
class Structure:
    """The parts of B and D, float64.

    - `alpha`, `beta`: of each head, shape `(heads, vocab)`; beta sums to zero.
    - `attention_displacement`: delta', how much full attention on a token lowers its own logit,
      `(heads, vocab)`.
    - `value_deviation`: R, zero on the diagonals, `(heads, vocab, vocab)`.
    - `residual_displacement`: r, how much the residual path lowers the last token's logit, `(vocab,)`.
    - `residual_constant`: c, `(vocab,)`.
    - `residual_deviation`: R_B, zero on the diagonal, `(vocab, vocab)`.
    """

    alpha: Float[np.ndarray, "heads vocab"]
    beta: Float[np.ndarray, "heads vocab"]
    attention_displacement: Float[np.ndarray, "heads vocab"]
    value_deviation: Float[np.ndarray, "heads vocab vocab"]
    residual_displacement: Float[np.ndarray, " vocab"]
    residual_constant: Float[np.ndarray, " vocab"]
    residual_deviation: Float[np.ndarray, "vocab vocab"]

    @property
    def displacement(self) -> Float[np.ndarray, " vocab"]:
        """delta: the displacement at length 1, all heads and the residual path together."""
        return np.sum(self.attention_displacement, axis=0) + self.residual_displacement

    @property
    def largest_deviation(self) -> float:
        """`max |R_B| + sum over heads of max |R|`: a legal and an illegal logit, or two legal ones,
        differ from the structure's by at most twice that, on any sequence.
        """
        by_head = np.max(np.abs(self.value_deviation), axis=(1, 2))
        return float(np.max(np.abs(self.residual_deviation)) + np.sum(by_head))

    @property
    def total_deviation(self) -> float:
        """The root of the sum of squares of all deviations; zero iff the structure is exact."""
        squares = np.sum(self.residual_deviation**2) + np.sum(self.value_deviation**2)
        return float(np.sqrt(squares))


def structure(layer: OneLayer) -> Structure:
    """The structure of a model without positions; with a final norm, of the logits before it.

    alpha and beta are the least-squares fit of D's off-diagonal entries, c of those of B + beta; the
    rest is what is left, so that the parts add up to B and D but for rounding.

    **Raises:** `InputError` for a model with positions.
    """
    residual, _, values = layer.plain_matrices()
    return structure_of(residual, values)


def structure_of(
    residual: Float[np.ndarray, "vocab vocab"], values: Float[np.ndarray, "heads vocab vocab"]
) -> Structure:
    """The structure of B and D themselves."""
    alpha, beta, own, deviation = _fit(values)
    remaining = residual + np.sum(beta, axis=0)[None]
    vocab = residual.shape[0]
    constant = (np.sum(remaining, axis=1) - np.diagonal(remaining)) / (vocab - 1)
    share = constant - np.diagonal(remaining)
    residual_deviation = remaining - constant[:, None]
    np.fill_diagonal(residual_deviation, 0.0)
    return Structure(alpha, beta, own, deviation, share, constant, residual_deviation)


def _fit(values: Float[np.ndarray, "heads vocab vocab"]) -> tuple[np.ndarray, ...]:
    """alpha, beta, delta', R of each head.

    With n = v - 1, row sums T_i and column sums S_j of the off-diagonal entries, and sum beta = 0, the
    normal equations are n alpha_i - beta_i = T_i and n beta_j + sum alpha - alpha_j = S_j. The sum of
    the first over i is n sum alpha = sum T. Put alpha_j = (T_j + beta_j) / n into the second and
    multiply by n: (n^2 - 1) beta_j = n (S_j - sum alpha) + T_j, and n^2 - 1 = v (v - 2).
    """
    vocab = values.shape[-1]
    require(vocab >= 2, "`vocab >= 2`", "use a larger vocabulary", vocab=vocab)
    others = vocab - 1
    diagonal = np.diagonal(values, axis1=1, axis2=2)
    rows = np.sum(values, axis=2) - diagonal
    columns = np.sum(values, axis=1) - diagonal
    total = np.sum(rows, axis=1, keepdims=True) / others  # sum of alpha
    if vocab == 2:  # two entries, and alpha alone gives both
        beta = np.zeros_like(rows)
    else:
        beta = (others * (columns - total) + rows) / (vocab * (vocab - 2))
    alpha = (rows + beta) / others
    deviation = values - alpha[:, :, None]
    deviation -= beta[:, None, :]
    own = -np.diagonal(deviation, axis1=1, axis2=2)
    index = np.arange(vocab)
    deviation[:, index, index] = 0.0
    return alpha, beta, own, deviation
