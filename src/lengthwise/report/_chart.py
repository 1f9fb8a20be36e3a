"""A chart is data: panels that can be drawn together (for files) or one by one (for the page)."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ._style import Key, house_style


PANEL = (4.05, 2.75)
"""Width and height of a panel in inches."""
MARGINS = (0.52, 0.46, 0.17, 0.34)
"""Inches of a panel left, below, right and above its axes."""
TITLE = 0.46
"""Inches above the panels for the title of a chart."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A title and what to draw below it."""

    title: str
    draw: Callable[[Axes], None]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Small multiples that make one point.

    - `name`: of the files.
    - `title`, `caption`: for the reader; the caption says what is to be seen in general.
    - `panels`, `columns`: drawn row by row.
    - `keys`: the legend.
    - `rows`: the plotted data, as in the CSV.
    """

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]
    columns: int
    keys: Sequence[Key]
    rows: list[dict[str, Any]]


class NotebookFigure(Figure):
    """A Matplotlib figure that a notebook shows, though it was made without pyplot.

    It is saved in the style that it was drawn in, so that equal figures give equal bytes (of an SVG, with
    `metadata={"Date": None}`).
    """

    def savefig(self, fname: Any, **options: Any) -> None:
        """As Matplotlib's."""
        with house_style():
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        from ._export import to_bytes

        return to_bytes(self, "png", title="")


def draw_panel(panel: Panel, keys: Sequence[Key] = ()) -> NotebookFigure:
    """One panel as a figure of its own, with a legend if there are `keys`."""
    return compose([panel], keys, columns=1, title="")


def draw_chart(chart: Chart) -> NotebookFigure:
    """All panels as one figure, with title and legend."""
    columns = min(chart.columns, len(chart.panels))
    return compose(chart.panels, chart.keys, columns=columns, title=chart.title)


def compose(
    panels: Sequence[Panel], keys: Sequence[Key], *, columns: int, title: str
) -> NotebookFigure:
    """Panels on a grid of fixed boxes, so that axes line up from panel to panel.

    Matplotlib's own layout engines measure every text: four times slower, and axes that differ.
    """
    rows = math.ceil(len(panels) / columns)
    fit, legend = legend_size(keys, PANEL[0] * columns)
    top = TITLE if title else 0.0
    width, height = PANEL[0] * columns, PANEL[1] * rows + top + legend
    with house_style():
        figure = NotebookFigure(figsize=(width, height))
        for i, panel in enumerate(panels):
            left = PANEL[0] * (i % columns) + MARGINS[0]
            bottom = height - top - PANEL[1] * (i // columns + 1) + MARGINS[1]
            across = PANEL[0] - MARGINS[0] - MARGINS[2]
            up = PANEL[1] - MARGINS[1] - MARGINS[3]
            box = (left / width, bottom / height, across / width, up / height)
            ax = figure.add_axes(box)
            panel.draw(ax)
            ax.set_title(panel.title)
        if title:
            x, y = MARGINS[0] / width, 1 - 0.12 / height
            figure.text(x, y, title, va="top", fontsize=11.5, fontweight="bold")
        if keys:
            place = ((MARGINS[0] - 0.08) / width, 0.06 / height)
            handles, labels = [_handle(key) for key in keys], [key.label for key in keys]
            figure.legend(
                handles, labels, loc="lower left", bbox_to_anchor=place, ncols=fit, borderpad=0
            )
        return figure


def legend_size(keys: Sequence[Key], width: float) -> tuple[int, float]:
    """How many columns of the legend fit into `width` inches, and its height in inches."""
    if not keys:
        return 1, 0.0
    entry = 0.62 + 0.078 * max(len(key.label) for key in keys)
    columns = min(max(int(width / entry), 1), len(keys))
    return columns, 0.14 + 0.185 * math.ceil(len(keys) / columns)


def _handle(key: Key) -> Line2D | Patch:
    if key.kind == "band":
        return Patch(facecolor=key.colour, edgecolor="#c9ced5", lw=0.5)
    if key.kind == "ring":
        return Line2D([], [], color=key.colour, lw=0, marker="o", ms=4, mfc="white")
    return Line2D([], [], color=key.colour, linestyle=(0, key.dash) if key.dash else "solid")
