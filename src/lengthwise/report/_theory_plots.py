"""Displacement by length as measured, as theory predicts it, and the cap of dispersion."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .._core import require
from ._chart import NotebookFigure, Panel, draw_panel
from ._draw import length_axis, zero_line
from ._load import number
from ._style import CHANCE, INK, MUTED, PALETTE, Key


TOKENS = {"earlier": "earlier tokens", "last": "last token"}


def plot_prediction(rows: Sequence[Mapping[str, Any]]) -> NotebookFigure:
    """Predicted displacement over the measured one, by length.

    **Arguments:**

    - `rows`: those of `lengthwise.theory.displacement_by_length`: `length`; `earlier` and `last` with
      `_min` and `_max`, drawn as circles and bands; `predicted_earlier`, `predicted_last`, lines; `cap`.

    **Returns:** a Matplotlib figure, made without pyplot.
    """
    wanted = [f"{kind}{name}" for kind in ("", "predicted_") for name in TOKENS]
    missing = {name for row in rows for name in ("length", *wanted) if name not in row}
    require(
        bool(rows) and not missing,
        "Rows with `length`, measured and predicted displacement",
        "give those of `displacement_by_length`",
        rows=len(rows),
        missing=sorted(missing),
    )
    rows = sorted(rows, key=lambda row: row["length"])
    read = lambda name: np.array([number(row.get(name)) for row in rows], float)
    lengths, colours = read("length"), dict(zip(TOKENS, PALETTE, strict=False))
    capped = bool(np.isfinite(read("cap")).any())

    def draw(ax: Axes) -> None:
        for name, colour in colours.items():
            low, high = read(f"{name}_min"), read(f"{name}_max")
            ax.fill_between(lengths, low, high, color=colour, alpha=0.15, lw=0)
            ax.plot(lengths, read(f"predicted_{name}"), color=colour)
            ax.plot(lengths, read(name), "o", ms=3.4, mfc="white", mec=colour, mew=1, zorder=3)
        if capped:
            ax.plot(lengths, read("cap"), color=MUTED, linestyle=(0, CHANCE))
        zero_line(ax)
        length_axis(ax)

    keys = [Key(f"predicted, {TOKENS[name]}", colour) for name, colour in colours.items()]
    keys.append(Key("measured mean (band: all sequences)", INK, kind="ring"))
    keys += [Key("cap on the smallest, any attention", MUTED, CHANCE)] if capped else []
    return draw_panel(Panel("Logit displacement, measured and predicted", draw), keys)
