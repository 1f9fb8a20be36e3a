r"""Balanced displacement at lengths 1 and 2, checked on all v + v (v - 1) sequences.

A sequence is balanced if all its displacements are equal. At length 1 it always is. At length 2, with
exact structure, it fixes the attention: $a = \delta_q / (\delta'_x + \delta'_q)$ on the earlier token x
(step 3 of `_horizon.py`; docs/theory.md, "Balanced displacement"; arXiv 2510.08341, section 3). What
follows for longer sequences: `horizon`, `predicted_displacements`, `dispersion_cap`.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .._core import require
from ._displacement import attention_on, displacements, valid_spread
from ._from_matrices import from_matrices
from ._horizon import Horizon, balance_exists, horizon, unbalanced_horizon
from ._one_layer import OneLayer
from ._structure import Structure, structure


@dataclasses.dataclass(frozen=True)
class Balance:
    """Lengths 1 and 2 of a model, measured on every sequence, beside what balance implies.

    Arrays over pairs hold the sequence (x, q) at [q, x] and NaN at [q, q].

    - `structure`: of the model, heads merged.
    - `single`: displacement at length 1, `(vocab,)`.
    - `earlier`, `last`: displacements of x and of q at length 2, `(vocab, vocab)`.
    - `spread`: largest minus smallest legal logit; at [q, q] that of the sequence q alone.
    - `attention`: on x, as it is; `implied_attention`: delta_q / (delta'_x + delta'_q).
    - `weights`: w_q(x), as it is; `implied_weights`: delta_q / (delta'_x - r_q).
    - `exists`: whether any attention balances these displacements, see `balance_exists`.
    """

    structure: Structure
    single: Float[np.ndarray, " vocab"]
    earlier: Float[np.ndarray, "vocab vocab"]
    last: Float[np.ndarray, "vocab vocab"]
    spread: Float[np.ndarray, "vocab vocab"]
    attention: Float[np.ndarray, "vocab vocab"]
    implied_attention: Float[np.ndarray, "vocab vocab"]
    weights: Float[np.ndarray, "vocab vocab"]
    implied_weights: Float[np.ndarray, "vocab vocab"]
    exists: bool

    @property
    def imbalance(self) -> float:
        """The largest difference of the two displacements of a pair."""
        return float(np.nanmax(np.abs(self.earlier - self.last)))

    @property
    def largest_spread(self) -> float:
        """The largest difference of two legal logits after one or two tokens."""
        return float(np.max(self.spread))

    @property
    def smallest_displacement(self) -> float:
        """Of any token of any sequence of length 1 or 2."""
        pairs = min(float(np.nanmin(self.earlier)), float(np.nanmin(self.last)))
        return min(float(np.min(self.single)), pairs)

    @property
    def attention_gap(self) -> float:
        """The largest difference between the attention and that which balance implies."""
        return float(np.nanmax(np.abs(self.attention - self.implied_attention)))

    def solved(self, tolerance: float = 1e-6) -> bool:
        """Every displacement is positive, and legal logits agree within `tolerance` times the smallest."""
        smallest = self.smallest_displacement
        return smallest > 0 and self.largest_spread <= tolerance * smallest

    def balanced(self, tolerance: float = 1e-6) -> bool:
        """Solved, and the displacements of each pair agree within `tolerance` times the smallest."""
        return self.solved(tolerance) and self.imbalance <= tolerance * self.smallest_displacement

    def horizon(self, tolerance: float = 1e-6) -> Horizon:
        """Where the model first fails, from its structure: `horizon` if balanced, else
        `unbalanced_horizon` with its own weights. Exact for the numbers read from the model, which
        are rounded: a tie of the real numbers may come out one length later.

        **Raises:** `InputError` if lengths 1 and 2 are not `solved`: no theorem speaks of it then.
        """
        require(
            self.solved(tolerance),
            "A model that solves lengths 1 and 2",
            "`certify` finds the worst sequence of any model at any length",
            smallest_displacement=self.smallest_displacement,
            largest_spread=self.largest_spread,
        )
        own = self.structure.attention_displacement[0]
        share = self.structure.residual_displacement
        if self.balanced(tolerance) and self.exists:
            return horizon(own, share)
        return unbalanced_horizon(np.where(np.isnan(self.weights), 1.0, self.weights), own, share)


def check_balance(layer: OneLayer) -> Balance:
    """Displacement, spread and attention at lengths 1 and 2, and what balance implies.

    Several heads are merged where all have the same attention, into one whose values are their sums.

    **Raises:** `InputError` for v < 4 (there lengths 1 and 2 do not force the structure), positions, a
    final norm, or heads with different attention: the theorem does not speak of them.
    """
    vocab = layer.vocab
    require(
        vocab >= 4, "`vocab >= 4`", "use a larger vocabulary: the theorem needs it", vocab=vocab
    )
    require(
        layer.epsilon is None,
        "A model without final norm",
        "its displacements are not those of the structure; measure it with `displacements`",
        epsilon=layer.epsilon,
    )
    layer = merge_heads(layer)
    parts = structure(layer)
    own, share = parts.attention_displacement[0], parts.residual_displacement
    blank = lambda: np.full((vocab, vocab), np.nan)
    earlier, last, spread, attention = blank(), blank(), blank(), blank()
    for q in range(vocab):
        others = np.delete(np.arange(vocab), q)
        pairs = np.stack([others, np.full_like(others, q)], axis=1)
        earlier[q, others], last[q, others] = displacements(layer, pairs).T
        spread[q, others] = valid_spread(layer, pairs)
        attention[q, others] = attention_on(layer, pairs)[0, :, 0]
    alone = np.arange(vocab)[:, None]
    np.fill_diagonal(spread, valid_spread(layer, alone))
    scores = layer.scores(1).value[0, 0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weights = np.exp(scores - np.diagonal(scores)[:, None])
        implied = parts.displacement[:, None] / (own[None, :] + own[:, None])
        implied_weights = parts.displacement[:, None] / (own[None, :] - share[:, None])
    for array in (weights, implied, implied_weights):
        np.fill_diagonal(array, np.nan)
    return Balance(
        structure=parts,
        single=displacements(layer, alone)[:, 0],
        earlier=earlier,
        last=last,
        spread=spread,
        attention=attention,
        implied_attention=implied,
        weights=weights,
        implied_weights=implied_weights,
        exists=balance_exists(own, share),
    )


def merge_heads(layer: OneLayer) -> OneLayer:
    """The same function with one head, where all heads attend alike: the values add up.

    Alike: differences of scores in a row agree to 1e-6 of one plus the largest score. The first head's
    are kept. A layer of one head is returned as it is.

    **Raises:** `InputError` for positions, for a final norm, or for heads that differ.
    """
    if layer.heads == 1 and layer.places == 1:
        return layer
    residual, scores, values = layer.plain_matrices()
    relative = scores - np.diagonal(scores, axis1=1, axis2=2)[:, :, None]
    apart = float(np.max(np.abs(relative - relative[:1])))
    require(
        layer.epsilon is None and apart <= 1e-6 * (1 + float(np.max(np.abs(scores)))),
        "One head, or heads with the same attention, without final norm",
        "the theorem speaks of no other; measure the model with `displacements` or `certify`",
        heads=layer.heads,
        largest_difference_of_scores=apart,
        epsilon=layer.epsilon,
    )
    return from_matrices(residual, scores[0], np.sum(values, axis=0))
