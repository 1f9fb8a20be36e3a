"""The page of a sweep: verdicts, effects, figures and every trial in one HTML file."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import write_bytes, write_csv
from ._chart import Chart
from ._export import write_chart
from ._format import MISSING, format_value
from ._page import chart_view, page
from ._sweep_charts import parameter_title, sweep_charts, value_of, varying
from ._sweep_effects import FAMILIES, sweep_effects
from ._sweep_importances import importance_charts, importance_view
from ._sweep_noise import (
    HEAD as CORRELATION_HEAD,
    PREDICTORS,
    correlation_cells,
    noise_charts,
    noise_correlations,
)
from ._sweep_replicates import (
    HEAD as REPLICATION_HEAD,
    read_replicates,
    replication,
    replication_cells,
    replication_charts,
)
from ._sweep_statistics import LEVEL
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


@dataclasses.dataclass(frozen=True)
class SweepResults:
    """What was computed from the trials of a sweep, all plain rows.

    - `effects`: from `sweep_effects`.
    - `correlations`: from `noise_correlations`.
    - `importances`: from `lengthwise.sweep.importances`, which needs Optuna; empty without.
    - `replication`: from `replication`; empty where nothing was replicated.
    """

    effects: list[dict[str, Any]]
    correlations: list[dict[str, Any]]
    importances: list[dict[str, Any]]
    replication: list[dict[str, Any]]

    def charts(self, sweep: Sweep) -> list[Chart]:
        """The figures that need these results."""
        return [
            *noise_charts(sweep, self.correlations),
            *importance_charts(self.importances),
            *replication_charts(self.replication),
        ]


def render_sweep(
    directory: str | pathlib.Path,
    out: str | pathlib.Path,
    *,
    importances: Sequence[Mapping[str, Any]] = (),
) -> pathlib.Path:
    """Make the page of a sweep, with its figures and tables as files beside it.

    **Arguments:**

    - `directory`: of the sweep, finished or under way, or of its record; it holds `trials.jsonl`,
      and `replicates.jsonl` if the best were replicated.
    - `out`: the folder to write `index.html`, `effects.csv`, other tables and
      `figures/NAME.{svg,png,pdf,csv}` into. Files of these names are replaced.
    - `importances`: from `lengthwise.sweep.importances`; none by default. (Keyword only argument.)

    **Returns:** the path of the page.

    **Raises:** `StorageError` if the trials cannot be read or `out` cannot be written.

    **Example:** `render_sweep("sweeps/default", "sweeps/default/effects")`
    """
    sweep = read_trials(directory)
    results = SweepResults(
        effects=sweep_effects(sweep),
        correlations=noise_correlations(sweep),
        importances=[dict(row) for row in importances],
        replication=replication(read_replicates(directory)),
    )
    name = pathlib.Path(directory).resolve().name
    return write_sweep_page(sweep, results, out, name=name)


def write_sweep_page(
    sweep: Sweep, results: SweepResults, out: str | pathlib.Path, *, name: str
) -> pathlib.Path:
    """As `render_sweep`, for trials that were read and tested before."""
    out = pathlib.Path(out)
    charts = [*sweep_charts(sweep), *results.charts(sweep)]
    for chart in charts:
        write_chart(chart, out / "figures")
    for table in dataclasses.fields(results):
        rows = getattr(results, table.name)
        if rows or table.name == "effects":
            write_csv(out / f"{table.name}.csv", rows)
    path = out / "index.html"
    write_bytes(path, sweep_html(sweep, results, charts, name=name).encode())
    return path


def sweep_html(sweep: Sweep, results: SweepResults, charts: Sequence[Chart], *, name: str) -> str:
    """The page as text."""
    titles, trials = trials_view(sweep)
    count, effects = sweep.counts(), results.effects
    done = count["trials"] - count["diverged"]
    weights, parameters = importance_view(results.importances)
    return page(
        "sweep.html",
        title=name,
        sentence=f"{count['trials']} trials of {count['draws']} drawn configurations: {done} "
        f"completed, {count['diverged']} diverged; {count['pairs']} pairs with and without dropout.",
        notes=sweep.notes(),
        verdicts=verdicts(effects, results.correlations) if effects else [],
        smallest=f"{SMALLEST:.3f}",
        figures=_grouped(charts),
        correlation_titles=("predictor", *CORRELATION_HEAD),
        correlations=[_correlation_view(row) for row in results.correlations],
        importance_weights=weights,
        importances=parameters,
        replication_titles=REPLICATION_HEAD,
        replication=[replication_cells(row) for row in results.replication],
        candidates=results.replication[0]["candidates"] if results.replication else 0,
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
    titles += [parameter_title(sweep, p) for p in params]
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


def _grouped(charts: Sequence[Chart]) -> dict[str, list[dict[str, Any]]]:
    """Figures beside their tables, by name; the others together."""
    figures: dict[str, list[dict[str, Any]]] = {
        "replicates": [],
        "noise": [],
        "importances": [],
        "others": [],
    }
    for chart in charts:
        figures.get(chart.name, figures["others"]).append(chart_view(chart))
    return figures


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


def _correlation_view(row: Mapping[str, Any]) -> dict[str, Any]:
    sorts = {"n": row["n"], "rho": row["rho"], "95 % interval": row["low"]}
    sorts |= {"p Holm": row["p_holm"], "power": row["detectable"]}
    return {
        "predictor": PREDICTORS[row["endpoint"]],
        "cells": [
            {"text": text, "sort": repr(float(sorts[name])) if name in sorts else None}
            for name, text in correlation_cells(row).items()
        ],
        "significant": row["p_holm"] < LEVEL,
    }
