"""The figures of a sweep: against each hyperparameter, in pairs, and by length."""

import functools as ft
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.stats
from matplotlib.axes import Axes

from ._chart import Chart, Panel
from ._draw import length_axis, log_axis
from ._load import number
from ._style import INK, MUTED, PALETTE, SEEN, Key
from ._sweep_pairs import draws_with_dropout
from ._sweep_trials import (
    BINS,
    DROPOUT,
    PRIMARY,
    Sweep,
    Trial,
    dropout_rate,
    rate_bin,
    short_name,
    weights_of,
)


BIN_COLOURS: dict[str, str] = dict(zip(("0", *BINS), (INK, *PALETTE), strict=False))
LABEL = "mean log TV, unseen lengths"


def sweep_charts(sweep: Sweep) -> list[Chart]:
    """Every figure that the trials have data for."""
    if not any(weights_of(trial) for trial in sweep.trials):
        return []
    charts = [_hyperparameters(sweep), _pairs(sweep), _by_length(sweep)]
    return [chart for chart in charts if chart.panels]


def value_of(trial: Trial, weights: str = "raw", name: str = PRIMARY) -> float:
    """A measured number; NaN where there is none."""
    return number(weights_of(trial).get(weights, {}).get(name))


def varying(sweep: Sweep) -> list[str]:
    """The hyperparameters that differ between trials; of dropout rates that are equal, the first."""
    names = dict.fromkeys(name for trial in sweep.trials for name in trial["params"])
    columns = {n: tuple(repr(t["params"].get(n)) for t in sweep.trials) for n in names}
    first = {values: name for name, values in reversed(columns.items())}
    return [
        name
        for name, values in columns.items()
        if len(set(values)) > 1 and not (name.startswith(DROPOUT) and first[values] != name)
    ]


def parameter_title(sweep: Sweep, name: str) -> str:
    """A field without its room; "dropout" for one rate at every place."""
    if name.startswith(DROPOUT) and sum(n.startswith(DROPOUT) for n in varying(sweep)) == 1:
        name = DROPOUT.rstrip(".")
    return name.removeprefix("hparams.").removeprefix("model.").replace("_", " ")


def bin_keys() -> list[Key]:
    """The legend of the dropout bins."""
    texts = {"0": "no dropout", **{name: f"dropout {name}" for name in BINS}}
    return [Key(text, BIN_COLOURS[name], kind="ring") for name, text in texts.items()]


def _hyperparameters(sweep: Sweep) -> Chart:
    names = varying(sweep)
    rows = [
        {"trial": t["trial"], "draw": t["draw"], "twin": t["twin"], "status": t["status"]}
        | {name: t["params"].get(name) for name in names}
        | {PRIMARY: value_of(t)}
        for t in sweep.trials
    ]
    return Chart(
        "hyperparameters",
        "Total variation against each hyperparameter",
        "One circle a trial with its raw weights; lower is better, diverged trials are left out. "
        "The number above a panel is Spearman's rank correlation over the drawn configurations "
        "(without twins): it shows association in this random design, not a paired effect.",
        [Panel(_title(sweep, n), ft.partial(_draw_parameter, sweep=sweep, name=n)) for n in names],
        3,
        bin_keys(),
        rows,
    )


def _title(sweep: Sweep, name: str) -> str:
    """The field, and its rank correlation with the endpoint."""
    short = parameter_title(sweep, name)
    points = [
        (number(draw.trial["params"].get(name)), value_of(draw.trial))
        for draw in sweep.draws
        if draw.trial is not None
    ]
    x, y = np.array([p for p in points if all(map(math.isfinite, p))] or [(0.0, 0.0)]).T
    if min(len(set(x)), len(set(y))) < 2 or len(x) < 3:
        return short
    found: Any = scipy.stats.spearmanr(x, y)
    return f"{short} ({found.statistic:+.2f})"


def _draw_parameter(ax: Axes, *, sweep: Sweep, name: str) -> None:
    values = [trial["params"].get(name) for trial in sweep.trials]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    levels = sorted({str(v) for v in values})
    at = values if numeric else [levels.index(str(v)) for v in values]
    few = len(set(at)) <= 4
    if numeric and few:
        levels = [f"{v:g}" for v in sorted(set(map(float, at)))]
        at = [levels.index(f"{float(v):g}") for v in at]
    points = []
    for trial, x in zip(sweep.trials, at, strict=True):
        # Circles of one level stand side by side, by the fraction of a golden ratio sequence.
        shift = 0.5 * ((trial["draw"] * 0.618) % 1 - 0.5) if few or not numeric else 0.0
        colour = BIN_COLOURS[rate_bin(dropout_rate(trial))]
        points.append((float(x) + shift, value_of(trial), colour))
    _circles(ax, points)
    ax.set_ylabel(LABEL)
    if few or not numeric:
        ax.set_xticks(range(len(levels)), levels)
    else:
        positive = [v for v in map(float, at) if v > 0]
        if len(positive) == len(at) and max(positive) > 20 * min(positive):
            log_axis(ax, which="x")


def _pairs(sweep: Sweep) -> Chart:
    panels, rows = [], []
    pairs = [d for d in draws_with_dropout(sweep) if d.twin is not None and d.trial is not None]
    points = [
        (value_of(d.twin), value_of(d.trial), BIN_COLOURS[rate_bin(d.dropout)])
        for d in pairs
        if d.twin is not None and d.trial is not None
    ]
    if points:
        labels = ("twin without dropout", "with dropout")
        panels.append(Panel("Dropout, raw weights", ft.partial(_scatter, points, labels)))
        rows += [
            {"pair": "dropout", "draw": d.number, "twin": False, "control": x, "treated": y}
            for d, (x, y, _) in zip(pairs, points, strict=True)
        ]
    for name in sweep.averages:
        found = [
            (value_of(t), value_of(t, name), BIN_COLOURS[rate_bin(dropout_rate(t))])
            for t in sweep.trials
        ]
        panels.append(Panel(short_name(name), ft.partial(_scatter, found, ("raw", "averaged"))))
        rows += [
            {"pair": name, "draw": t["draw"], "twin": t["twin"], "control": x, "treated": y}
            for t, (x, y, _) in zip(sweep.trials, found, strict=True)
        ]
    return Chart(
        "pairs",
        "Pairs: dropout against its twin, averages against raw",
        "Mean log total variation over unseen lengths of the two sides of each pair. Below the "
        "line the treated side is better; the distance from it is the log ratio of the table.",
        panels,
        3,
        bin_keys(),
        rows,
    )


def _scatter(points: Sequence[tuple[float, float, str]], labels: tuple[str, str], ax: Axes) -> None:
    known = [v for x, y, _ in points if math.isfinite(x + y) for v in (x, y)]
    if known:
        ends = [min(known), max(known)]
        ax.plot(ends, ends, color=MUTED, lw=1)
    _circles(ax, points)
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])


def _by_length(sweep: Sweep) -> Chart:
    found = [(t, rate_bin(dropout_rate(t)), weights_of(t)) for t in sweep.trials]
    rows: list[dict[str, Any]] = []
    for trial, rate, weights in found:
        values = weights.get("raw", {}).get("by_length", {})
        for i, length in enumerate(values.get("length", [])):
            row = {"trial": trial["trial"], "dropout": rate, "length": length}
            rows.append(row | {m: _at(values, m, i) for m in ("tv", "itr", "displacement")})
    titles = {
        "tv": "Total variation",
        "itr": "Illegal token rate",
        "displacement": "Logit displacement",
    }
    panels = [
        Panel(title, ft.partial(_draw_lengths, rows=rows, metric=name, seen=sweep.seen))
        for name, title in titles.items()
        if any(math.isfinite(row[name]) for row in rows)
    ]
    keys = [Key(key.label, key.colour) for key in bin_keys()]
    if sweep.seen is not None:
        keys.append(
            Key(f"seen in training, s \N{LESS-THAN OR EQUAL TO} {sweep.seen}", SEEN, (), "band")
        )
    return Chart(
        "lengths",
        "By length, coloured by dropout",
        "Raw weights: a thin line for each trial, a thick one for the median of a bin of dropout "
        "rates. Trials without dropout are the twins of the others.",
        panels,
        3,
        keys,
        rows,
    )


def _at(values: Any, name: str, i: int) -> float:
    column = values.get(name) or []
    return number(column[i]) if i < len(column) else math.nan


def _draw_lengths(ax: Axes, *, rows: list[dict[str, Any]], metric: str, seen: int | None) -> None:
    if seen is not None:
        first = min(row["length"] for row in rows)
        ax.axvspan(first - 0.5, seen + 0.5, color=SEEN, lw=0, zorder=0)
    lines: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for row in rows:
        y = row[metric] if row[metric] > 0 else math.nan
        lines.setdefault((row["trial"], row["dropout"]), []).append((row["length"], y))
    for rate, colour in BIN_COLOURS.items():
        joined = [
            point
            for (_, which), points in lines.items()
            if which == rate
            for point in [*points, (math.nan, math.nan)]
        ]
        if joined:  # one line with gaps, which is drawn much quicker than many
            ax.plot(*np.array(joined, float).T, color=colour, lw=0.5, alpha=0.3)
    for rate, colour in BIN_COLOURS.items():
        at: dict[float, list[float]] = {}
        for (_, which), points in lines.items():
            for n, y in points:
                if which == rate and math.isfinite(y):
                    at.setdefault(n, []).append(y)
        if at:
            x = sorted(at)
            ax.plot(x, [float(np.median(at[n])) for n in x], color=colour, lw=2.2, zorder=3)
    length_axis(ax)
    log_axis(ax)


def _circles(ax: Axes, points: Iterable[tuple[float, float, str]]) -> None:
    """A circle for each finite point; all of one colour at once, which is much quicker."""
    known = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]
    for colour in BIN_COLOURS.values():
        xy = [(x, y) for x, y, which in known if which == colour]
        if xy:
            style = {"ms": 3.2, "mfc": "none", "mec": colour, "mew": 0.8, "alpha": 0.8}
            ax.plot(*np.array(xy).T, "o", **style)
