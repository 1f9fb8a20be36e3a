"""A certificate: what a model does at worst at every length, over all sequences at once."""

import dataclasses
import html
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from .._core import require
from ..evaluation import forward
from ..models import Transformer
from ._base import AbstractConstruction
from ._exact import ExactMargins
from ._fast import FastMargins
from ._final_norm import normed_margins
from ._one_layer import OneLayer, one_layer
from ._probability import odds_bounds, rate_of_odds, variation_bound


@dataclasses.dataclass(frozen=True)
class LengthCertificate:
    """What is proved of one length s, over all v! / (v - s)! sequences.

    - `margin`: at most the smallest (legal logit - illegal logit) of any sequence; a lower bound that is
      sound in rounding, and equal to the true one up to rounding if `tight`.
    - `attained`: that margin on `witness`, computed in float64 from the same arrays: the true worst
      margin lies between `margin` and `attained`.
    - `spread`: at least the difference of any two legal logits of a sequence.
    - `itr`, `tv`: at least the illegal token rate and the total variation of any sequence.
    - `chance`: the illegal token rate s / v of a model that knows nothing.
    - `verdict`: "holds" (margin > 0, and tv <= tolerance where one is stated), "refuted" (`witness`
      violates that, replayed through the model), "undecided" (neither; `reason` says why).
    - `witness`: the worst sequence found; `replayed_margin` and `replayed_tv` are what the ordinary model
      does on it, NaN where it violates nothing and so cannot refute.
    """

    length: int
    margin: float
    attained: float
    spread: float
    itr: float
    tv: float
    chance: float
    verdict: Literal["holds", "refuted", "undecided"]
    reason: str
    tight: bool
    witness: tuple[int, ...]
    replayed_margin: float
    replayed_tv: float


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One `LengthCertificate` for each length, with the claim that they decide.

    It speaks of the model with its stored weights in exact arithmetic; a float32 evaluation of it differs
    by its own rounding. `method` is "exact" or "fast".
    """

    vocab: int
    method: str
    tolerance: float | None
    lengths: tuple[LengthCertificate, ...]

    @property
    def horizon(self) -> int | None:
        """The first length at which the claim is refuted, `None` if it is at none."""
        return next((row.length for row in self.lengths if row.verdict == "refuted"), None)

    @property
    def certified(self) -> int:
        """The claim holds at every certified length up to this one (0 if not at the first)."""
        last = 0
        for row in self.lengths:
            if row.verdict != "holds":
                break
            last = row.length
        return last

    @property
    def first_vacuous(self) -> int | None:
        """The first length at which the ITR bound is no better than chance, `None` if there is none."""
        return next((row.length for row in self.lengths if row.itr >= row.chance), None)

    @property
    def claim(self) -> str:
        """What "holds" means."""
        claim = "every legal logit is above every illegal one"
        if self.tolerance is not None:
            claim += f", and the total variation is at most {self.tolerance:g}"
        return claim

    def summary(self) -> str:
        """Two or three sentences."""
        first, last = self.lengths[0].length, self.lengths[-1].length
        if self.certified == last:
            said = f"Proved for all sequences of lengths {first} to {last}: {self.claim}."
        elif self.certified:
            said = f"Proved up to length {self.certified}: {self.claim}."
        else:
            said = f"Not proved at length {first}: {self.claim}."
        if self.horizon is not None:
            row = next(r for r in self.lengths if r.length == self.horizon)
            said += (
                f" Refuted at length {self.horizon} by the sequence {' '.join(map(str, row.witness))}"
                f" (margin {row.replayed_margin:.3g} in the model)."
            )
        elif self.certified < last:
            row = next(r for r in self.lengths if r.verdict == "undecided")
            said += f" Undecided from length {row.length}: {row.reason}."
        if self.first_vacuous is not None:
            row = next(r for r in self.lengths if r.length == self.first_vacuous)
            why = (
                "the model itself is that bad" if row.attained <= 0 else row.reason or "see margins"
            )
            said += f" The ITR bound is no better than chance from length {row.length} on: {why}."
        return said

    def rows(self) -> list[dict[str, Any]]:
        """Plain rows for a table, CSV or JSON."""
        return [
            dataclasses.asdict(row) | {"witness": " ".join(map(str, row.witness))}
            for row in self.lengths
        ]

    def _repr_html_(self) -> str:
        names = ("length", "margin", "attained", "itr", "chance", "tv", "verdict", "witness")
        show = lambda x: f"{x:.4g}" if isinstance(x, float) else html.escape(str(x))
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{show(row[name])}</td>' for name in names)}</tr>"
            for row in self.rows()
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(self.summary())}</p>{table}"


def certify(
    model: Transformer | AbstractConstruction,
    *,
    lengths: Sequence[int] | None = None,
    method: Literal["exact", "fast"] = "exact",
    tolerance: float | None = None,
) -> Certificate:
    """The worst case of a single-layer attention-only model at every length.

    **Arguments:**

    - `model`: the ordinary model, trained or built, of `SetComplement`, or a construction.
    - `lengths`: which; all of 1 to v - 1 by default.
    - `method`: "exact" finds the worst margin of one head without positions to rounding, in O(v^4) a
      length; "fast" brackets it from the structure, in O(v^2) a length.
    - `tolerance`: on the total variation; by default only the margins are judged.

    **Raises:** `InputError` for a model that the theory does not cover, with the reason.

    **Example:**

    ```python
    certify(Homogeneous(8, attention_displacement=10.0, residual_displacement=1.0)).summary()
    ```
    """
    require(
        method in ("exact", "fast"), '`method` is "exact" or "fast"', "choose one", method=method
    )
    require(
        tolerance is None or 0 < tolerance < 1,
        "`0 < tolerance < 1`",
        "total variation lies between 0 and 1",
        tolerance=tolerance,
    )
    built = model.build() if isinstance(model, AbstractConstruction) else model
    layer = one_layer(built)
    longest = min(layer.vocab - 1, built.sizes.max_len)
    chosen = list(range(1, longest + 1)) if lengths is None else sorted(set(lengths))
    bad = [length for length in chosen if not 1 <= length <= longest]
    require(
        bool(chosen) and not bad,
        f"`1 <= length <= {longest}` for every length",
        "choose lengths of the task",
        lengths=bad or chosen,
    )
    margins = ExactMargins(layer) if method == "exact" else FastMargins(layer)
    if isinstance(margins, FastMargins):
        margins.prepare(chosen)
    rows = [_certify_length(layer, margins, length, tolerance) for length in chosen]
    return Certificate(layer.vocab, method, tolerance, tuple(_replayed(built, rows, tolerance)))


def _certify_length(
    layer: OneLayer,
    margins: ExactMargins | FastMargins,
    length: int,
    tolerance: float | None,
) -> LengthCertificate:
    vocab = layer.vocab
    if isinstance(margins, ExactMargins):
        found = normed_margins(margins, margins.at(length), length)
        odds = odds_bounds(found.lower, length)
        spread, margin, candidates = _worst(margins, found, odds, length)
        tight = len(margins.heads) == 1 and layer.places == 1 and layer.epsilon is None
    else:
        found = margins.at(length)
        odds, spread, margin = found.odds, found.spread, found.margin
        candidates, tight = found.candidates, False
    rate = rate_of_odds(odds)
    variation = float(np.max(variation_bound(rate, spread, vocab - length)))
    logits = layer.logits(np.stack(candidates))
    measured = [_measured(f, c) for f, c in zip(logits, candidates, strict=True)]
    attained = min(margin for margin, _ in measured)
    by_margin = tolerance is None or attained <= 0
    worst = (
        np.argmin([m for m, _ in measured]) if by_margin else np.argmax([t for _, t in measured])
    )
    candidate = candidates[int(worst)]
    holds = margin > 0 and (tolerance is None or variation <= tolerance)
    return LengthCertificate(
        length=length,
        margin=margin,
        attained=attained,
        spread=float(np.max(spread)),
        itr=float(np.max(rate)),
        tv=variation,
        chance=length / vocab,
        verdict="holds" if holds else "undecided",
        reason=_reason(margins, layer),
        tight=tight,
        witness=tuple(int(t) for t in candidate),
        replayed_margin=math.nan,
        replayed_tv=math.nan,
    )


def _replayed(
    model: Transformer, rows: list[LengthCertificate], tolerance: float | None
) -> Iterator[LengthCertificate]:
    """The witnesses of what is not proved, through the model: refuted, or not.

    Sequences are padded on the right, which a causal model does not see: few shapes are compiled.
    """
    for row in rows:
        if row.verdict == "holds":
            yield dataclasses.replace(row, reason="")
            continue
        if row.attained > 0 and tolerance is None:  # in float64 the witness violates nothing
            yield row
            continue
        longest = model.sizes.max_len
        size = longest if longest <= 64 else min(longest, 1 << (row.length - 1).bit_length())
        tokens = np.zeros((1, size), np.int32)
        tokens[0, : row.length] = row.witness
        logits = np.asarray(forward(model, tokens)[0, row.length - 1], np.float64)
        margin, variation = _measured(logits, np.array(row.witness))
        refuted = margin <= 0 or (tolerance is not None and variation > tolerance)
        yield dataclasses.replace(
            row,
            verdict="refuted" if refuted else "undecided",
            reason="" if refuted else row.reason,
            replayed_margin=margin,
            replayed_tv=variation,
        )


def _worst(margins: ExactMargins, found, odds, length: int) -> tuple:
    """Spread, the least margin and sequences that may attain it, or the largest odds."""
    flat = np.where(np.isfinite(found.lower), found.lower, np.inf)
    q, x, y = np.unravel_index(int(np.argmin(flat)), flat.shape)
    candidates = margins.witnesses(int(q), int(x), int(y), length)
    worst = int(np.argmax(odds))
    risk = np.min(np.where(np.isfinite(flat[worst]), flat[worst], np.inf), axis=1)
    risk[worst] = np.inf
    others = np.argsort(risk)[: length - 1]
    candidates.append(np.array([*others, worst]))
    return found.spread, float(flat[q, x, y]), candidates


def _measured(logits: np.ndarray, tokens: np.ndarray) -> tuple[float, float]:
    """Margin and total variation of one row of logits."""
    legal = np.ones(logits.shape[0], bool)
    legal[tokens] = False
    p = np.exp(logits - np.max(logits))
    p /= np.sum(p)
    target = legal / np.sum(legal)
    return float(np.min(logits[legal]) - np.max(logits[~legal])), float(
        np.abs(p - target).sum() / 2
    )


def _reason(margins: ExactMargins | FastMargins, layer: OneLayer) -> str:
    reasons = []
    if isinstance(margins, FastMargins):
        reasons.append("the fast method adds the largest deviations from the structure; try exact")
    elif len(margins.heads) > 1:
        reasons.append(
            "each of several heads is minimised alone, which no one sequence need attain"
        )
    if layer.places > 1:
        reasons.append(
            "each token stands at the position that is worst for it, also where two share one"
        )
    if layer.epsilon is not None:
        reasons.append("the size of the hidden vector before the final norm is only bounded")
    return "; ".join(reasons) or "the bound and the witness differ by rounding only"
