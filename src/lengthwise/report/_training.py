"""Training curves: loss, learning rate and gradient norm by step."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ._chart import Chart, Panel
from ._draw import log_axis
from ._load import Run, number
from ._style import Key, run_colours


WINDOWS = 60
"""The running mean spans the run's steps divided by this."""
POINTS = 1000
"""At most so many extremes of a curve are drawn, so that a page stays small."""


def training_charts(runs: Sequence[Run]) -> list[Chart]:
    """The figure of training curves; none before the first step."""
    if not any(run.metrics for run in runs):
        return []
    coloured = [(run, c) for run, c in zip(runs, run_colours(runs), strict=True) if run.metrics]

    def curves(ax: Axes, name: str, log: bool) -> None:
        for run, colour in coloured:
            steps, values = _column(run, "step"), _column(run, name)
            ax.plot(*extremes(steps, values), color=colour, alpha=0.3, lw=0.6)
            ax.plot(*thinned(steps, running_mean(values)), color=colour)
        ax.set_xlabel("step")
        ax.margins(x=0.01)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(_thousands))
        if log:
            log_axis(ax)

    def rate(ax: Axes) -> None:
        curves(ax, "learning_rate", log=False)
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

    rows = []
    for run, _ in coloured:
        smooth = running_mean(_column(run, "loss"))
        for row, mean in zip(run.metrics, smooth, strict=True):
            rows.append({"run": run.name} | dict(row) | {"loss_running_mean": float(mean)})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    names = [run.name for run, _ in coloured] if len(runs) > 1 else ["running mean"]
    keys = [Key(name, colour) for name, (_, colour) in zip(names, coloured, strict=True)]
    if len(runs) == 1:
        keys.append(Key("each step", "#b5b9be"))
    return [
        Chart(
            "training",
            "Training curves",
            "Strong: a running mean; faint: each step. The loss on sampled tokens has a floor "
            "above zero, the entropy of the legal tokens; its noise at the end is the labels'. "
            "A loss that jumps together with the gradient norm points at a learning rate that is "
            "too high.",
            [
                Panel("Loss, nats", lambda ax: curves(ax, "loss", log=False)),
                Panel("Learning rate", rate),
                Panel(
                    "Gradient norm before clipping, log axis",
                    lambda ax: curves(ax, "grad_norm", log=True),
                ),
            ],
            3,
            keys,
            [{name: row.get(name) for name in columns} for row in rows],
        )
    ]


def running_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the finite values around each, over `len(values) / WINDOWS` steps.

    **Arguments:** `values`: shape `(steps,)`, NaN where nothing was measured.

    **Returns:** shape `(steps,)`; windows are cut at the ends.
    """
    half = max(len(values) // (2 * WINDOWS), 0)
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0.0], np.cumsum(known)])
    at = np.arange(len(values))
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    counted = count[last] - count[first]
    mean = (total[last] - total[first]) / np.maximum(counted, 1)
    return np.where((counted > 0) & known, mean, np.nan)


def extremes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that show: smallest and largest of each of `POINTS / 2` stretches, in order."""
    if len(x) <= POINTS:
        return x, y
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(x)), POINTS // 2):
        known = part[np.isfinite(y[part])]
        if known.size:
            kept |= {int(known[np.argmin(y[known])]), int(known[np.argmax(y[known])])}
    chosen = np.array(sorted(kept), int)
    return x[chosen], y[chosen]


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every n-th point of a smooth curve, its last one included."""
    every = max(len(x) // (POINTS // 2), 1)
    chosen = np.unique(np.append(np.arange(0, len(x), every), len(x) - 1))
    return x[chosen], y[chosen]


def _column(run: Run, name: str) -> np.ndarray:
    return np.array([number(row.get(name)) for row in run.metrics], float)


def _thousands(value: float, _: object) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10000 else f"{value:g}"
