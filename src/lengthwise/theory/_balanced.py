r"""Explicit weights of every balanced family, each token with displacements of its own.

Source: arXiv 2510.08341, section 4; docs/theory.md, "Balanced displacement". Symbols: $\delta'$
`attention_displacements`, r `residual_displacements`, $\delta = \delta' + r$, P = I - 1 1^T / v, Q its
orthonormal basis.

1. Width d = 2 v - 1, in blocks of v and v - 1: $E = [I | 0]$, $U = [-diag(r) P ; Q^T]$, values
   $W_V = [-diag(\delta') Q ; 0]$, $W_O = [0 | I]$ with d_v = v - 1, queries $[\sqrt{v} \log w ; 0]$, keys
   $[I ; 0]$ with d_k = v, where $w_q(x) = \delta_q / (\delta'_x - r_q)$ for x != q, and $w_q(q) = 1$.
2. The values move from the first block, which the residual path reads, to the second, which nothing else
   writes. So $B = -diag(r) P$, $D = -diag(\delta') Q Q^T = -diag(\delta') P$, $C = \log w$.
3. w is positive, so that C exists, iff $\delta_q > 0$ and $r_q < \delta'_x$ for all x != q.
4. Row x of diag(.) P is a multiple of $e_x$ minus a constant: valid tokens have equal logits at every
   length, and $\Delta_x = \delta'_x w_q(x) / Z > 0$, $\Delta_q = r_q + \delta'_q / Z$ with
   $Z = 1 + \sum w_q(x)$.
5. After one token Z = 1: $\Delta_q = \delta_q > 0$. After (x, q),
   $Z = (\delta'_x + \delta'_q) / (\delta'_x - r_q)$: both displacements are
   $\delta'_x \delta_q / (\delta'_x + \delta'_q)$. Balanced, and lengths 1 and 2 are solved.
6. Where all r >= 0, step 4 gives $\Delta_q > 0$ at every length; else the horizon is that of
   `_horizon`. QED.

Why not d = v - 1: then some $n \ne 0$ has $n^T E = 0$, hence $n^T B P = n^T D P = 0$. With the B and D of
step 2 both $n_x r_x$ and $n_x \delta'_x$ are constant in x, so r is a multiple of $\delta'$; and r = 0 is
not possible at all (see `_homogeneous`). A width above v - 1 is the price of free r; `Homogeneous` is
the tight one. d_v = v - 1 is tight here too.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .._core import require
from ..models import Transformer, minimal_config
from ._base import AbstractConstruction
from ._horizon import balanced_weights, horizon
from ._weights import balanced_displacements, centred_basis, explicit_model, require_numbers


@dataclasses.dataclass(frozen=True)
class Balanced(AbstractConstruction):
    r"""The balanced model with these displacements (see the proof above); v is their number.

    **Arguments:**

    - `attention_displacements`: $\delta'_x > 0$ of each token.
    - `residual_displacements`: $r_x$ of each token, 0 and negative ones allowed, with
      $\delta'_q + r_q > 0$ and $r_q < \delta'_x$ for all x != q.

    **Example:** `Balanced((3.0, 2.0, 4.0, 3.0), (0.0, 1.0, -1.0, 0.5)).build()`
    """

    attention_displacements: tuple[float, ...]
    residual_displacements: tuple[float, ...]
    vocab: int = dataclasses.field(init=False)

    def __post_init__(self):
        own, share = self.attention_displacements, self.residual_displacements
        object.__setattr__(self, "vocab", len(own))
        require(
            len(own) == len(share),
            "As many `residual_displacements` as `attention_displacements`",
            "give one of each for each token",
            attention_displacements=len(own),
            residual_displacements=len(share),
        )
        for q, (d, r) in enumerate(zip(own, share, strict=True)):
            require_numbers(len(own), attention_displacement=d, residual_displacement=r)
            require(
                d > 0 and d + r > 0,
                "`attention_displacement > 0` and `attention_displacement + residual_displacement > 0`",
                "raise them: else the token is not displaced where it stands alone",
                token=q,
                attention_displacement=d,
                residual_displacement=r,
            )
            least = min(own[:q] + own[q + 1 :])
            require(
                r < least,
                "`residual_displacement` below every other token's `attention_displacement`",
                "lower it: no attention would balance the pair",
                token=q,
                residual_displacement=r,
                smallest_other=least,
            )

    @property
    def horizon(self) -> int | None:
        """The first length not solved; `None` if all to v - 1 are."""
        return horizon(*self._displacements()).length

    def build(self) -> Transformer:
        """The weights of step 1, as the ordinary model."""
        own, share = self._displacements()
        vocab, less, width = self.vocab, self.vocab - 1, 2 * self.vocab - 1
        basis = centred_basis(vocab)
        first = np.eye(vocab, width)  # (vocab, width): the first block
        second = np.eye(less, width, k=vocab)
        scores = np.log(balanced_weights(own, share))
        return explicit_model(
            minimal_config(width, key_dim=vocab, value_dim=less),
            vocab,
            embedding=first,
            unembedding=np.concatenate([-share[:, None] * (basis @ basis.T), basis.T]),
            query=[first.T @ scores * np.sqrt(vocab)],
            key=[first.T],
            value=[first.T @ (-own[:, None] * basis)],
            output=[second],
        )

    def displacements(self, tokens: np.ndarray) -> Float[np.ndarray, "batch length"]:
        """Step 4 of the proof, `(batch, length)`."""
        return balanced_displacements(*self._displacements(), tokens)

    def _displacements(self) -> tuple[np.ndarray, np.ndarray]:
        own, share = self.attention_displacements, self.residual_displacements
        return np.asarray(own, np.float64), np.asarray(share, np.float64)
