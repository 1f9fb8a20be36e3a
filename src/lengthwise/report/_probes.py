"""Linear probes of the board: accuracy by layer and move, as a figure and in the terminal."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import rich.box
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ._chart import Chart, NotebookFigure, Panel, draw_chart
from ._draw import draw_metric
from ._format import format_value
from ._load import Row, Run
from ._plots import length_keys
from ._style import CHANCE, MUTED, Key, Series, series_of
from ._summary import mean_over


RANDOM, MAJORITY = "random", "majority"
"""The weights that were never trained, and the column of the baseline."""
FRESH = "fresh weights"
RANDOM_DASH = (1.2, 1.4)
COLUMNS = ("seen", "at T", "unseen", "at the last")


def probe_charts(runs: Sequence[Run]) -> list[Chart]:
    """The figure of each run that was probed."""
    probed = [run for run in runs if run.record is not None and run.record.probes]
    return [
        _chart(run, run.record.probes, number if len(probed) > 1 else None)
        for number, run in enumerate(probed, 1)
        if run.record is not None
    ]


def plot_probes(rows: Sequence[Row], *, length_label: str = "moves read") -> NotebookFigure:
    """Accuracy against length, a panel for each layer, from the rows of `Probes` or of `probes.csv`.

    **Example:** `plot_probes(probe(task, model, seen=16, key=key).rows).savefig("probes.pdf")`
    """
    seen = max((row["length"] for row in rows if row["seen"]), default=None)
    return draw_chart(_chart(Run("", None, [], seen, length_label=length_label), rows, None))


def probe_table(rows: Sequence[Row], *, width: int = 80) -> str:
    """Mean accuracy at seen and unseen lengths as text: a line for each set of weights and layer."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    table = Table(box=rich.box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column("squares read right by a probe", overflow="fold")
    table.add_column("layer", justify="right", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["weights"]), int(row["layer"])), []).append(row)
    if not groups:
        return ""
    first = next(iter(groups.values()))
    table.add_row("majority at the move", "", *_cells(first, MAJORITY))
    weights = ""
    for (name, layer), group in groups.items():
        if name != weights:
            table.add_section()
        first_of_them = FRESH if name == RANDOM else name
        text = Text(first_of_them if name != weights else "")
        table.add_row(text, str(layer), *_cells(group, "accuracy"))
        weights = name
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _cells(rows: Sequence[Row], name: str) -> list[str]:
    by_length = {row["length"]: row[name] for row in rows}
    at_end = max((row["length"] for row in rows if row["seen"]), default=None)
    values = [
        mean_over(rows, name, seen=True),
        by_length.get(at_end),
        mean_over(rows, name, seen=False),
    ]
    return [format_value(value) for value in [*values, by_length[max(by_length)]]]


def _chart(run: Run, rows: Sequence[Row], number: int | None) -> Chart:
    layers = sorted({int(row["layer"]) for row in rows})
    has_random = any(row["weights"] == RANDOM for row in rows)

    def of_layer(layer: int) -> tuple[Run, list[Series]]:
        """A run whose rows are those of one layer, with the majority as its chance line."""
        kept = [
            {**row, "temperature": "given", "chance_accuracy": row[MAJORITY]}
            for row in rows
            if int(row["layer"]) == layer
        ]
        return _with_rows(run, kept, has_random)

    def draw(ax: Axes, layer: int) -> None:
        one, series = of_layer(layer)
        draw_metric(ax, [one], series, "accuracy")
        ax.set_ylim(_lowest(rows), 1.02)

    def summary(ax: Axes) -> None:
        _, series = of_layer(layers[0])
        for one in series:
            unseen = [
                mean_over(
                    [r for r in rows if (r["weights"], int(r["layer"])) == (one.weights, layer)],
                    "accuracy",
                    seen=False,
                )
                for layer in layers
            ]
            style = (0, one.dash) if one.dash else "solid"
            ax.plot(layers, unseen, color=one.colour, linestyle=style, marker="o", ms=3.4)
        first = [
            r for r in rows if (r["weights"], int(r["layer"])) == (series[0].weights, layers[0])
        ]
        ax.axhline(mean_over(first, MAJORITY, seen=False), color=MUTED, lw=1, dashes=CHANCE)
        ax.set_xlabel("layer (0: embedding)")
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))

    title = "Board state read from the residual stream by linear probes"
    one, series = of_layer(layers[0])
    keys = [Key(s.weights, s.colour, s.dash) for s in series]
    keys[-1:] = [dataclasses.replace(keys[-1], label=FRESH)] if has_random else keys[-1:]
    keys.append(Key("most frequent class at the move", MUTED, CHANCE))
    keys += [key for key in length_keys([one], chance=False) if key.kind == "band"]
    return Chart(
        "probes" if number is None else f"probes{number}",
        title if number is None else f"{title}: {run.name}",
        "The share of squares whose state (mine, theirs or empty, seen by the player to move) a linear "
        "probe reads right, with its 95 % interval over games. Probes are fitted at the moves of the "
        "training range alone, on games that are not those they are judged by. A board that is known "
        "beyond the training range keeps the line high to the right of the shaded range; what is above "
        "the line of fresh weights was learned. The dashed line says what is most frequent on each "
        "square at that move. Last: the mean over unseen moves.",
        [
            *(
                Panel(f"Layer {n}" if n else "Embedding", lambda ax, n=n: draw(ax, n))
                for n in layers
            ),
            Panel("Mean over unseen moves, by layer", summary),
        ],
        3,
        keys,
        [{"run": run.name} | dict(row) for row in rows],
    )


def _with_rows(run: Run, rows: list[dict[str, Any]], has_random: bool) -> tuple[Run, list[Series]]:
    trained = dataclasses.replace(run, rows=[row for row in rows if row["weights"] != RANDOM])
    whole = dataclasses.replace(run, rows=rows)
    series = [dataclasses.replace(one, run=whole) for one in series_of([trained])]
    if has_random:
        series.append(Series(whole, RANDOM, MUTED, RANDOM_DASH))
    return whole, series


def _lowest(rows: Sequence[Row]) -> float:
    """A common lower end of all panels."""
    values = np.array([row[name] for row in rows for name in ("accuracy", MAJORITY)], float)
    return max(float(np.nanmin(values)) - 0.03, 0.0)
