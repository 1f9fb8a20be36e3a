"""What dropout and averaging do in a sweep: every declared contrast, as plain rows."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._load import number
from ._sweep_pairs import (
    DISPLACEMENT,
    EFFECTIVE_TOKENS,
    ENDPOINTS,
    LOG_NOISE,
    SEEN_VARIATION,
    WEIGHTS_DISPLACEMENT,
    Endpoint,
    Pairs,
    averaging_pairs,
    draws_with_dropout,
    dropout_pairs,
    measured,
)
from ._sweep_statistics import (
    LEVEL,
    bootstrap_difference,
    bootstrap_median,
    detectable_difference,
    detectable_shift,
    holm,
    rank_sum_p,
    sign_p,
    signed_rank_p,
)
from ._sweep_trials import BINS, RATE, Draw, Sweep, rate_bin


FACTORS = ("rate", "width", "schedule", "learning_rate", "loss")
"""What a contrast may be restricted to; "all" where it is not."""
FAMILIES = {
    "dropout": "Dropout against its twin without, raw weights",
    "averaging": "Averaged weights against raw weights",
    "averaging by loss": "Benefit under the sampled loss minus that under the exact loss",
    "averaging by schedule": "Benefit at a constant rate minus that under the cosine schedule",
    "dropout mediator": "Dropout against its twin: dispersion",
    "averaging, seen lengths": "Averaged weights against raw weights, at lengths seen in training",
    "noise by loss": "Gradient noise under the sampled loss minus that under the exact loss",
    "dispersion of averages": "Averaged weights against raw weights: dispersion",
    "dropout of averages": "Dropout against its twin without, averaged weights",
}
"""The declared families. Holm's correction is over one family at one endpoint."""


@dataclasses.dataclass(frozen=True)
class Contrast:
    """One contrast before it is tested: paired, or (`other` given) of two unpaired samples."""

    family: str
    endpoint: Endpoint
    weights: str
    cell: dict[str, str]
    pairs: Pairs
    other: Pairs | None = None


def sweep_effects(sweep: Sweep) -> list[dict[str, Any]]:
    """Every contrast of a sweep.

    **Arguments:**

    - `sweep`: from `read_trials`.

    **Returns:** plain rows with equal columns, for CSV or JSON. `median`, `low` and `high` are of
    the paired difference of the endpoint, which is a log ratio (of total variation, illegal token
    rate, displacement ratio, effective tokens) except for separation, which is in logits; below 0
    is better where `better` is "lower". In the families "averaging by ...", they are of the
    difference between two medians of such log ratios, positive where the benefit is larger in the
    first group; in "noise by loss", of the difference between two medians of log gradient noise: a
    check that the exact loss did what it is there for. `p` is of the Wilcoxon signed-rank test
    (Mann-Whitney where two groups are compared), `p_holm` corrected over the `family_size` contrasts
    of the family at this endpoint. `detectable` is the smallest true median that is found with 80 %
    power at this n and at Holm's first level, 0.05 / `family_size`; `detectable_alone` at 0.05.
    `share_improved` is of the `n` pairs; `sign_gains` of `sign_pairs` and `sign_p` also count pairs
    of which one side diverged or is not finite, as the worse one.

    **Example:** `sweep_effects(read_trials("sweeps/default"))[0]["median"]`
    """
    declared = [*_dropout(sweep), *_averaging(sweep), *_interactions(sweep), *_mediators(sweep)]
    declared += _noise(sweep)
    families: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in declared:
        families.setdefault((contrast.family, contrast.endpoint.name), []).append(contrast)
    return [row for family in families.values() for row in _tested(family)]


def _dropout(sweep: Sweep) -> list[Contrast]:
    cells, found = _rate_cells(sweep), []
    for cell, draws in cells:
        for endpoint in ENDPOINTS:
            pairs = dropout_pairs(draws, endpoint, seen=sweep.seen)
            found.append(Contrast("dropout", endpoint, "raw", cell, pairs))
    for average in sweep.averages:
        for cell, draws in cells:
            pairs = dropout_pairs(draws, ENDPOINTS[0], seen=sweep.seen, weights=average)
            found.append(Contrast("dropout of averages", ENDPOINTS[0], average, cell, pairs))
    return found


def _averaging(sweep: Sweep) -> list[Contrast]:
    cells = _averaging_cells(sweep)
    return [
        Contrast(
            "averaging", endpoint, name, cell, averaging_pairs(draws, endpoint, name, seen=None)
        )
        for name in sweep.averages
        for cell, draws in cells
        for endpoint in ENDPOINTS
    ]


def _interactions(sweep: Sweep) -> list[Contrast]:
    found = []
    for factor, (first, second) in (("loss", LOSSES), ("schedule", SCHEDULES)):
        groups = [
            [d for d in sweep.draws if draw_levels(d)[factor] == one] for one in (first, second)
        ]
        if not all(groups):
            continue
        for name in sweep.averages:
            for endpoint in ENDPOINTS:
                ours, theirs = (averaging_pairs(g, endpoint, name, seen=None) for g in groups)
                cell = {factor: f"{first} - {second}"}
                found.append(Contrast(f"averaging by {factor}", endpoint, name, cell, ours, theirs))
    return found


def _mediators(sweep: Sweep) -> list[Contrast]:
    if sweep.seen is None:
        return []
    found = [
        Contrast("dropout mediator", one, "raw", cell, dropout_pairs(draws, one, seen=sweep.seen))
        for cell, draws in _rate_cells(sweep)
        for one in (DISPLACEMENT, EFFECTIVE_TOKENS)
    ]
    for name in sweep.averages:
        pairs = averaging_pairs(sweep.draws, WEIGHTS_DISPLACEMENT, name, seen=sweep.seen)
        found.append(Contrast("dispersion of averages", WEIGHTS_DISPLACEMENT, name, {}, pairs))
    return found


def _noise(sweep: Sweep) -> list[Contrast]:
    """Averaging where training saw the lengths, and the check that the exact loss cuts the noise."""
    found, seen = [], sweep.seen
    for name in sweep.averages if seen is not None else []:
        for cell, draws in _averaging_cells(sweep):
            pairs = averaging_pairs(draws, SEEN_VARIATION, name, seen=seen)
            found.append(Contrast("averaging, seen lengths", SEEN_VARIATION, name, cell, pairs))
    groups = [[d for d in sweep.draws if draw_levels(d)["loss"] == loss] for loss in LOSSES]
    ours, theirs = (measured(group, LOG_NOISE, "raw", seen=seen) for group in groups)
    if ours.differences.size and theirs.differences.size:
        cell = {"loss": " - ".join(LOSSES)}
        found.append(Contrast("noise by loss", LOG_NOISE, "raw", cell, ours, theirs))
    return found


SCHEDULES = ("constant", "cosine")
LOSSES = ("sampled", "exact")


def _rate_cells(sweep: Sweep) -> list[tuple[dict[str, str], list[Draw]]]:
    """All rates, each bin, and each bin by width; draws without a twin are in their cell."""
    draws = draws_with_dropout(sweep)
    widths = sorted({_width(draw) for draw in draws}, key=lambda text: (len(text), text))
    cells: list[dict[str, str]] = [{}] if draws else []
    if len(widths) > 1:
        cells += [{"rate": rate} for rate in BINS]
    cells += [{"rate": rate, "width": width} for rate in BINS for width in widths]
    of = lambda draw: {"rate": rate_bin(draw.dropout), "width": _width(draw)}
    return [(cell, [d for d in draws if cell.items() <= of(d).items()]) for cell in cells]


def _averaging_cells(sweep: Sweep) -> list[tuple[dict[str, str], list[Draw]]]:
    """All draws; each schedule; each third of the learning rates; each loss."""
    cells: list[dict[str, str]] = [{}]
    cells += [{"schedule": name} for name in SCHEDULES]
    cells += [{"learning_rate": name} for name in band_names(sweep)]
    cells += [{"loss": name} for name in LOSSES]
    of = {
        draw.number: draw_levels(draw) | {"learning_rate": _band(draw, sweep)}
        for draw in sweep.draws
    }
    grouped = [
        (cell, [d for d in sweep.draws if cell.items() <= of[d.number].items()]) for cell in cells
    ]
    return [(cell, draws) for cell, draws in grouped if draws]


def draw_levels(draw: Draw) -> dict[str, str]:
    """Schedule and loss of a draw: pure ones by name, others "mixed"."""
    found = {}
    for factor, field, names in (
        ("schedule", "hparams.cosine", SCHEDULES),
        ("loss", "hparams.exact_loss", LOSSES),
    ):
        value = number(draw.params.get(field))
        found[factor] = {0.0: names[0], 1.0: names[1]}.get(value, "mixed")
    return found


def band_names(sweep: Sweep) -> list[str]:
    """The thirds of the drawn learning rates, by their limits."""
    if sweep.bands is None:
        return []
    low, high = (f"{edge:.2g}" for edge in sweep.bands)
    return [f"<= {low}", f"{low} to {high}", f"> {high}"]


def _band(draw: Draw, sweep: Sweep) -> str:
    rate = number(draw.params.get(RATE))
    if sweep.bands is None or math.isnan(rate):
        return ""
    return band_names(sweep)[sum(rate > edge for edge in sweep.bands)]


def _width(draw: Draw) -> str:
    return str(draw.params.get("model.width", ""))


def _tested(family: Sequence[Contrast]) -> list[dict[str, Any]]:
    rows = [_row(contrast, len(family)) for contrast in family]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


def _row(contrast: Contrast, size: int) -> dict[str, Any]:
    pairs, other, endpoint = contrast.pairs, contrast.other, contrast.endpoint
    row: dict[str, Any] = {
        "family": contrast.family,
        "endpoint": endpoint.name,
        "better": "lower" if endpoint.better < 0 else "higher",
        "weights": contrast.weights,
    }
    row |= {factor: contrast.cell.get(factor, "all") for factor in FACTORS}
    if other is None:
        values = pairs.differences
        low, high = bootstrap_median(values)
        row |= {"n": values.size, "n_other": 0, "median": _median(values), "low": low, "high": high}
        row |= {"p": signed_rank_p(values), "p_holm": math.nan, "family_size": size}
        row |= {"share_improved": _share(values * endpoint.better > 0)}
        power = [detectable_shift(values, level=level) for level in (LEVEL / size, LEVEL)]
        row |= {"sign_pairs": pairs.gains + pairs.losses, "sign_gains": pairs.gains}
        row |= {"sign_p": sign_p(pairs.gains, pairs.losses)}
    else:
        ours, theirs = (one.differences * endpoint.better for one in (pairs, other))
        low, high = bootstrap_difference(ours, theirs)
        median = _median(ours) - _median(theirs)
        row |= {"n": ours.size, "n_other": theirs.size, "median": median, "low": low, "high": high}
        row |= {"p": rank_sum_p(ours, theirs), "p_holm": math.nan, "family_size": size}
        row |= {"share_improved": math.nan}
        power = [detectable_difference(ours, theirs, level=a) for a in (LEVEL / size, LEVEL)]
        row |= {"sign_pairs": 0, "sign_gains": 0, "sign_p": math.nan, "better": "higher"}
    row |= {"detectable": power[0], "detectable_alone": power[1]}
    for reason in ("without_twin", "diverged", "not_finite"):
        row[reason] = getattr(pairs, reason) + (getattr(other, reason) if other else 0)
    return row


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else math.nan


def _share(improved: np.ndarray) -> float:
    return float(np.mean(improved)) if improved.size else math.nan
