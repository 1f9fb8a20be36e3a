"""Runs as the report sees them: a name, the rows to draw, and sentences on what is missing."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import RunRecord, StorageError, read_run, require


Row = Mapping[str, Any]
"""One row of a table: a value for each column."""
LENGTH = "length s"
"""What a length is where nothing says it."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One run, or any rows by length.

    - `name`: how it is called on the page; unique among the runs compared.
    - `record`: the run directory as it was read; `None` for rows that come from elsewhere.
    - `rows`: by weights, temperature and length: the final evaluation, or else the last one made
      during training.
    - `seen`: the longest training length T, if anything says so.
    - `notes`: sentences for the reader: a status other than "completed", and what is missing.
    - `length_label`: what a length is, as the label of an axis.
    """

    name: str
    record: RunRecord | None
    rows: Sequence[Row]
    seen: int | None
    notes: tuple[str, ...] = ()
    length_label: str = LENGTH

    @property
    def weights(self) -> list[str]:
        """Names of the sets of weights, in the order of the rows."""
        return list(dict.fromkeys(str(row["weights"]) for row in self.rows))

    @property
    def history(self) -> Sequence[Row]:
        """Rows by step, weights and length."""
        return self.record.history if self.record else []

    @property
    def metrics(self) -> Sequence[Row]:
        """Rows by training step."""
        return self.record.metrics if self.record else []


def load_runs(paths: Sequence[str | pathlib.Path]) -> list[Run]:
    """Read run directories and name each by the shortest end of its path that is its own.

    **Raises:** `StorageError` for a directory that holds no run or a damaged one, `InputError` if
    none is given, or one twice.
    """
    require(len(paths) > 0, "`len(runs) >= 1`", "name a run directory", runs=list(paths))
    places = [pathlib.Path(path).resolve() for path in paths]
    require(
        len(set(places)) == len(places),
        "Runs that differ",
        "name each run directory once",
        runs=[str(path) for path in paths],
    )
    names = _names(places)
    return [run_of(read_run(path), name=name) for path, name in zip(paths, names, strict=True)]


def run_of(record: RunRecord, *, name: str) -> Run:
    """What the report shows of a run record.

    **Raises:** `StorageError` if its tables lack the columns that every report needs.
    """
    for table, rows, columns in (
        ("evaluation.csv", record.evaluation, ("weights", "temperature", "length", "seen", "itr")),
        ("history.csv", record.history, ("step", "weights", "length", "seen", "itr")),
        ("metrics.jsonl", record.metrics, ("step", "loss")),
    ):
        missing = [c for c in columns if any(row.get(c) is None for row in rows)]
        if missing:
            raise StorageError(
                f"`{record.path / table}` must hold the columns ({', '.join(columns)}), but it is "
                f"damaged ({missing=}): restore it or start anew."
            )
    rows: Sequence[Row] = record.evaluation or last_evaluation(record.history)
    label = str(record.record.get("length_label", LENGTH))
    return Run(name, record, rows, _seen(record, rows), tuple(_notes(record, name)), label)


def last_evaluation(history: Sequence[Row]) -> list[Row]:
    """The newest rows of a history, as rows by length at the temperature as it is."""
    last = max((row["step"] for row in history), default=None)
    return [{**row, "temperature": "given"} for row in history if row["step"] == last]


def number(value: Any) -> float:
    """`value` as a finite float, or NaN."""
    usable = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if usable else math.nan


def _seen(record: RunRecord, rows: Sequence[Row]) -> int | None:
    if isinstance(record.record.get("seen"), int):
        return record.record["seen"]
    return max((row["length"] for row in rows if row["seen"]), default=None)


def _notes(record: RunRecord, name: str) -> list[str]:
    status, message = record.record.get("status"), record.record.get("message", "")
    notes = []
    if status == "under way":
        notes.append(
            f"{name} has no record.json: it is under way, or was killed and can be resumed."
        )
    elif status != "completed":
        notes.append(f"{name} {status}: {message}.")
    if not record.evaluation and record.history:
        step = max(row["step"] for row in record.history)
        notes.append(
            f"{name} has no final evaluation: its figures by length show the last one made during "
            f"training, after {step} steps, with fewer examples, no intervals, no chance line and "
            "no fitted temperature."
        )
    elif not record.evaluation:
        notes.append(f"{name} has not been evaluated: it is left out of the figures by length.")
    if not record.history:
        notes.append(f"{name} has no history.csv: it is left out of the heat map.")
    if not record.metrics:
        notes.append(f"{name} has no training steps in metrics.jsonl: it has no training curves.")
    odd = sum(math.isnan(number(row["loss"])) for row in record.metrics)
    odd += sum(math.isnan(number(row["itr"])) for row in [*record.evaluation, *record.history])
    if odd:
        notes.append(f"{name} has {odd} values that are not finite; figures leave them out.")
    return notes


def _names(places: Sequence[pathlib.Path]) -> list[str]:
    longest = max(len(place.parts) for place in places)
    for depth in range(1, longest):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]
