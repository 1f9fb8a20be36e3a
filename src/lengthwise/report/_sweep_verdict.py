"""The rule that says of each hypothesis whether it holds, does not, or is undecided.

It uses the primary endpoint only, and was written before the default sweep was run. An effect is *found* if
its Holm-corrected p is below 0.05, and *excluded* if the 95 % interval holds no effect of 5 % or
more in the predicted direction (a log ratio of 0.0513). What was not tested (fewer than 6 pairs)
neither finds nor excludes.

1. **Dropout counters attention dispersion.** The cells are rate bin by width, raw weights.
   - Holds: in some cell a lower total variation is found, and in the same cell a higher
     displacement ratio.
   - Does not hold: a lower total variation is excluded in every cell; or it is found in some cells,
     and in each of these a higher displacement ratio is excluded.
2. **Averaging counters noisy updates.** The cells are the averages, under the sampled loss.
   - Holds: for some average a lower total variation is found, and that its benefit is larger under
     the sampled than under the exact loss.
   - Does not hold: a lower total variation is excluded for every average; or it is found for
     some, and for each of these a benefit larger under the sampled loss is excluded.

The gradient noise, by loss and against the benefit, is told in the same breath where it was measured;
it decides nothing, for the reasons in `_sweep_noise`.

In every other case, or without cells, the hypothesis is undecided. That it holds somewhere does not
say that it holds everywhere: the sentences name the cells, and those where harm is found.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._sweep_noise import noise_sentence
from ._sweep_statistics import LEVEL
from ._sweep_trials import PRIMARY


Row = Mapping[str, Any]
SMALLEST = -math.log(0.95)
"""The smallest effect that matters: 5 %."""


def verdicts(rows: Sequence[Row], correlations: Sequence[Row] = ()) -> list[dict[str, str]]:
    """The verdict on both hypotheses.

    **Arguments:**

    - `rows`: from `sweep_effects`.
    - `correlations`: from `noise_correlations`; by default not told.

    **Returns:** for each hypothesis its `hypothesis`, its `verdict` ("holds", "does not hold" or
    "undecided") and `text`: a sentence on the effect, one on the mechanism, and for averaging one on
    the gradient noise, where it was measured.
    """
    primary = [row for row in rows if row["endpoint"] == PRIMARY]
    cells = [r for r in primary if r["family"] == "dropout" and r["width"] != "all"]
    dispersion = {
        (r["rate"], r["width"]): r
        for r in rows
        if r["family"] == "dropout mediator" and r["endpoint"] == "displacement_ratio"
    }
    averages = [r for r in primary if r["family"] == "averaging" and r["loss"] == "sampled"]
    noise = {r["weights"]: r for r in primary if r["family"] == "averaging by loss"}
    both = [
        _verdict(
            "Dropout counters attention dispersion",
            cells,
            lambda row: dispersion.get((row["rate"], row["width"])),
            lambda row: f"rate {row['rate']} at width {row['width']}",
            "dropout",
            "cells of rate and width",
            "a higher displacement ratio",
        ),
        _verdict(
            "Averaging counters noisy updates",
            averages,
            lambda row: noise.get(row["weights"]),
            lambda row: row["weights"],
            "averaging",
            "averages under the sampled loss",
            "a larger benefit under the sampled than under the exact loss",
        ),
    ]
    both[1]["text"] = " ".join(filter(None, [both[1]["text"], noise_sentence(rows, correlations)]))
    return both


def _verdict(
    hypothesis: str,
    cells: Sequence[Row],
    mechanism_of: Callable[[Row], Row | None],
    name: Callable[[Row], str],
    treatment: str,
    places: str,
    mechanism: str,
) -> dict[str, str]:
    gains = [row for row in cells if found(row, better=-1)]
    harms = [row for row in cells if found(row, better=1)]
    behind = [mechanism_of(row) for row in gains]
    shown = [row for row, its in zip(gains, behind, strict=True) if its and found(its, better=1)]
    against = [its for its in behind if its and excluded(its, better=1)]
    if shown:
        verdict = "holds"
    elif cells and all(excluded(row, better=-1) for row in cells):
        verdict = "does not hold"
    elif gains and len(against) == len(gains):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    effect = (
        f"{hypothesis}: {verdict}; {treatment} is found to lower the total variation at unseen "
        f"lengths in {_listed(gains, name)} and to raise it in {_listed(harms, name)} of "
        f"{len(cells)} {places}."
    )
    if gains:
        why = f"Where it lowers it, {mechanism} is found in {len(shown)} of {len(gains)}"
        why += f" and excluded in {len(against)}."
    else:
        share = sum(excluded(row, better=-1) for row in cells)
        why = f"No reduction is found for {mechanism} to explain; one of 5 % or more is excluded "
        why += f"in {share} of {len(cells)}."
    return {"hypothesis": hypothesis, "verdict": verdict, "text": f"{effect} {why}"}


def found(row: Row, *, better: int) -> bool:
    """Whether the effect in direction `better` is significant after Holm's correction."""
    return row["p_holm"] < LEVEL and row["median"] * better > 0


def excluded(row: Row, *, better: int) -> bool:
    """Whether the interval holds no effect of 5 % or more in direction `better`; not if untested."""
    furthest = row["high"] if better > 0 else -row["low"]
    return furthest < SMALLEST


def _listed(rows: Sequence[Row], name: Callable[[Row], str]) -> str:
    """How many, and which."""
    if not rows:
        return "none"
    names = ", ".join(name(row) for row in rows)
    return f"{len(rows)} ({names})"
