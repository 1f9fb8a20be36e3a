"""The figures by length, and `plot_by_length` for one metric in a notebook."""

import functools as ft
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .._core import RunRecord, read_run, require
from ._chart import Chart, NotebookFigure, Panel, draw_panel
from ._draw import column, draw_metric, length_axis, length_label, shade_seen, zero_line
from ._load import LENGTH, Row, Run, run_of
from ._style import CHANCE, INK, MUTED, SEEN, Key, series_keys, series_of


LABELS = {
    "itr": "illegal token rate",
    "itr_max": "illegal token rate of the worst input",
    "tv": "total variation to the exact distribution",
    "kl": "KL to the exact distribution, nats",
    "top1_illegal": "share with an illegal token on top",
    "log_spread": "log spread of legal probabilities",
    "displacement": "logit displacement",
    "separation": "separation, logits",
    "separation_min": "separation of the worst input, logits",
    "separated": "share separated",
    "coverage": "coverage of the legal tokens",
    "effective": "effective number of attended tokens",
    "entropy": "attention entropy, nats",
}
"""Columns by length in words, as panel titles."""
LOG = ("kl",)
"""Metrics that are drawn on a log axis unless asked otherwise."""
ABOUT = ("weights", "temperature", "length", "seen", "inputs", "exhaustive", "inverse_temperature")


def plot_by_length(
    run_or_rows: Any, metric: str = "itr", *, log: bool | None = None
) -> NotebookFigure:
    """One metric against length, for every set of weights at the temperature as it is.

    **Arguments:**

    - `run_or_rows`: a `RunRecord`, the path of a run directory, a `RunResult` (anything with
      `.rows()`), or rows as dictionaries with `weights`, `temperature`, `length`, `seen` and the
      metric; its interval `metric_low`, `metric_high`, `chance_metric` and `exhaustive` are drawn
      where they are given.
    - `metric`: a column.
    - `log`: whether the metric's axis is logarithmic; by default for KL only.

    **Returns:** a Matplotlib figure, made without pyplot; a notebook shows it as a picture.

    **Example:** `plot_by_length("runs/demo", "tv").savefig("tv.pdf")`
    """
    run = _as_run(run_or_rows)
    names = sorted({name for row in run.rows for name in row} - set(ABOUT) - {"step"})
    require(metric in names, "`metric` in the rows", f"choose one of {names}", metric=metric)
    log = metric in LOG if log is None else log
    panel = metric_panel([run], metric, log=log)
    return draw_panel(panel, length_keys([run], chance=_has([run], f"chance_{metric}")))


def length_charts(runs: Sequence[Run]) -> list[Chart]:
    """The figures of illegal token rate, temperature, separation and order; none without rows."""
    if not any(run.rows for run in runs):
        return []
    panel = ft.partial(metric_panel, runs)
    pairs = [("itr", True), ("tv", False), ("kl", True)]
    charts = [
        Chart(
            "itr",
            "Illegal token rate by length",
            "The probability that a model gives to tokens that must not come next, on a linear and "
            "on a log axis; as a multiple of that of the raw weights; and for the worst input of "
            "those measured. A model that generalizes stays low to the right of the shaded range; "
            "one that only learned the training lengths climbs towards chance. An average that "
            "helps stays below 1 in the third panel.",
            [
                panel("itr", title="Illegal token rate"),
                panel("itr", title="The same, log axis", log=True),
                Panel("Relative to the raw weights", ft.partial(_draw_ratio, runs=runs)),
                panel("itr_max", title="Worst input, log axis", log=True),
            ],
            2,
            length_keys(runs, chance=_has(runs, "chance_itr")),
            _with_ratio(runs, table(runs, ["itr", "itr_max"], "given")),
        ),
        Chart(
            "temperature",
            "As it is, and at the temperature that fits the seen lengths best",
            "Left: the model as it is. Right: all logits are first multiplied by the one factor "
            "that minimizes the cross entropy on seen lengths. An advantage that shows on the left "
            "and is gone on the right was a matter of scale alone; one that stays on the right is "
            "knowledge.",
            [
                panel(metric, title=f"{short}, {when}", log=log, temperature=temperature)
                for (metric, log), short in zip(pairs, ("ITR", "TV", "KL"), strict=True)
                for temperature, when in (("given", "as it is"), ("fitted", "fitted temperature"))
            ],
            2,
            length_keys(runs, chance=_has(runs, "chance_itr")),
            table(runs, [metric for metric, _ in pairs]),
        ),
        Chart(
            "separation",
            "Separation of legal from illegal tokens",
            "The smallest logit of a legal token minus the largest of an illegal one. Above zero, "
            "every legal token comes before every illegal one. Whether it is above zero does not "
            "depend on the scale of the logits; its size does, hence the panel at the fitted "
            "temperature.",
            [
                panel("separation", title="Separation, as it is"),
                panel("separation", title="Separation, fitted temperature", temperature="fitted"),
                panel("separation_min", title="Separation of the worst input"),
                panel("separated", title="Share of inputs separated (above 0)"),
            ],
            2,
            length_keys(runs, chance=False),
            table(runs, ["separation", "separation_min", "separated"]),
        ),
    ]
    return charts + ([_order_chart(runs)] if _has(runs, "coverage") else [])


def _order_chart(runs: Sequence[Run]) -> Chart:
    """What the order of the tokens alone says; runs of before there was a coverage have none."""
    return Chart(
        "coverage",
        "Legal tokens among the most probable",
        "Left: how often the most probable token is an illegal one. Right: where n tokens are legal, the "
        "share of them among the n most probable tokens; 1 is the whole legal set before every "
        "illegal token. Both depend on the order of the logits alone, not on their scale. The chance "
        "lines are those of a random order, and move with the number of legal tokens.",
        [
            metric_panel(runs, "top1_illegal", title="Illegal token on top"),
            metric_panel(runs, "coverage", title="Coverage of the legal tokens"),
        ],
        2,
        length_keys(runs, chance=_has(runs, "chance_coverage")),
        table(runs, ["top1_illegal", "coverage"], "given"),
    )


def metric_panel(
    runs: Sequence[Run],
    name: str,
    *,
    title: str | None = None,
    temperature: str = "given",
    log: bool = False,
) -> Panel:
    """A panel of one column at one temperature; its range also covers the other one."""

    def draw(ax: Axes) -> None:
        compared = [run for run in runs if any(r["temperature"] == "fitted" for r in run.rows)]
        draw_metric(
            ax,
            runs,
            series_of(runs),
            name,
            temperature=temperature,
            log=log,
            share_range=bool(compared),
        )
        share = (
            name in ("itr", "itr_max", "tv", "top1_illegal", "separated", "coverage") and not log
        )
        if share:
            ax.set_ylim(-0.02, 1.04)
        if name.startswith("separation"):
            zero_line(ax)
        if not any(row["temperature"] == temperature for run in runs for row in run.rows):
            ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", color=MUTED)

    return Panel(title or heading(name), draw)


def heading(metric: str) -> str:
    """A column in words, as the title of a panel or figure."""
    return LABELS.get(metric, metric).capitalize()


def table(
    runs: Sequence[Run], names: Sequence[str], temperature: str | None = None
) -> list[dict[str, Any]]:
    """The plotted rows as they are in the run, with its name: `names`, intervals and chance."""
    wanted = list(ABOUT)
    for name in names:
        wanted += [name, f"{name}_low", f"{name}_high", f"chance_{name}"]
    rows = [
        (run, row)
        for run in runs
        for row in run.rows
        if temperature is None or row["temperature"] == temperature
    ]
    present = [name for name in wanted if any(name in row for _, row in rows)]
    return [{"run": run.name} | {name: row.get(name) for name in present} for run, row in rows]


def over_raw(run: Run, weights: str) -> tuple[np.ndarray, np.ndarray]:
    """Lengths, and the rate of `weights` over that of raw; NaN without raw or where it is 0."""
    lengths, values = column(run, weights, "itr")
    found = zip(*column(run, "raw", "itr"), strict=True)
    raw = {n: value for n, value in found if value > 0}
    return lengths, values / np.array([raw.get(n, math.nan) for n in lengths])


def _draw_ratio(ax: Axes, *, runs: Sequence[Run]) -> None:
    shade_seen(ax, runs)
    for one in series_of(runs):
        if one.weights != "raw":
            style = (0, one.dash) if one.dash else "solid"
            ax.plot(*over_raw(one.run, one.weights), color=one.colour, linestyle=style)
    ax.axhline(1, color=INK, lw=1)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.75), max(high, 1.1))
    length_axis(ax, runs)


def _with_ratio(runs: Sequence[Run], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ratios = {
        (run.name, name): dict(zip(*over_raw(run, name), strict=True))
        for run in runs
        for name in run.weights
    }
    for row in rows:
        row["itr_over_raw"] = float(ratios[row["run"], row["weights"]][row["length"]])
    return rows


def length_keys(runs: Sequence[Run], *, chance: bool) -> list[Key]:
    """The legend of a figure by length."""
    keys = series_keys(runs)
    if chance:
        keys.append(Key("chance: all tokens alike", MUTED, CHANCE))
    if any(row.get("exhaustive") for run in runs for row in run.rows):
        keys.append(Key("all inputs of a length (exact)", MUTED, kind="ring"))
    seen = {run.seen for run in runs if run.rows} - {None}
    if seen:
        label = length_label(runs)
        symbol = "s" if label == LENGTH else label
        shortest = min(map(int, filter(None, seen)), default=0)
        longest = f"{symbol} \N{LESS-THAN OR EQUAL TO} {shortest}"
        several = " in every run" if len(seen) > 1 else ""
        keys.append(Key(f"seen in training{several}, {longest}", SEEN, kind="band"))
    return keys


def _has(runs: Sequence[Run], name: str) -> bool:
    return any(name in row for run in runs for row in run.rows)


def _as_run(thing: Any) -> Run:
    if isinstance(thing, str | pathlib.Path):
        thing = read_run(thing)
    if isinstance(thing, RunRecord):
        return run_of(thing, name=thing.path.name)
    rows: Sequence[Row] = thing.rows() if hasattr(thing, "rows") else thing
    seen = max((row["length"] for row in rows if row["seen"]), default=None)
    return Run("", None, rows, seen, length_label=getattr(thing, "length_label", LENGTH))
