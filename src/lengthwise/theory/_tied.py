r"""Explicit weights with tied unembedding, U = E^T: balanced, and with a horizon.

Source: arXiv 2510.08341, section 4; docs/theory.md, "Balanced displacement". Symbols: $\delta'$
`attention_displacement`, r `residual_displacement`, Q the orthonormal basis of P = I - 1 1^T / v.

1. For r < 0 take d = d_v = v - 1, $E = \sqrt{|r|} Q$, $W_V W_O = -(\delta' / |r|) I$ and
   $W_Q W_K^T / \sqrt{d_k} = -(\log(w) / |r|) I$ with $w = (\delta' + r) / (\delta' - r)$.
2. Then $B = E E^T = |r| P = -r P$, $D = -\delta' P$, $C = -\log(w) P$: the three matrices of
   `Homogeneous`, and with them its steps 3 to 5. Lengths below $2 + \delta' / |r|$ are solved, those
   from it on are not. QED.

That r < 0 is no choice. A model exact at lengths 1 and 2 has $B = c 1^T + 1 \beta^T - diag(r)$ (v >= 4;
see `_structure`), and $B = E E^T$. So $|E_x - E_y|^2 = (e_x - e_y)^T B (e_x - e_y) = -(r_x + r_y)$ for any
two tokens, and it is not 0, or else f(x) = f(y) after one token, which length 1 excludes. Hence
$r_x + r_y < 0$ for every pair: all tokens but at most one have r < 0, and the sum of `_horizon`, step 4,
grows with every further token.
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
class Tied(AbstractConstruction):
    r"""The homogeneous balanced model with tied unembedding, at width v - 1 (see the proof above).

    **Arguments:**

    - `vocab`: v, at least 2.
    - `attention_displacement`: $\delta' > 0$.
    - `residual_displacement`: r, $-\delta' < r < 0$.

    **Example:** `Tied(16, 3.0, -0.5).horizon` is 8 = 2 + 3 / 0.5.
    """

    vocab: int
    attention_displacement: float = 4.0
    residual_displacement: float = -0.5

    def __post_init__(self):
        own, share = self.attention_displacement, self.residual_displacement
        require_numbers(self.vocab, attention_displacement=own, residual_displacement=share)
        require(
            -own < share < 0,
            "`-attention_displacement < residual_displacement < 0`",
            "choose a negative r: a tied residual path lifts the last token (`Homogeneous` is not tied)",
            attention_displacement=own,
            residual_displacement=share,
        )

    @property
    def horizon(self) -> int | None:
        r"""The first length not solved, $\lceil 2 + \delta' / |r| \rceil$; `None` if above v - 1."""
        return homogeneous_horizon(
            self.vocab, self.attention_displacement, self.residual_displacement
        )

    def build(self) -> Transformer:
        """The weights of step 1, as the ordinary model."""
        own, lift, less = self.attention_displacement, -self.residual_displacement, self.vocab - 1
        log_weight = math.log((own - lift) / (own + lift))
        identity = np.eye(less)
        return explicit_model(
            minimal_config(less, key_dim=less, value_dim=less, tied=True),
            self.vocab,
            embedding=math.sqrt(lift) * centred_basis(self.vocab),
            unembedding=None,
            query=[-log_weight / lift * math.sqrt(less) * identity],
            key=[identity],
            value=[-own / lift * identity],
            output=[identity],
        )

    def displacements(self, tokens: np.ndarray) -> Float[np.ndarray, "batch length"]:
        """Step 3 of `Homogeneous`, `(batch, length)`."""
        return homogeneous_displacements(
            self.vocab, self.attention_displacement, self.residual_displacement, tokens
        )
