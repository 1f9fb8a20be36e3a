"""What is left of the best configurations of a sweep when they are made again with fresh seeds."""

import functools as ft
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ._chart import Chart, Panel
from ._format import MISSING, table_line
from ._load import number
from ._style import INK, PALETTE, Key
from ._sweep_files import read_record, record_file
from ._sweep_trials import PRIMARY, weights_of


HEAD = ("configuration", "selected", "n", "mean", "sd", "min", "max", "change")
WIDTHS = (26, 8, 5, 7, 6, 7, 7, 7)


def read_replicates(path: str | pathlib.Path) -> list[dict[str, Any]]:
    """The lines of `replicates.jsonl` in a sweep's directory; none if nothing was replicated.

    **Example:** `replication(read_replicates("sweeps/default"))`
    """
    path = pathlib.Path(path)
    return read_record(record_file(path, "replicates")) if path.is_dir() else []


def replication(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The replicated configurations, one row each, by their selected value.

    **Arguments:**

    - `lines`: from `read_replicates`.

    **Returns:** plain rows with equal columns. `selected` is the primary endpoint of the trial and
    weights that were chosen for it, the lowest among `candidates`: too good on average, whatever the
    configuration is, since chance is chosen with it. `mean`, `sd`, `min` and `max` are of the `n`
    replicates with fresh seeds and the same weights: `mean` is the unbiased one. `change` is mean
    minus selected, the regression to the mean. Replicates that diverged have no value and are in
    none of these; they are counted.
    """
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["of"], line["of_weights"]), []).append(line)
    rows = []
    for (trial, weights), mine in groups.items():
        values = [number(weights_of(one).get(weights, {}).get(PRIMARY)) for one in mine]
        known = np.array([value for value in values if math.isfinite(value)], float)
        first = mine[0]
        row = {"trial": trial, "draw": first["draw"], "twin": first["twin"], "weights": weights}
        row |= {"candidates": first["candidates"], "selected": first["selected"], "n": known.size}
        row |= {"mean": float(known.mean()) if known.size else math.nan}
        row |= {"sd": float(known.std(ddof=1)) if known.size > 1 else math.nan}
        row |= {"min": float(known.min()) if known.size else math.nan}
        row |= {"max": float(known.max()) if known.size else math.nan}
        row |= {"change": row["mean"] - row["selected"], "without_value": len(mine) - known.size}
        rows.append(row | {"values": [float(value) for value in known]})
    return sorted(rows, key=lambda row: (row["selected"], row["trial"]))


def replication_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a row by the titles in `HEAD`."""
    numbers = {name: _signed(row[name]) for name in ("selected", "mean", "min", "max", "change")}
    lost = f"-{row['without_value']}" if row["without_value"] else ""
    sd = MISSING if math.isnan(row["sd"]) else f"{row['sd']:.3f}"
    texts = numbers | {"configuration": _label(row), "n": f"{row['n']}{lost}", "sd": sd}
    return {title: texts[title] for title in HEAD}


def replication_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The replicated configurations as text, no line longer than 80 columns; "" without any."""
    if not rows:
        return ""
    lines = [
        f"Mean log TV at unseen lengths. Selected: the lowest of {rows[0]['candidates']}, optimistic.",
        "The others are of replicates with fresh seeds; change is mean minus selected.",
        table_line(HEAD, WIDTHS),
    ]
    return "\n".join(
        [*lines, *(table_line(list(replication_cells(row).values()), WIDTHS) for row in rows)]
    )


def replication_charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Selected values beside those of the replicates."""
    if not rows:
        return []
    points = [
        {"trial": row["trial"], "weights": row["weights"], "kind": kind, "value": value}
        for row in rows
        for kind, values in (("selected", [row["selected"]]), ("replicate", row["values"]))
        for value in values
    ]
    chart = Chart(
        "replicates",
        "The best configurations, made again with fresh seeds",
        "A line for each configuration, lower total variation to the left. The ring is the value that "
        "it was chosen for, which is optimistic; the dots are its replicates, the bar their mean.",
        [Panel("mean log TV, unseen lengths", ft.partial(_draw, rows))],
        2,
        [Key("selected", INK, kind="ring"), Key("replicates and their mean", PALETTE[0])],
        points,
    )
    return [chart]


def _draw(rows: Sequence[Mapping[str, Any]], ax: Axes) -> None:
    for place, row in enumerate(rows):
        ax.plot([row["selected"]], [place], "o", ms=6, mfc="none", mec=INK, mew=1.2)
        ax.plot(row["values"], [place] * row["n"], "o", ms=3.2, color=PALETTE[0], alpha=0.8)
        if row["n"]:
            ax.plot([row["mean"]] * 2, [place - 0.3, place + 0.3], color=PALETTE[0], lw=2)
    ax.set_yticks(range(len(rows)), [f"{row['trial']}" for row in rows])
    ax.set_ylabel("trial")
    ax.set_ylim(len(rows) - 0.4, -0.6)


def _label(row: Mapping[str, Any]) -> str:
    return f"trial {row['trial']}, {row['weights']}"


def _signed(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:+.3f}"
