"""A metric against length, drawn on one pair of axes."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ._load import LENGTH, Row, Run, number
from ._style import CHANCE, INK, MUTED, SEEN, Series


def column(
    run: Run, weights: str, name: str, *, temperature: str = "given"
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and the values of a column, each of shape `(lengths,)`; NaN where not finite."""
    rows = sorted(select(run, weights, temperature), key=lambda row: row["length"])
    lengths = np.array([row["length"] for row in rows], float)
    return lengths, np.array([number(row.get(name)) for row in rows], float)


def select(run: Run, weights: str, temperature: str) -> list[Row]:
    """The rows of one set of weights at one temperature."""
    return [r for r in run.rows if r["weights"] == weights and r["temperature"] == temperature]


def draw_metric(
    ax: Axes,
    runs: Sequence[Run],
    series: Sequence[Series],
    name: str,
    *,
    temperature: str = "given",
    log: bool = False,
    share_range: bool = False,
) -> None:
    """Draw column `name` against length: intervals, exhaustive lengths, chance, the seen range.

    With `share_range` the axis also covers the values at the other temperature, so that two panels
    can be compared.
    """
    shade_seen(ax, runs)
    drawn = set()
    for one in series:
        x, chance = column(one.run, one.weights, f"chance_{name}", temperature=temperature)
        points = tuple(zip(x, chance, strict=True))
        if points not in drawn and np.isfinite(chance).any():
            ax.plot(x, _positive(chance, log), color=MUTED, lw=1, dashes=CHANCE, zorder=1.5)
            drawn.add(points)
    for one in series:
        x, y, low, high = _with_interval(one, name, temperature, log)
        ax.fill_between(x, low, high, color=one.colour, alpha=0.18, lw=0)
        style = (0, one.dash) if one.dash else "solid"
        above = 3 if one.weights == "raw" else 2.5
        ax.plot(x, y, color=one.colour, linestyle=style, zorder=above)
        exact = column(one.run, one.weights, "exhaustive", temperature=temperature)[1] == 1
        ax.plot(x[exact], y[exact], "o", ms=3.4, mfc="white", mec=one.colour, mew=1, zorder=above)
    if share_range:
        other = "fitted" if temperature == "given" else "given"
        for one in series:
            x, *values = _with_interval(one, name, other, log)
            for y in values:
                known = np.isfinite(y)
                ax.update_datalim(np.stack([x[known], y[known]], axis=-1))
    length_axis(ax, runs)
    if log:
        log_axis(ax)


def shade_seen(ax: Axes, runs: Sequence[Run]) -> None:
    """Shade the lengths that training saw in every run; where runs differ, a line for each T."""
    longest = sorted({run.seen for run in runs if run.seen is not None and run.rows})
    starts = [row["length"] for run in runs for row in run.rows]
    if not longest or not starts:
        return
    ax.axvspan(min(starts) - 0.5, longest[0] + 0.5, color=SEEN, lw=0, zorder=0)
    if len(longest) == 1:
        return
    for i, one in enumerate(longest):
        ax.axvline(one + 0.5, color=MUTED, lw=0.8)
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        ax.annotate(
            f"T={one}",
            (one + 0.5, 1),
            (-3, -3 - 9 * i),
            ha="right",
            va="top",
            fontsize=7.5,
            **place,
        )


def length_axis(ax: Axes, runs: Sequence[Run] = ()) -> None:
    """Label the length axis as the runs call a length, and keep its ticks whole."""
    ax.set_xlabel(length_label(runs))
    ax.margins(x=0.01)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 10]))


def length_label(runs: Sequence[Run]) -> str:
    """What the runs call a length; where they differ, all of it."""
    return " / ".join(dict.fromkeys(run.length_label for run in runs)) or LENGTH


def log_axis(ax: Axes, *, which: str = "y") -> None:
    """A log axis whose ticks are plain numbers; it stays linear where nothing is positive."""
    lines = [line.get_xydata() for line in ax.lines]
    values = np.concatenate([np.asarray(xy)[:, "xy".index(which)] for xy in lines] or [[]])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        return
    ax.set(**{f"{which}scale": "log"})
    axis = ax.yaxis if which == "y" else ax.xaxis
    decades = math.log10(values.max() / values.min())
    subs = (1,) if decades > 2.2 else (1, 3) if decades > 1.5 else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=subs, numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    ax.autoscale_view(scalex=which == "x", scaley=which == "y")


def zero_line(ax: Axes) -> None:
    """Mark zero."""
    ax.axhline(0, color=INK, lw=0.7)


def _with_interval(one: Series, name: str, temperature: str, log: bool) -> list[np.ndarray]:
    """Lengths, means, and lower and upper ends; a log axis starts a band at its mean if need be."""
    read = lambda suffix: column(one.run, one.weights, name + suffix, temperature=temperature)[1]
    lengths = column(one.run, one.weights, name, temperature=temperature)[0]
    y, low, high = _positive(read(""), log), read("_low"), read("_high")
    return [lengths, y, np.where(low > 0, low, y) if log else low, high]


def _positive(values: np.ndarray, log: bool) -> np.ndarray:
    return np.where(values > 0, values, np.nan) if log else values
