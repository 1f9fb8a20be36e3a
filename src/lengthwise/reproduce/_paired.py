"""Runs that differ in one thing, seed by seed: the ratio of what was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from .._core import require


def by_seed(rows: Sequence[Mapping[str, Any]], metric: str, **where: Any) -> list[float]:
    """The mean of a metric over the unseen lengths of the rows that have these values, by seed."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if all(row.get(name) == value for name, value in where.items()) and not row["seen"]:
            found.setdefault(row["seed"], []).append(row[metric])
    return [float(np.mean(found[seed])) for seed in sorted(found)]


def paired_ratio(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, comparisons: int = 1
) -> dict[str, Any]:
    """The mean of `ours / theirs` over pairs, on the log scale, with its t interval.

    **Arguments:**

    - `ours`, `theirs`: one positive value for each seed.
    - `comparisons`: how many intervals are read together; each is at 1 - 0.05 / comparisons
      (Bonferroni). (Keyword only argument.)

    **Returns:** `ratio`, `low`, `high`; `below`, the pairs whose ratio is below 1; `seeds`; and the means
    `ours` and `theirs`. With one pair the interval is everything.
    """
    mine, other = np.asarray(ours, float), np.asarray(theirs, float)
    require(
        bool((mine > 0).all() and (other > 0).all()),
        "Positive values, of which a ratio has a logarithm",
        "compare differences instead",
        ours=mine.tolist(),
        theirs=other.tolist(),
    )
    logs = np.log(mine / other)
    count, half = len(logs), np.inf
    if count > 1:
        half = scipy.stats.t.ppf(1 - 0.025 / comparisons, count - 1)
        half *= logs.std(ddof=1) / np.sqrt(count)
    ends = {"ratio": 0.0, "low": -half, "high": half}
    found = {name: float(np.exp(logs.mean() + end)) for name, end in ends.items()}
    means = {"ours": float(mine.mean()), "theirs": float(other.mean())}
    return found | {"below": int((logs < 0).sum()), "seeds": count} | means


def ratio_text(found: dict[str, Any]) -> str:
    """A ratio with its interval and its seeds, in words."""
    interval = f"{found['low']:.3g} to {found['high']:.3g}"
    return f"{found['ratio']:.3g} ({interval}; below 1 in {found['below']} of {found['seeds']})"
