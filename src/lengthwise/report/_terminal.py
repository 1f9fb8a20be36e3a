"""The tables of one run in the terminal, at most 80 columns wide."""

import io
import math
from collections.abc import Sequence

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._core import RunRecord
from ._format import format_value
from ._load import Run, number, run_of
from ._summary import summary_rows


COLUMNS = {
    "initial_mass": "initial\nmass",
    "itr_at_T": "ITR at\nT",
    "itr_at_longest": "ITR at\nlongest",
    "itr_unseen": "ITR\nunseen",
    "tv_unseen": "TV\nunseen",
    "itr_unseen_fitted": "ITR uns.\nfitted",
}


def summary_table(record: RunRecord, *, width: int = 80) -> str:
    """A run as text: a row for each set of weights, and illegal token rates at a few lengths.

    **Arguments:**

    - `record`: from `read_run`.
    - `width`: columns of the terminal. (Keyword only argument.)

    **Returns:** plain text without colour codes, no line longer than `width`.
    """
    run = run_of(record, name=record.path.name)
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    for note in run.notes:
        console.print(Text(note))
    rows = summary_rows(run)
    if rows:
        console.print(_weights_table(run, rows))
        console.print(_length_table(run))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def chosen_lengths(lengths: Sequence[int], seen: int | None, *, count: int = 8) -> list[int]:
    """About `count` of the lengths: the first, T and the last, and others evenly between."""
    lengths = sorted(set(lengths))
    if len(lengths) <= count:
        return lengths
    last = len(lengths) - 1
    kept = {lengths[round(i * last / (count - 1))] for i in range(count)}
    if seen in lengths and seen not in kept:
        inner = kept - {lengths[0], lengths[-1]}
        kept.discard(min(inner, key=lambda n: abs(n - seen)))
        kept.add(seen)
    return sorted(kept)


def _weights_table(run: Run, rows: Sequence[dict]) -> Table:
    longest = max((row["length"] for row in run.rows), default=None)
    table = _table("weights")
    for name, title in COLUMNS.items():
        if name == "itr_at_T" and run.seen is not None:
            title = f"ITR at\nT = {run.seen}"
        if name == "itr_at_longest" and longest is not None:
            title = f"ITR at\n{longest}"
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row["weights"]), *(format_value(row[name]) for name in COLUMNS))
    return table


def _length_table(run: Run) -> Table:
    given = [row for row in run.rows if row["temperature"] == "given"]
    lengths = chosen_lengths([row["length"] for row in given], run.seen)
    table = _table("ITR at length")
    for length in lengths:
        mark = "\nT" if length == run.seen else "\nunseen" if length > (run.seen or 0) else "\nseen"
        table.add_column(f"{length}{mark}", justify="right", no_wrap=True)
    for name in run.weights:
        itr = {row["length"]: number(row["itr"]) for row in given if row["weights"] == name}
        table.add_row(Text(name), *(format_value(itr.get(n, math.nan), digits=2) for n in lengths))
    chance = {row["length"]: number(row.get("chance_itr")) for row in given}
    if not all(math.isnan(value) for value in chance.values()):
        cells = [format_value(chance[n], digits=2) for n in lengths]
        table.add_section()
        table.add_row("chance", *cells)
    return table


def _table(first: str) -> Table:
    table = Table(box=rich.box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column(first, overflow="fold", ratio=None)
    return table
