"""A certificate as a table in the terminal and as a figure, from its plain rows."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rich.box
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

from ._chart import NotebookFigure, Panel, compose
from ._draw import length_axis
from ._format import format_value
from ._style import CHANCE, INK, MUTED, PALETTE, SEEN, Key


COLUMNS = {
    "margin": "margin\n>=",
    "attained": "of the\nwitness",
    "itr": "ITR\n<=",
    "chance": "chance\nITR",
    "tv": "TV\n<=",
    "verdict": "verdict",
    "witness": "witness",
}


TEXTS = ("verdict", "witness")
WITNESS = 15
"""Columns of the terminal for a witness."""


def certificate_table(rows: Sequence[Mapping[str, Any]], *, width: int = 80) -> str:
    """A certificate's rows as text: a line for each length, no longer than `width`."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    table = Table(box=rich.box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column("length", justify="right", no_wrap=True)
    for name, title in COLUMNS.items():
        text = name in TEXTS
        table.add_column(title, justify="left" if text else "right", no_wrap=True)
    for row in rows:
        shown = [format_value(float(row[name])) for name in COLUMNS if name not in TEXTS]
        shown += [str(row["verdict"]), _shortened(str(row["witness"]))]
        table.add_row(str(row["length"]), *shown)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _shortened(witness: str) -> str:
    """The last tokens of a long sequence, of which the very last matters most."""
    if len(witness) <= WITNESS:
        return witness
    return "… " + witness[-(WITNESS - 2) :].partition(" ")[2]


def plot_certificate(
    certificates: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    measured: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    law: Mapping[str, float] | None = None,
    seen: int | None = None,
) -> NotebookFigure:
    """Proved and measured against length: worst margin, and illegal token rate.

    **Arguments:**

    - `certificates`: for each model, a certificate's `rows()`.
    - `measured`: for each model, an evaluation's rows at the given temperature; its means are drawn.
    - `law`: for each model a displacement at length 2, from which `2 / s` times it is drawn.
    - `seen`: the longest training length, shaded.

    **Returns:** a Matplotlib figure of two panels, made without pyplot.
    """
    measured, law = measured or {}, law or {}
    colours = dict(zip(certificates, PALETTE, strict=False))

    def panel(ax: Axes, bound: str, mean: str) -> None:
        for name, rows in certificates.items():
            lengths = np.array([row["length"] for row in rows], float)
            if seen is not None:
                ax.axvspan(lengths[0] - 0.5, seen + 0.5, color=SEEN, lw=0, zorder=0)
            ax.plot(lengths, [row[bound] for row in rows], color=colours[name])
            if name in measured:
                points = sorted((row["length"], row[mean]) for row in measured[name])
                ax.plot(*np.array(points, float).T, color=colours[name], dashes=(5.0, 1.6))
            if bound == "margin" and name in law:
                later = lengths >= 2
                ax.plot(lengths[later], 2 * law[name] / lengths[later], ":", color=INK, zorder=4)
        if bound == "margin":
            ax.axhline(0, color=MUTED, lw=0.8, zorder=1)
        else:
            known = {r["length"]: r["chance"] for rows in certificates.values() for r in rows}
            ax.plot(*np.array(sorted(known.items())).T, color=MUTED, lw=1, dashes=CHANCE)
        length_axis(ax)

    keys = [Key(name, colours[name]) for name in certificates]
    keys += [Key("proved for every sequence", INK)]
    keys += [Key("measured mean", INK, (5.0, 1.6))] if measured else []
    keys += [Key("2/s times the mean at length 2", INK, (1.0, 1.65))] if law else []
    keys += [Key("chance", MUTED, CHANCE)]
    panels = [
        Panel("Legal minus illegal logit", lambda ax: panel(ax, "margin", "displacement")),
        Panel("Illegal token rate", lambda ax: panel(ax, "itr", "itr")),
    ]
    return compose(panels, keys, columns=2, title="")
