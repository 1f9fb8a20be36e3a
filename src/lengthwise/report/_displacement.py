"""Logit displacement against length, beside the 2/s law."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ._chart import Chart, Panel
from ._draw import column, draw_metric, log_axis, zero_line
from ._load import Run
from ._plots import length_keys, table
from ._style import LAW, MUTED, Key, run_colours, series_keys, series_of


COLUMN = "two_over_s_of_raw"
LAW_TASK = "lengthwise.tasks:SetComplement"
"""The task that the theory, and so the law, is about."""

TITLE = "Logit displacement by length"
CAPTION = "The mean logit of legal tokens minus that of illegal ones."
LAW_CAPTION = (
    "In a balanced one-layer attention-only model attention disperses over the earlier tokens, and "
    "theory bounds the displacement at length s by 2/s of that at length 2: the dotted line, a "
    "straight one on two log axes. Deeper models may lie above it; whoever follows it loses "
    "precision as attention disperses."
)


def displacement_charts(runs: Sequence[Run]) -> list[Chart]:
    """The figure of displacement; none where no run measured it."""
    if not any("displacement" in row for run in runs for row in run.rows):
        return []

    def draw(ax: Axes, log: bool) -> None:
        draw_metric(ax, runs, series_of(runs), "displacement", log=log)
        limits = ax.get_ylim()
        for run, colour in zip(runs, run_colours(runs), strict=True):
            at_two = displacement_at_two(run)
            if not math.isnan(at_two):
                lengths = column(run, "raw", "displacement")[0]
                s = lengths[lengths >= 1]
                line_colour = "#C2185B" if len(runs) == 1 else colour
                ax.plot(s, 2 / s * at_two, color=line_colour, lw=1.6, dashes=LAW, zorder=4)
        if log:
            log_axis(ax)
            log_axis(ax, which="x")
            ax.set_xlim(left=0.9)
        else:
            ax.set_ylim(min(0, limits[0]), limits[1])
            zero_line(ax)

    rows: list[dict[str, Any]] = table(runs, ["displacement"], "given")
    keys = length_keys(runs, chance=False)
    panels = [Panel("Logit displacement", lambda ax: draw(ax, log=False))]
    if not any(has_law(run) for run in runs):
        return [Chart("displacement", TITLE, CAPTION, panels, 2, keys, rows)]
    panels.append(Panel("The same, both axes log", lambda ax: draw(ax, log=True)))
    at_two = {run.name: displacement_at_two(run) for run in runs}
    for row in rows:
        s = row["length"]
        row[COLUMN] = 2 / s * at_two[row["run"]] if s >= 1 else math.nan
    if not all(math.isnan(value) for value in at_two.values()):
        colour = "#C2185B" if len(runs) == 1 else MUTED
        law = Key("2/s of the raw displacement at s = 2", colour, LAW)
        keys.insert(len(series_keys(runs)), law)
    title, caption = f"{TITLE}, and the 2/s law", f"{CAPTION} {LAW_CAPTION}"
    return [Chart("displacement", title, caption, panels, 2, keys, rows)]


def has_law(run: Run) -> bool:
    """Whether the theory is about this run's task."""
    return run.record is not None and run.record.config.get("task", {}).get("class") == LAW_TASK


def displacement_at_two(run: Run) -> float:
    """Of the raw weights at length 2; NaN where it is not positive, or there is no law."""
    if "raw" not in run.weights or not has_law(run):
        return math.nan
    lengths, values = column(run, "raw", "displacement")
    found = values[(lengths == 2) & np.nan_to_num(values > 0)]
    return float(found[0]) if found.size else math.nan
