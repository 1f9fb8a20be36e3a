r"""Averaging's mediator: does its benefit follow the gradient noise, across draws?

Averaging is thought to remove what the noise of gradients adds to the weights. Each trial reports,
at its raw final weights and under its own law of batches and loss, the noise of one batch's gradient
$\mathbb{E}|g - \mathbb{E}g|^2$. Three predictors of the benefit (log total variation of the raw
weights minus that of the average, at unseen lengths) are ranked, within the same loss and schedule:

- `gradient_noise`: its logarithm.
- `gradient_noise_given_rate`: the same, at a fixed learning rate (partial). The rate confounds the
  first: it moves the noise (a larger one reaches other weights) and the benefit (what stays in the
  weights is about the learning rate times the noise).
- `update_noise`: the logarithm of learning rate times gradient noise, that product itself.

**What it can show.** If averaging helps by removing noise, the benefit rises with the update noise,
and at a fixed rate with the gradient noise. The randomized evidence is elsewhere: the loss is drawn
at random, so "noise by loss" tests that the exact loss cuts the noise, and "averaging by loss" that
the benefit shrinks with it.

**What it cannot show.** Noise is measured, not drawn: what makes it larger (width, weight decay, a
run that is not done) may change the benefit by another way, and noise at the final weights is also a
result of the run. Under the exact loss it vanishes where the model is exact, so there it stands for
the model's own error. AdamW divides gradients by their running size, so that the scale of the noise
cancels in its updates where noise is most of the gradient: there is then nothing to find, although
averaging may remove noise all the same. The rate is the peak of the schedule; a cosine ends near 0,
which is why schedules are not compared here. So this decides no verdict.
"""

import functools as ft
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ._chart import Chart, Panel
from ._draw import zero_line
from ._format import MISSING, format_value, table_line
from ._load import number
from ._style import INK, PALETTE, Key
from ._sweep_effects import LOSSES, draw_levels
from ._sweep_pairs import LOG_NOISE
from ._sweep_ranks import (
    Sample,
    bootstrap_correlation,
    detectable_correlation,
    permutation_p,
    rank_correlation,
)
from ._sweep_statistics import LEVEL, holm
from ._sweep_trials import PRIMARY, RATE, Draw, Sweep, short_name, weights_of


FAMILY = "averaging mediator"
PREDICTORS = {
    "gradient_noise": "log gradient noise",
    "gradient_noise_given_rate": "log gradient noise, at a fixed learning rate",
    "update_noise": "log update noise (learning rate times gradient noise)",
}
HEAD = ("weights", "loss", "n", "rho", "95 % interval", "p Holm", "power")
WIDTHS = (28, 8, 5, 6, 13, 8, 6)
LOSS_COLOURS = {"sampled": PALETTE[1], "exact": PALETTE[0], "mixed": INK}


def noise_correlations(sweep: Sweep) -> list[dict[str, Any]]:
    """The rank correlation of each average's benefit with each predictor, over draws.

    **Arguments:**

    - `sweep`: from `read_trials`; trials made before noise was measured count as `missing`.

    **Returns:** plain rows with equal columns, none if no trial has gradient noise. `rho` is within
    loss and schedule, over all draws (`loss` is "all") or those of one loss; above 0 the benefit
    rises with the predictor. `low` and `high` are its bootstrap interval, `p` of permutations,
    `p_holm` corrected over the `family_size` rows of the same predictor, `detectable` the smallest
    correlation that is found with 80 % power at Holm's first level. A draw and its twin are one
    observation, the mean of the two.

    **Example:** `noise_correlations(read_trials("sweeps/default"))[0]["rho"]`
    """
    if not any(math.isfinite(LOG_NOISE.measure(trial, "raw", None)) for trial in sweep.trials):
        return []
    losses = [draw_levels(draw)["loss"] for draw in sweep.draws]
    cells = {"all": len(losses)} | {name: losses.count(name) for name in LOSSES if name in losses}
    observed = {average: observations(sweep.draws, average) for average in sweep.averages}
    rows = []
    for predictor in PREDICTORS:
        family = [
            _row(mine, predictor, average, loss, draws, len(cells) * len(observed))
            for average, mine in observed.items()
            for loss, draws in cells.items()
        ]
        for row, adjusted in zip(family, holm([row["p"] for row in family]), strict=True):
            rows.append(row | {"p_holm": adjusted})
    return rows


def noise_charts(sweep: Sweep, correlations: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Averaging's benefit against the log update noise, a panel for each average."""
    panels, rows = [], []
    for name in sweep.averages:
        points = [
            {"average": name, "draw": one["draw"], "loss": one["loss"], "schedule": one["schedule"]}
            | {"log_update_noise": one["update"], "log_gradient_noise": one["noise"]}
            | {"benefit": one["benefit"]}
            for one in observations(sweep.draws, name)
        ]
        rows += points
        if points:
            panels.append(Panel(_title(name, correlations), ft.partial(_draw, points)))
    if not panels:
        return []
    chart = Chart(
        "noise",
        "Averaging's benefit against the noise of updates",
        "One circle a draw (the mean over it and its twin): log total variation of the raw weights "
        "minus that of the average, at unseen lengths, above 0 where averaging helps, against the log "
        "of learning rate times gradient noise at the raw final weights. The number above a panel is "
        "the rank correlation within loss and schedule; noise is measured and not drawn at random, so "
        "it shows association.",
        panels,
        3,
        [
            Key(f"{loss} loss", colour, kind="ring")
            for loss, colour in LOSS_COLOURS.items()
            if any(row["loss"] == loss for row in rows)
        ],
        rows,
    )
    return [chart]


def noise_sentence(
    rows: Sequence[Mapping[str, Any]], correlations: Sequence[Mapping[str, Any]]
) -> str:
    """What the gradient noise says about the second hypothesis; "" if it was not measured."""
    if not correlations:
        return ""
    by_loss = [row for row in rows if row["family"] == "noise by loss"]
    over_all = [row for row in correlations if row["loss"] == "all"]
    parts = [
        f"it is {times['median']} times as large under the sampled as under the exact loss "
        f"(95 % {times['low']} to {times['high']})"
        for times in (
            {n: format_value(math.exp(row[n]), digits=2) for n in ("median", "low", "high")}
            for row in by_loss
            if math.isfinite(row["low"])
        )
    ]
    for predictor, words in (
        ("gradient_noise_given_rate", "it at a fixed learning rate"),
        ("update_noise", "the update noise"),
    ):
        mine = [row for row in over_all if row["endpoint"] == predictor]
        up, down = (
            sum(row["p_holm"] < LEVEL and row["rho"] * sign > 0 for row in mine) for sign in (1, -1)
        )
        parts.append(
            f"the benefit is found to rise with {words} for {up}, to fall for {down} of "
            f"{len(mine)} averages"
        )
    return f"Gradient noise (which does not decide): {'; '.join(parts)}."


def observations(draws: Sequence[Draw], average: str) -> list[dict[str, Any]]:
    """Benefit and noise of each draw that has both, with its levels and log learning rate."""
    found = []
    for draw in draws:
        pairs = [
            (_benefit(trial, average), LOG_NOISE.measure(trial, "raw", None))
            for trial in draw.trials
        ]
        known = [pair for pair in pairs if math.isfinite(sum(pair))]
        rate = number(draw.params.get(RATE))
        levels = draw_levels(draw)
        if known:
            benefit, noise = (float(np.mean(values)) for values in zip(*known, strict=True))
            rate = math.log(rate) if rate > 0 else math.nan
            values = {"benefit": benefit, "noise": noise, "rate": rate, "update": rate + noise}
            found.append({"draw": draw.number, **levels, **values})
    return found


def _row(
    observed: Sequence[Mapping[str, Any]],
    predictor: str,
    average: str,
    loss: str,
    draws: int,
    size: int,
) -> dict[str, Any]:
    column = "update" if predictor == "update_noise" else "noise"
    needed = ("noise",) if predictor == "gradient_noise" else ("noise", "rate")
    found = [
        one
        for one in observed
        if loss in ("all", one["loss"])
        and "mixed" not in (one["loss"], one["schedule"])
        and all(math.isfinite(one[name]) for name in needed)
    ]
    values = lambda name: np.array([one[name] for one in found], float)
    strata = np.array([f"{one['loss']} {one['schedule']}" for one in found], str)
    given = values("rate") if predictor.endswith("given_rate") else None
    sample = Sample(values(column), values("benefit"), strata, given)
    low, high = bootstrap_correlation(sample)
    row: dict[str, Any] = {"family": FAMILY, "endpoint": predictor, "weights": average}
    row |= {"loss": loss, "n": len(found), "missing": draws - len(found)}
    row |= {"rho": rank_correlation(sample), "low": low, "high": high}
    row |= {"p": permutation_p(sample), "p_holm": math.nan, "family_size": size}
    power = [detectable_correlation(sample, level=level) for level in (LEVEL / size, LEVEL)]
    return row | {"detectable": power[0], "detectable_alone": power[1]}


def _benefit(trial: Mapping[str, Any], average: str) -> float:
    weights = weights_of(trial)
    raw, averaged = (number(weights.get(name, {}).get(PRIMARY)) for name in ("raw", average))
    return raw - averaged


def _title(name: str, correlations: Sequence[Mapping[str, Any]]) -> str:
    found = [
        row["rho"]
        for row in correlations
        if (row["weights"], row["endpoint"], row["loss"]) == (name, "update_noise", "all")
    ]
    known = [rho for rho in found if math.isfinite(rho)]
    return f"{short_name(name)} ({known[0]:+.2f})" if known else short_name(name)


def _draw(points: Sequence[Mapping[str, Any]], ax: Axes) -> None:
    zero_line(ax)
    for loss, colour in LOSS_COLOURS.items():
        xy = [(p["log_update_noise"], p["benefit"]) for p in points if p["loss"] == loss]
        if xy:
            style = {"ms": 3.6, "mfc": "none", "mec": colour, "mew": 0.9, "alpha": 0.85}
            ax.plot(*np.array(xy).T, "o", **style)
    ax.set_xlabel("log (learning rate \N{MULTIPLICATION SIGN} gradient noise)")
    ax.set_ylabel("benefit in log TV", labelpad=1)
    ax.yaxis.set_major_locator(MaxNLocator(5))


def correlations_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The correlations as text, no line longer than 80 columns; "" without any."""
    lines = []
    for predictor, title in PREDICTORS.items():
        mine = [row for row in rows if row["endpoint"] == predictor]
        if mine:
            heading = f"Averaging's benefit against {title} (Holm over {mine[0]['family_size']})"
            lines += ["", *textwrap.wrap(heading, 80), table_line(HEAD, WIDTHS, texts=2)]
        lines += [
            table_line(list(correlation_cells(row).values()), WIDTHS, texts=2) for row in mine
        ]
    return "\n".join(lines[1:])


def correlation_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a row by the titles in `HEAD`."""
    known = math.isfinite(row["low"])
    texts = {"weights": row["weights"], "loss": row["loss"], "n": str(row["n"])}
    texts |= {"rho": f"{row['rho']:+.2f}" if math.isfinite(row["rho"]) else MISSING}
    texts |= {"95 % interval": f"{row['low']:+.2f} {row['high']:+.2f}" if known else MISSING}
    texts |= {"p Holm": format_value(row["p_holm"], digits=2)}
    return texts | {"power": format_value(row["detectable"], digits=2)}
