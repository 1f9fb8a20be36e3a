"""The same measurement over several seeds: its mean and range by length."""

import statistics
from collections.abc import Mapping, Sequence

from .._core import require
from ._chart import NotebookFigure, compose
from ._load import LENGTH, Row, Run
from ._plots import LOG, heading, length_keys, metric_panel


def over_seeds(rows: Sequence[Row], metric: str) -> list[Row]:
    """The mean of a metric over the rows of each set of weights and length, its range as the interval.

    **Arguments:**

    - `rows`: those of an evaluation, of any number of seeds.
    - `metric`: a column; that of a uniform guess, `chance_metric`, is averaged where it is there.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["weights"], row["temperature"], row["length"]), []).append(row)
    found = []
    for group in groups.values():
        values = [row[metric] for row in group]
        mean = {metric: statistics.fmean(values)}
        if f"chance_{metric}" in group[0]:
            mean |= {f"chance_{metric}": statistics.fmean(row[f"chance_{metric}"] for row in group)}
        ends = {f"{metric}_low": min(values), f"{metric}_high": max(values)}
        found.append({**group[0], **mean, **ends})
    return found


def plot_seeds(
    groups: Mapping[str, Sequence[Row]], metric: str = "itr", *, length: str = LENGTH
) -> NotebookFigure:
    """A metric against length, a panel for each group: mean and range over its seeds.

    **Arguments:**

    - `groups`: rows of evaluations by the title of their panel; with `seed`, and as of `plot_by_length`.
    - `metric`: a column.
    - `length`: what a length is, as the label of the axis. (Keyword only argument.)

    **Returns:** a Matplotlib figure, made without pyplot.
    """
    require(bool(groups), "`len(groups) >= 1`", "give rows to draw", groups=list(groups))
    runs = []
    for title, rows in groups.items():
        seen = max((row["length"] for row in rows if row["seen"]), default=None)
        runs.append(Run(title, None, over_seeds(rows, metric), seen, length_label=length))
    panels = [metric_panel([run], metric, title=run.name, log=metric in LOG) for run in runs]
    chance = any(f"chance_{metric}" in row for row in runs[0].rows)
    return compose(panels, length_keys(runs[:1], chance=chance), columns=2, title=heading(metric))
