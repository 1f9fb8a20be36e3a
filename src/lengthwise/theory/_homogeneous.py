r"""Explicit weights with d = d_v = v - 1, the least possible, that solve the task at every length.

Source: arXiv 2510.08341, section 4; docs/theory.md, "Construction". Symbols: v `vocab`, $\delta'$
`attention_displacement`, r `residual_displacement`, P = I - 1 1^T / v.

1. Let Q be the `(v, v - 1)` basis with $Q Q^T = P$, $Q^T Q = I$. Take $E = Q$, $U = -r Q^T$,
   $W_V W_O = (\delta' / r) I$, $W_Q W_K^T / \sqrt{d_k} = -\log(w) I$, $w = (\delta' + r) / (\delta' - r)$.
2. Then $B = E U = -r P$, $D = E W_V W_O U = -\delta' P$ and $C = -\log(w) P$: the score of another token
   exceeds that of the last token q itself by log w, so that $w_q(x) = w$ for x != q and $w_q(q) = 1$.
3. Row x of P is $e_x$ minus a constant, so the logits are a constant minus
   $r e_q + \delta' \sum_i a_i e_{t_i}$: those of valid tokens are equal, an earlier
   token is displaced by $\delta' w / Z$ and the last one by
   $r + \delta' / Z$, with $Z = 1 + (s - 1) w = (s \delta' + (s - 2) r) / (\delta' - r)$.
4. So, at every length s,
   earlier: $\delta' (\delta' + r) / (s \delta' + (s - 2) r)$,
   last: $(\delta' + r) (\delta' + (s - 2) r) / (s \delta' + (s - 2) r)$.
   At s = 2 they are equal (balanced). As |r| < delta', the denominator is positive, and so is the first.
5. The last is positive iff $\delta' + (s - 2) r > 0$: always for r > 0; for r < 0 iff
   $s < 2 + \delta' / |r|$. Hence r > 0 solves **every** length, and r < 0 fails first at the horizon. QED.

r = 0 is impossible here: length 1 needs U P of rank v - 1 = d, and then B P = E U P = 0 would force E = 0.

**Heads.** Any split of the v - 1 value dimensions: all heads have the scores of step 1, head h carries its
block of columns of $W_V$ and rows of $W_O$. With equal attention, the sum over heads is step 2 again.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from .._core import require
from ..models import Transformer, minimal_config
from ._base import AbstractConstruction
from ._weights import (
    centred_basis,
    explicit_model,
    homogeneous_displacements,
    homogeneous_horizon,
    require_numbers,
)


@dataclasses.dataclass(frozen=True)
class Homogeneous(AbstractConstruction):
    r"""The balanced model with the same displacements for all tokens, at width v - 1 (see the proof above).

    **Arguments:**

    - `vocab`: v, at least 2.
    - `attention_displacement`: $\delta' > 0$, how much full attention on a token lowers its logit.
    - `residual_displacement`: r, $0 < |r| < \delta'$, how much the residual path lowers the last token's.
      Negative: there is a generalization `horizon`.
    - `value_dims`: how the v - 1 value dimensions are split among heads, one number a head; `None` for
      one head. Smaller heads are filled up with zeros.

    **Example:**

    ```python
    Homogeneous(4, 3.0, -1.5).horizon                                  # None: 2 + 3 / 1.5 = 4 > 3
    Homogeneous(4, 3.0, 1.0).displacements(np.array([[2, 0]]))         # [[2.0, 2.0]]
    ```
    """

    vocab: int
    attention_displacement: float = 4.0
    residual_displacement: float = 2.0
    value_dims: tuple[int, ...] | None = None

    def __post_init__(self):
        own, share = self.attention_displacement, self.residual_displacement
        require_numbers(self.vocab, attention_displacement=own, residual_displacement=share)
        require(
            0 < abs(share) < own,
            "`0 < |residual_displacement| < attention_displacement`",
            "choose r between -delta' and delta', not 0 (`Balanced` can have 0, with a larger width)",
            attention_displacement=own,
            residual_displacement=share,
        )
        dims = self._dims()
        require(
            min(dims, default=0) >= 1 and sum(dims) == self.vocab - 1,
            f"`value_dims` positive with sum `vocab - 1 = {self.vocab - 1}`",
            "split the v - 1 value dimensions among the heads",
            value_dims=self.value_dims,
        )

    @staticmethod
    def for_precision(vocab: int, illegal_token_rate: float) -> "Homogeneous":
        r"""The model whose illegal token rate is at most this after **every** input of length 1 to v - 1.

        1. With all displacements at least m, $ITR \le s e^{-m} / (s e^{-m} + v - s)$, which is at most
           $\tau$ iff $m \ge \log(s (1 - \tau) / ((v - s) \tau))$.
        2. Take $r = \delta' / 2$. By step 4 of the proof, displacements are $\delta'$ times those of
           $\delta' = 1$, of which the smallest is $m_1(1) = 3/2$ and, the earlier token's,
           $m_1(s) = 3 / (3 s - 2)$ for s >= 2.
        3. So $\delta' = \max_s \log(s (1 - \tau) / ((v - s) \tau)) / m_1(s)$ is enough, and so is any
           larger one: it is raised by 2^-40 of itself for its own rounding, and to 1 at least.

        **Arguments:**

        - `vocab`: v.
        - `illegal_token_rate`: $\tau$, between 0 and 1.
        """
        require(
            0 < illegal_token_rate < 1,
            "`0 < illegal_token_rate < 1`",
            "give a rate that can be reached",
            illegal_token_rate=illegal_token_rate,
        )
        odds = (1 - illegal_token_rate) / illegal_token_rate
        smallest = lambda s: 1.5 if s == 1 else 3 / (3 * s - 2)
        needed = [math.log(s * odds / (vocab - s)) / smallest(s) for s in range(1, vocab)]
        scale = max(1.0, *needed) * (1 + 2.0**-40)
        return Homogeneous(vocab, scale, scale / 2)

    @property
    def horizon(self) -> int | None:
        r"""The first length not solved, $\lceil 2 + \delta' / |r| \rceil$; `None` if above v - 1."""
        return homogeneous_horizon(
            self.vocab, self.attention_displacement, self.residual_displacement
        )

    def build(self) -> Transformer:
        """The weights of step 1, as the ordinary model."""
        own, share, less = self.attention_displacement, self.residual_displacement, self.vocab - 1
        dims = self._dims()
        basis, identity = centred_basis(self.vocab), np.eye(less)
        log_weight = math.log((own + share) / (own - share))
        blocks = np.split(identity, np.cumsum(dims)[:-1], axis=1)  # (less, n) of each head
        return explicit_model(
            minimal_config(less, heads=len(dims), key_dim=less, value_dim=max(dims)),
            self.vocab,
            embedding=basis,
            unembedding=-share * basis.T,
            query=[-log_weight * math.sqrt(less) * identity] * len(dims),
            key=[identity] * len(dims),
            value=[own / share * block for block in blocks],
            output=[block.T for block in blocks],
        )

    def displacements(self, tokens: np.ndarray) -> Float[np.ndarray, "batch length"]:
        """Step 3 of the proof, `(batch, length)`."""
        return homogeneous_displacements(
            self.vocab, self.attention_displacement, self.residual_displacement, tokens
        )

    def _dims(self) -> tuple[int, ...]:
        return (self.vocab - 1,) if self.value_dims is None else self.value_dims
