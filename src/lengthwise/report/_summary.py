"""What a run comes to: one row for each set of weights, and where averages stand against raw."""

import math
from collections.abc import Sequence
from typing import Any

from ._format import format_value
from ._load import Row, Run, number


def summary_rows(run: Run) -> list[dict[str, Any]]:
    """The rows of `record["summary"]`, or the same computed from the rows by length.

    To each is added `against_raw`: the relative change of `itr_unseen` from the raw weights.
    """
    stored = run.record.record.get("summary") if run.record else None
    rows = [dict(row) for row in stored] if stored else [_summary(run, w) for w in run.weights]
    raw = next((number(row["itr_unseen"]) for row in rows if row["weights"] == "raw"), math.nan)
    for row in rows:
        same = row["weights"] == "raw" or not raw > 0
        row["against_raw"] = math.nan if same else number(row["itr_unseen"]) / raw - 1
    return rows


def mean_over(rows: Sequence[Row], name: str, *, seen: bool) -> float:
    """Mean of a column over seen or unseen lengths, each length weighing the same."""
    values = [number(row.get(name)) for row in rows if bool(row["seen"]) == seen]
    return sum(values) / len(values) if values else math.nan


def summary_sentence(runs: Sequence[Run]) -> str:
    """One sentence: which weights are best at unseen lengths, against raw and chance."""
    found = [(run, row) for run in runs for row in summary_rows(run)]
    found = [(run, row) for run, row in found if not math.isnan(number(row["itr_unseen"]))]
    final = [(run, row) for run, row in found if run.record and run.record.evaluation]
    found = final or found
    if not found:
        return "Nothing has been measured at unseen lengths yet."
    run, best = min(found, key=lambda pair: pair[1]["itr_unseen"])
    lengths = {row["length"] for row in run.rows if not row["seen"]}
    raw = next((row for row in summary_rows(run) if row["weights"] == "raw"), best)
    chance = mean_over(
        [r for r in run.rows if r["weights"] == best["weights"] and r["temperature"] == "given"],
        "chance_itr",
        seen=False,
    )
    where = f" of {run.name}" if len(runs) > 1 else ""
    trained = f"After training on lengths up to {run.seen}, "
    text = f"{trained}the {_weights(best)}{where} have the lowest illegal token rate at "
    text += f"{_span(lengths)}: {format_value(best['itr_unseen'])} on average"
    if best is not raw and best["weights"] != "raw":
        text += f", against {format_value(raw['itr_unseen'])} for the raw ones"
    if not math.isnan(chance):
        text += f" (chance: {format_value(chance)})"
    return text + "."


def _weights(row: Row) -> str:
    return "raw weights" if row["weights"] == "raw" else f"averaged weights {row['weights']}"


def _span(lengths: set[int]) -> str:
    if not lengths:
        return "unseen lengths"
    return f"the {len(lengths)} unseen lengths ({min(lengths)} to {max(lengths)})"


def _summary(run: Run, weights: str) -> dict[str, Any]:
    rows = [row for row in run.rows if row["weights"] == weights]
    given = [row for row in rows if row["temperature"] == "given"]
    fitted = [row for row in rows if row["temperature"] == "fitted"]
    itr = {row["length"]: number(row["itr"]) for row in given}
    masses = run.record.record.get("initial_mass", {}) if run.record else {}
    return {
        "weights": weights,
        "initial_mass": masses.get(weights, math.nan),
        "itr_at_T": math.nan if run.seen is None else itr.get(run.seen, math.nan),
        "itr_at_longest": itr[max(itr)] if itr else math.nan,
        "itr_unseen": mean_over(given, "itr", seen=False),
        "tv_unseen": mean_over(given, "tv", seen=False),
        "itr_unseen_fitted": mean_over(fitted, "itr", seen=False),
    }
