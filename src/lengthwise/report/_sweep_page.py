"""The page of a sweep: verdicts, effects, figures and every trial in one HTML file."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import write_bytes, write_csv
from ._export import write_chart
from ._format import MISSING, format_value
from ._page import chart_view, page
from ._sweep_charts import sweep_charts, value_of, varying
from ._sweep_effects import FAMILIES, sweep_effects
from ._sweep_table import HEAD, contrast_label, effect_cells, missing_pairs
from ._sweep_trials import PRIMARY, Sweep, dropout_rate, rate_bin, read_trials, weights_of
from ._sweep_verdict import SMALLEST, verdicts


VALUES = {
    PRIMARY: "log TV",
    "itr_unseen": "ITR",
    "separation_unseen": "separation",
    "log_tv_unseen_fitted": "log TV fitted",
    "itr_unseen_fitted": "ITR fitted",
}
FILTERS = ("status", "kind", "dropout", "shape")


def render_sweep(directory: str | pathlib.Path, out: str | pathlib.Path) -> pathlib.Path:
    """Make the page of a sweep, with its figures and the table of effects as files beside it.

    **Arguments:**

    - `directory`: of the sweep, finished or under way; it holds `trials.jsonl`.
    - `out`: the folder to write `index.html`, `effects.csv` and `figures/NAME.{svg,png,pdf,csv}`
      into. Files of these names are replaced.

    **Returns:** the path of the page.

    **Raises:** `StorageError` if the trials cannot be read or `out` cannot be written.

    **Example:** `render_sweep("sweeps/default", "sweeps/default/effects")`
    """
    sweep = read_trials(directory)
    name = pathlib.Path(directory).resolve().name
    return write_sweep_page(sweep, sweep_effects(sweep), out, name=name)


def write_sweep_page(
    sweep: Sweep, effects: list[dict[str, Any]], out: str | pathlib.Path, *, name: str
) -> pathlib.Path:
    """As `render_sweep`, for trials that were read and tested before."""
    out = pathlib.Path(out)
    charts = sweep_charts(sweep)
    for chart in charts:
        write_chart(chart, out / "figures")
    write_csv(out / "effects.csv", effects)
    path = out / "index.html"
    write_bytes(path, sweep_html(sweep, effects, charts, name=name).encode())
    return path


def sweep_html(
    sweep: Sweep, effects: Sequence[Mapping[str, Any]], charts: Sequence[Any], *, name: str
) -> str:
    """The page as text."""
    titles, trials = trials_view(sweep)
    count = sweep.counts()
    done = count["trials"] - count["diverged"]
    return page(
        "sweep.html",
        title=name,
        sentence=f"{count['trials']} trials of {count['draws']} drawn configurations: {done} "
        f"completed, {count['diverged']} diverged; {count['pairs']} pairs with and without dropout.",
        notes=sweep.notes(),
        verdicts=verdicts(effects) if effects else [],
        smallest=f"{SMALLEST:.3f}",
        charts=[chart_view(chart) for chart in charts],
        effect_titles=("family", "endpoint", "weights", *HEAD, "missing"),
        effects=[_effect_view(row) for row in effects],
        tables=list(dict.fromkeys(_table_name(row) for row in effects)),
        trial_titles=titles,
        trials=trials,
        filters=[(n, sorted({row["filters"][n] for row in trials})) for n in FILTERS],
    )


def trials_view(sweep: Sweep) -> tuple[list[str], list[dict[str, Any]]]:
    """Titles and rows of the table of trials; a cell has its text and its sort key, if a number."""
    params = varying(sweep)
    best = [f"{title}, {w}" for w in sweep.averages for title in ("log TV",)]
    titles = ["trial", "draw", "kind", "status", "seed", "shape", "seconds"]
    titles += [p.removeprefix("hparams.").removeprefix("model.") for p in params]
    titles += [f"{title}, raw" for title in VALUES.values()] + best + ["message"]
    rows = []
    for trial in sweep.trials:
        kind = "twin" if trial["twin"] else "draw"
        values = [trial["trial"], trial["draw"], kind, trial["status"], trial["seed"]]
        values += [trial.get("shape", ""), trial.get("seconds")]
        values += [trial["params"].get(p) for p in params]
        values += [value_of(trial, "raw", name) for name in VALUES]
        values += [value_of(trial, average) for average in sweep.averages]
        values += [str(trial.get("message", ""))]
        filters = {"status": trial["status"], "kind": kind, "shape": str(trial.get("shape", ""))}
        filters["dropout"] = rate_bin(dropout_rate(trial))
        rows.append(
            {
                "cells": [_cell(value) for value in values],
                "filters": filters,
                "measured": bool(weights_of(trial)),
            }
        )
    return titles, rows


def _cell(value: Any) -> dict[str, Any]:
    if isinstance(value, bool | int | float):
        return {"text": format_value(value), "sort": repr(float(value))}
    return {"text": MISSING if value is None else str(value), "sort": None}


def _table_name(row: Mapping[str, Any]) -> str:
    """What one choice of the filter shows: a family at an endpoint, which Holm corrects over."""
    return f"{FAMILIES[row['family']]}: {row['endpoint']}"


def _effect_view(row: Mapping[str, Any]) -> dict[str, Any]:
    sorts = {"n": row["n"], "median": row["median"], "95 % interval": row["low"]}
    sorts |= {"p Holm": row["p_holm"], "better": row["share_improved"], "power": row["detectable"]}
    cells = [
        {"text": text, "sort": repr(float(sorts[name]))} for name, text in effect_cells(row).items()
    ]
    significant = not math.isnan(row["p_holm"]) and row["p_holm"] < 0.05
    return {
        "table": _table_name(row),
        "family": row["family"],
        "endpoint": row["endpoint"],
        "weights": row["weights"],
        "label": contrast_label(row),
        "cells": cells,
        "missing": missing_pairs(row),
        "significant": significant,
    }
