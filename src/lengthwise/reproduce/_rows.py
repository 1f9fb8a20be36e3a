"""Rows and parts as tables: the grid of what is run, and what is read from rows. No NumPy, no JAX."""

import itertools as it
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._claim import Part, Row


COLUMNS = (
    "weights", "length", "seen", "temperature", "itr", "chance_itr", "tv", "displacement", "separated",
)  # fmt: skip
"""What most claims keep of an evaluation."""


def grid(**axes: Iterable[Any]) -> list[Part]:
    """Every combination of the values of the axes; the last axis varies fastest.

    **Example:** `grid(loss=("sampled", "exact"), seed=range(5), steps=[3000])`
    """
    return [dict(zip(axes, values, strict=True)) for values in it.product(*axes.values())]


def label(
    rows: Iterable[Mapping[str, Any]],
    part: Part,
    columns: Sequence[str] = COLUMNS,
    **more: Any,
) -> list[Row]:
    """What a part keeps of rows: these columns, and in each row what the part stands for.

    **Arguments:**

    - `rows`: such as those of an evaluation.
    - `part`: its values are in every row, but for `steps`, which say how long and not what.
    - `columns`: what is kept.
    - `more`: other values for every row.

    **Example:** `label(result.rows(), {"loss": "exact", "seed": 0, "steps": 5000})`
    """
    about = {name: value for name, value in part.items() if name != "steps"} | more
    return [about | {name: row[name] for name in columns} for row in rows]


def select(rows: Iterable[Mapping[str, Any]], **where: Any) -> list[Row]:
    """The rows that have these values; one that lacks a column does not.

    **Example:** `select(rows, weights="raw", temperature="given")`
    """
    missing = object()
    return [
        dict(row)
        for row in rows
        if all(row.get(name, missing) == value for name, value in where.items())
    ]


def group(rows: Iterable[Mapping[str, Any]], *columns: str) -> dict[Any, list[Row]]:
    """The rows by their value of a column, or by a tuple of values of several, as they first come.

    Rows that lack one of the columns are in no group.

    **Example:** `{title: len(own) for title, own in group(rows, "model").items()}`
    """
    found: dict[Any, list[Row]] = {}
    for row in rows:
        if all(name in row for name in columns):
            values = tuple(row[name] for name in columns)
            found.setdefault(values[0] if len(values) == 1 else values, []).append(dict(row))
    return found


def columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The columns of rows that all have the same ones.

    **Example:** `columns(select(rows, length=15))["itr"]`
    """
    table = [dict(row) for row in rows]
    return {name: [row[name] for row in table] for name in (table[0] if table else ())}
