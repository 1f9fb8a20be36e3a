r"""Explicit weights with a norm after the attention, which resharpens: displacement falls, and rises again.

Source: arXiv 2510.08341 v2, section 5; docs/theory.md, "Post-norm resharpens". Symbols: $\gamma$ `gain`, d
`width`, c `embedding_scale`, $\epsilon$ `lengthwise.models.EPSILON`, Q the basis of P = I - 1 1^T / v.

1. Let N, `(v - 1, d)`, have orthonormal rows. Take $E = c Q N$, $W_V = N^T$, $W_O = N$ (d_v = v - 1), zero
   queries and keys, no residual path, $U = -(Q N)^T$, gain $\gamma$. RMSNorm: $N = [I | 0]$, any
   d >= v - 1. LayerNorm: rows of N centred, the first v - 1 of Helmert's basis of d, any d >= v; they
   exist iff
   v - 1 <= d - 1.
2. Attention is uniform, so the norm receives $h = (c / s) \sum_i (Q N)[t_i]$, and
   $|h|^2 = (c / s)^2\, 1_t^T P 1_t = c^2 (1 / s - 1 / v) = c^2 (v - s) / (s v)$, the same for all t of
   length s.
3. Its features have mean 0 for LayerNorm (rows of N are centred), so both norms give
   $\gamma h / \sqrt{|h|^2 / d + \epsilon}$.
4. $h U = -(c / s) \sum_i P[t_i]$, a constant minus $(c / s) 1_t$: valid logits are equal, and every token
   of t is displaced by

   $$\Delta(s) = \frac{\gamma c / s}{\sqrt{c^2 (v - s) / (s v d) + \epsilon}} > 0.$$

   So every length is solved, with all displacements equal. QED.
5. For $\epsilon \to 0$ or $c \to \infty$: $\Delta(s) \to \gamma \sqrt{d v / (s (v - s))}$, least at
   s = v / 2 and rising after. RMSNorm at d = v - 1: $\gamma \sqrt{v (v - 1) / (s (v - s))}$; LayerNorm
   at d = v:
   $\gamma v / \sqrt{s (v - s)}$.
6. $\epsilon$ takes less than the share $\epsilon d s v / (2 c^2 (v - s)) < \epsilon d v^2 / (2 c^2)$ of it:
   with d = v and the default c = 1024 that is below 5e-12 v^3. With c = 1 and v = 32 it is 13 % at s = 31.

A final LayerNorm at d = v - 1 cannot solve the task: its output has rank d - 1 = v - 2, and length 1 needs
v - 1.
"""

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._core import require
from ..models import EPSILON, Transformer, minimal_config
from ._base import AbstractConstruction
from ._weights import centred_basis, explicit_model, require_numbers


@dataclasses.dataclass(frozen=True)
class PostNorm(AbstractConstruction):
    r"""Uniform attention, then a norm: solves every length (see the proof above).

    **Arguments:**

    - `vocab`: v, at least 2.
    - `gain`: $\gamma > 0$ of the norm; all displacements are proportional to it.
    - `norm_kind`: "rms" or "layer".
    - `width`: d; `None` for the least, v - 1 with "rms" and v with "layer".
    - `embedding_scale`: c > 0. The larger, the less the norm's epsilon matters (step 6).

    **Example:**

    ```python
    [PostNorm(32).displacements(np.arange(s)[None])[0, 0] for s in (1, 2, 16, 30, 31)]
    # 5.657, 4.066, 1.969, 4.066, 5.657
    ```
    """

    vocab: int
    gain: float = 1.0
    norm_kind: str = "rms"
    width: int | None = None
    embedding_scale: float = 1024.0

    def __post_init__(self):
        require_numbers(self.vocab, gain=self.gain, embedding_scale=self.embedding_scale)
        require(
            self.norm_kind in ("rms", "layer"),
            "`norm_kind` in ('rms', 'layer')",
            "choose one of them",
            norm_kind=self.norm_kind,
        )
        for name in ("gain", "embedding_scale"):
            value = getattr(self, name)
            require(value > 0, f"`{name} > 0`", "raise it", **{name: value})
        least = self._least()
        require(
            self.width is None or self.width >= least,
            f"`width >= {least}`",
            "raise it: length 1 needs rank v - 1, and a LayerNorm's output has one less than the width",
            vocab=self.vocab,
            norm_kind=self.norm_kind,
            width=self.width,
        )

    @property
    def horizon(self) -> None:
        """`None`: every length is solved."""
        return None

    def build(self) -> Transformer:
        """The weights of step 1, as the ordinary model."""
        vocab, less, width = self.vocab, self.vocab - 1, self._width()
        rows = np.eye(less, width) if self.norm_kind == "rms" else centred_basis(width)[:, :less].T
        embedding = centred_basis(vocab) @ rows
        config = minimal_config(width, key_dim=1, value_dim=less)
        kind = "rms" if self.norm_kind == "rms" else "layer"
        model = explicit_model(
            dataclasses.replace(config, norm="post", norm_kind=kind, residual=False),
            vocab,
            embedding=self.embedding_scale * embedding,
            unembedding=-embedding.T,
            query=[np.zeros((width, 1))],
            key=[np.zeros((width, 1))],
            value=[rows.T],
            output=[rows],
        )
        gain = jnp.full(width, self.gain, model.embedding.dtype)
        where = lambda m: m.blocks[0].norm_attention.gain
        return eqx.tree_at(where, model, gain)

    def displacements(self, tokens: np.ndarray) -> Float[np.ndarray, "batch length"]:
        """Step 4 of the proof, with epsilon: the same number everywhere, `(batch, length)`."""
        length = tokens.shape[1]
        require(
            1 <= length < self.vocab,
            f"`1 <= length <= {self.vocab - 1}`",
            "choose a length with a valid token",
            length=length,
        )
        return np.full(tokens.shape, self.displacement(length))

    def displacement(self, length: int) -> float:
        """$\\Delta(s)$ of step 4, the displacement of every token of an input of this length."""
        v, d, c = self.vocab, self._width(), self.embedding_scale
        square = c * c * (v - length) / (length * v * d)
        return self.gain * c / length / math.sqrt(square + EPSILON)

    def _least(self) -> int:
        return self.vocab - 1 if self.norm_kind == "rms" else self.vocab

    def _width(self) -> int:
        return self._least() if self.width is None else self.width
