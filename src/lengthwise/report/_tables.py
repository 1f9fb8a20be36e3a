"""The tables of the page, as values for the template."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._format import MISSING, format_change, format_value
from ._load import Run, number
from ._style import MUTED, run_colours, weights_colour, weights_order
from ._summary import summary_rows


SUMMARY = {
    "initial_mass": "mass on initial weights",
    "itr_at_T": "ITR at T",
    "itr_at_longest": "ITR at longest",
    "itr_unseen": "ITR unseen",
    "against_raw": "against raw",
    "tv_unseen": "TV unseen",
    "itr_unseen_fitted": "ITR unseen, fitted",
}
BY_LENGTH = {
    "length": "length",
    "seen": "seen",
    "inputs": "inputs",
    "exhaustive": "all inputs",
    "itr": "ITR",
    "chance_itr": "chance",
    "itr_max": "ITR worst",
    "tv": "TV",
    "kl": "KL",
    "top1_illegal": "top-1 illegal",
    "log_spread": "log spread",
    "displacement": "displacement",
    "separation": "separation",
    "separation_min": "separation worst",
    "separated": "separated",
    "coverage": "coverage",
}


def swatch(runs: Sequence[Run], run: Run, weights: str) -> str:
    """The colour that stands for a row of a table: of the weights, or of the run if several."""
    if len(runs) > 1:
        return run_colours(runs)[list(runs).index(run)]
    names = weights_order(runs)
    return weights_colour(weights, names) if weights in names else MUTED


def summary_view(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Rows of the summary table: run, weights, colour, and a text for each column of `SUMMARY`."""
    view = []
    for run in runs:
        rows = summary_rows(run)
        unseen = [number(row["itr_unseen"]) for row in rows]
        for row, value in zip(rows, unseen, strict=True):
            cells = {name: format_value(row.get(name)) for name in SUMMARY}
            cells["against_raw"] = format_change(row["against_raw"])
            about = {"run": run.name, "weights": row["weights"]}
            best = len(rows) > 1 and value == min(unseen)
            view.append(
                about | {"cells": cells, "best": best, "colour": swatch(runs, run, row["weights"])}
            )
    return view


def length_view(runs: Sequence[Run]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Columns (name to title) and rows of the table by length; a cell is (text, sort key)."""
    columns = {
        name: title
        for name, title in BY_LENGTH.items()
        if any(name in row for run in runs for row in run.rows)
    }
    rows = [
        {
            "run": run.name,
            "weights": row["weights"],
            "temperature": row["temperature"],
            "seen": bool(row["seen"]),
            "cells": [_cell(row, name) for name in columns],
        }
        for run in runs
        for row in run.rows
    ]
    return columns, rows


def differing(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The fields of `config.json` that are not the same in all runs, with each run's value."""
    flat = [flatten(run.record.config) if run.record else {} for run in runs]
    names = list(dict.fromkeys(name for one in flat for name in one))
    return [
        (name, [one.get(name, MISSING) for one in flat])
        for name in names
        if len({one.get(name) for one in flat}) > 1
    ]


def flatten(value: Any, name: str = "") -> dict[str, str]:
    """Nested JSON as dotted names; a component's class is the value of its own name."""
    if isinstance(value, Mapping) and set(value) == {"class", "fields"}:
        cls = str(value["class"])
        short = cls.rsplit(":", 1)[-1] if cls.startswith("lengthwise.") else cls
        return {name: short} | flatten(value["fields"], name)
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= flatten(inner, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return flatten({str(i): item for i, item in enumerate(value)}, name)
    return {name: value if isinstance(value, str) else json.dumps(value)}


def provenance_view(run: Run) -> dict[str, Any]:
    """Facts of `record.json` (name to text), package versions, and the config as JSON text."""
    if run.record is None:
        return {"facts": {}, "versions": {}, "config": "", "path": ""}
    record = run.record.record
    facts = {
        name.replace("_", " "): value if isinstance(value, str) else format_value(value, digits=4)
        for name, value in record.items()
        if isinstance(value, str | int | float)
    }
    for name, values in record.get("compilations", {}).items():
        facts[f"compilations of {name}"] = str(values)
    return {
        "facts": facts,
        "versions": {name: str(v) for name, v in record.get("versions", {}).items()},
        "config": json.dumps(run.record.config, indent=2, sort_keys=True),
        "path": str(run.record.path),
    }


def _cell(row: Mapping[str, Any], name: str) -> dict[str, str]:
    value = row.get(name)
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    title = ""
    if isinstance(low, float) and isinstance(high, float) and low != high:
        title = f"95 % interval {format_value(low)} to {format_value(high)}"
    sort = repr(float(value)) if isinstance(value, bool | int | float) else "nan"
    return {"text": format_value(value), "sort": sort, "title": title}
