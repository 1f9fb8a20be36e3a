"""Step by length: how the illegal token rate spreads or shrinks while training goes on."""

import functools as ft
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ._chart import Chart, Panel
from ._load import Run, number
from ._style import INK


FLOOR = 1e-4
"""Rates below this, or in the lowest tenth, have one colour, so that high ones differ."""
CELLS = 3000
"""A map of more cells is embedded as a picture, so that a page stays small."""


def heatmap_charts(runs: Sequence[Run]) -> list[Chart]:
    """The figure of heat maps, one for each set of weights of each run; none without history."""
    values = [number(row["itr"]) for run in runs for row in run.history]
    values = [value for value in values if value > 0]
    if not values:
        return []
    lowest = max(float(np.quantile(values, 0.1)), FLOOR)
    norm = LogNorm(lowest, max(max(values), 2 * lowest))
    pairs = [
        (run, name)
        for run in runs
        for name in sorted({str(r["weights"]) for r in run.history}, key=_raw_first(run))
    ]
    panels = [
        Panel(
            name if len(runs) == 1 else f"{run.name}, {name}",
            ft.partial(_draw, run=run, weights=name, norm=norm),
        )
        for run, name in pairs
    ]
    columns = ("step", "weights", "length", "seen", "itr")
    return [
        Chart(
            "heatmap",
            "Illegal token rate by training step and length",
            "One map for each set of weights, all in the same log colours: light is low. The line "
            "marks the longest training length T. Rows that stay dark above the line are "
            "lengths that never generalize; columns that darken from one evaluation to the next "
            "show the noise of the raw weights, which an average smooths.",
            panels,
            3 if len(panels) % 2 else 2,
            [],
            [
                {"run": run.name} | {name: row[name] for name in columns}
                for run in runs
                for row in run.history
            ],
        )
    ]


def grid(run: Run, weights: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, lengths, and the rate as shape `(lengths, steps)`, NaN where nothing was measured."""
    rows = [row for row in run.history if row["weights"] == weights]
    steps, at_step = np.unique([row["step"] for row in rows], return_inverse=True)
    lengths, at_length = np.unique([row["length"] for row in rows], return_inverse=True)
    values = np.full((len(lengths), len(steps)), math.nan)
    values[at_length, at_step] = [number(row["itr"]) for row in rows]
    return steps, lengths, values


def _draw(ax: Axes, *, run: Run, weights: str, norm: LogNorm) -> None:
    steps, lengths, values = grid(run, weights)
    shown = np.ma.masked_invalid(np.maximum(values, norm.vmin or FLOOR))
    mesh = ax.pcolormesh(
        _edges(steps),
        _edges(lengths),
        shown,
        norm=norm,
        cmap="magma_r",
        rasterized=values.size > CELLS,
        linewidth=0.4,
        edgecolor="face",
    )
    ax.set_facecolor("#d5d8dc")
    ax.grid(visible=False)
    if run.seen is not None:
        ax.axhline(run.seen + 0.5, color="white", lw=2.6)
        ax.axhline(run.seen + 0.5, color=INK, lw=1, dashes=(4, 2))
        ax.annotate(
            f"T = {run.seen}",
            (0, run.seen + 0.5),
            (3, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=7.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85},
        )
    ax.set_xlabel("step")
    ax.set_ylabel(run.length_label)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    left, bottom, width, height = ax.get_position().bounds
    ax.set_position((left, bottom, width * 0.82, height))
    figure = ax.figure
    bar = figure.colorbar(mesh, cax=ax.inset_axes((1.04, 0, 0.04, 1)), extend="min")
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=9))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.yaxis.set_minor_locator(NullLocator())


def _edges(centres: np.ndarray) -> np.ndarray:
    """Cell borders half way between the centres, of shape `(cells + 1,)`."""
    centres = centres.astype(float)
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _raw_first(run: Run):
    order = list(dict.fromkeys(str(row["weights"]) for row in run.history))
    return lambda name: (name != "raw", order.index(name))
