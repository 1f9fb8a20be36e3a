"""A part of a record, run again and compared. No JAX."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ._claim import Claim, Row
from ._load import Found
from ._record import Done
from ._runner import run_parts


@dataclass(frozen=True)
class Compared:
    """A recorded part beside the same part, run again.

    - `holds`: equal, or every number within the claim's tolerance (`message` says which).
    - `numbers`, `differing`: how many numbers and texts there are, and how many are not equal.
    - `largest`: the largest difference, relative to the largest recorded value of its column.
    - `message`: in words.
    """

    holds: bool
    numbers: int
    differing: int
    largest: float
    message: str


def verify_parts(
    recorded: Sequence[tuple[Found, Done]],
    *,
    workers: int = 2,
    start: Callable[[], None] | None = None,
) -> Iterator[Compared]:
    """Run recorded parts of claims again, and compare them, as they end.

    **Raises:** what a part raises.
    """
    jobs = [(found.path, one.part) for found, one in recorded]
    for index, again in run_parts(jobs, workers=workers, start=start):
        if isinstance(again, Exception):
            raise again
        found, one = recorded[index]
        yield compare_part(found.claim, one, again.rows)


def compare_part(claim: Claim, recorded: Done, again: list[Row]) -> Compared:
    """Compare the rows of a part, run again, with the recorded ones."""
    about = f"{claim.name} {dict(recorded.part)}"
    if [set(row) for row in again] != [set(row) for row in recorded.rows]:
        rows = f"{len(again)} rows in place of {len(recorded.rows)}, or other columns"
        return Compared(False, 0, 0, math.inf, f"{about}: {rows}")
    columns: dict[str, list[tuple[Any, Any]]] = {}
    for old, new in zip(recorded.rows, again, strict=True):
        for name in old:
            columns.setdefault(name, []).append((old[name], new[name]))
    numbers = sum(map(len, columns.values()))
    differing, largest = 0, 0.0
    for pairs in columns.values():
        scale = max((abs(old) for old, _ in pairs if _finite(old)), default=0.0)
        for old, new in pairs:
            if _equal(old, new):
                continue
            differing += 1
            near = _finite(old) and _finite(new) and scale > 0
            largest = max(largest, abs(old - new) / scale if near else math.inf)
    holds = largest <= claim.tolerance
    what = f"{numbers} values, all equal"
    if differing:
        what = (
            f"{differing} of {numbers} values differ, by {largest:.2g} of the largest in its column"
        )
        what += f" ({'within' if holds else 'more than'} {claim.tolerance:g})"
    message = f"{about}: {what}"
    return Compared(holds, numbers, differing, largest, message)


def _finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _equal(old: Any, new: Any) -> bool:
    both_nan = isinstance(old, float) and isinstance(new, float) and old != old and new != new
    return both_nan or old == new
