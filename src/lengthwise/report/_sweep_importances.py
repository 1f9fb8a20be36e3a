"""Optuna's importances of the hyperparameters, as a table and a figure."""

import functools as ft
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from ._chart import Chart, Panel
from ._style import INK, MUTED, PALETTE, Key
from ._sweep_statistics import LEVEL
from ._sweep_trials import short_name


COLOURS = {True: PALETTE[0], False: "#c9ced5"}
"""By whether the importance is more than chance gives."""
LEGEND = {"p below 0.05": True, "within chance": False}


def importance_view(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The sets of weights; and the hyperparameters, most important first, with their rows for each.

    **Arguments:**

    - `rows`: from `lengthwise.sweep.importances`.
    """
    weights = list(dict.fromkeys(row["weights"] for row in rows))
    at = {(row["parameter"], row["weights"]): row for row in rows}
    shares: dict[str, float] = {}
    for row in rows:
        shares[row["parameter"]] = shares.get(row["parameter"], 0.0) + row["importance"]
    names = sorted(shares, key=lambda name: -shares[name])
    return weights, [{"parameter": n, "cells": [at[n, one] for one in weights]} for n in names]


def importances_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Importances for the raw weights as text, no line longer than 80 columns; "" without any."""
    mine = [row for row in rows if row["weights"] == "raw"]
    if not mine:
        return ""
    lines = [
        "Importance for reaching the best quarter of log TV, raw weights (PED-ANOVA).",
        "They sum to 1 whether anything matters or not; p by permutation, uncorrected.",
    ]
    ordered = sorted(mine, key=lambda row: -row["importance"])
    return "\n".join(
        lines + [f"{r['parameter']:<40} {r['importance']:6.2f}   p {r['p']:.2f}" for r in ordered]
    )


def importance_charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A bar for each hyperparameter, a panel for each set of weights."""
    weights, parameters = importance_view(rows)
    if not parameters:
        return []
    panels = [
        Panel(
            short_name(one),
            ft.partial(_draw, [(p["parameter"], p["cells"][i]) for p in parameters]),
        )
        for i, one in enumerate(weights)
    ]
    chart = Chart(
        "importances",
        "Importance of each hyperparameter",
        "Optuna's PED-ANOVA over the drawn configurations, for reaching the best quarter of log total "
        "variation at unseen lengths. The bars of a panel sum to 1 whether anything matters or not: "
        "grey ones are within what a random quarter of the trials gives in 95 of 100 cases "
        "(uncorrected).",
        panels,
        3,
        [Key(name, COLOURS[low], kind="band") for name, low in LEGEND.items()],
        [dict(row) for row in rows],
    )
    return [chart]


def _draw(bars: Sequence[tuple[str, Mapping[str, Any]]], ax: Axes) -> None:
    for place, (name, row) in enumerate(bars):
        ax.barh(place, row["importance"], color=COLOURS[row["p"] < LEVEL], height=0.66)
        text = f"{short_parameter(name)} {row['importance']:.2f}"
        inside = row["importance"] > 0.55
        x, aside = (0, "white" if row["p"] < LEVEL else INK) if inside else (row["importance"], INK)
        style = {"textcoords": "offset points", "va": "center", "fontsize": 7.5, "color": aside}
        ax.annotate(text, (x, place), (4, 0), **style)
    ax.set_yticks([])
    ax.set_ylim(len(bars) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.tick_params(colors=MUTED)
    ax.set_xlabel("importance")


def short_parameter(path: str) -> str:
    """A field without its room."""
    return path.split(".", 1)[-1].replace("_", " ")
