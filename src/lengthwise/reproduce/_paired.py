"""Runs that differ in one thing, seed by seed: the ratio of what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import scipy.stats

from .._core import require
from ._rows import group, select


@dataclass(frozen=True)
class Effect:
    """The ratio of one condition over another, of pairs that share a seed.

    - `ratio`: the mean on the log scale.
    - `low`, `high`: its t interval; with one pair it is everything.
    - `below`: pairs whose ratio is below 1, of `seeds`.
    - `ours`, `theirs`: the means of both conditions.
    - `ratios`: that of each pair.
    """

    ratio: float
    low: float
    high: float
    below: int
    seeds: int
    ours: float
    theirs: float
    ratios: tuple[float, ...] = field(repr=False)

    @property
    def lowers(self) -> bool:
        """Whether the whole interval is below 1."""
        return self.high < 1

    @property
    def raises(self) -> bool:
        """Whether the whole interval is above 1."""
        return self.low > 1

    @property
    def below_all(self) -> bool:
        """Whether the ratio is below 1 in every pair."""
        return self.below == self.seeds

    @property
    def text(self) -> str:
        """The ratio with its interval and its seeds, in words."""
        interval = f"{self.low:.3g} to {self.high:.3g}"
        return f"{self.ratio:.3g} ({interval}; below 1 in {self.below} of {self.seeds})"


def paired_ratio(
    ours: Sequence[float] | np.ndarray,
    theirs: Sequence[float] | np.ndarray,
    *,
    comparisons: int = 1,
) -> Effect:
    """The mean of `ours / theirs` over pairs, on the log scale, with its t interval.

    **Arguments:**

    - `ours`, `theirs`: one positive value for each seed.
    - `comparisons`: how many intervals are read together; each is at 1 - 0.05 / comparisons
      (Bonferroni). (Keyword only argument.)
    """
    mine, other = np.asarray(ours, float), np.asarray(theirs, float)
    require(
        mine.shape == other.shape and mine.size > 0,
        "As many values of one condition as of the other",
        "give one for each seed",
        ours=mine.shape,
        theirs=other.shape,
    )
    both = np.stack([mine, other])
    require(
        bool((np.isfinite(both) & (both > 0)).all()),
        "Positive and finite values, of which a ratio has a logarithm",
        "compare differences instead",
        ours=mine.tolist(),
        theirs=other.tolist(),
    )
    ratios = mine / other
    logs = np.log(ratios)
    count, half = len(logs), np.inf
    if count > 1:
        half = scipy.stats.t.ppf(1 - 0.025 / comparisons, count - 1)
        half *= logs.std(ddof=1) / np.sqrt(count)
    ratio, low, high = (float(np.exp(logs.mean() + end)) for end in (0.0, -half, half))
    below, means = int((logs < 0).sum()), (float(mine.mean()), float(other.mean()))
    return Effect(ratio, low, high, below, count, *means, tuple(ratios.tolist()))


def by_seed(rows: Sequence[Mapping[str, Any]], metric: str, **where: Any) -> dict[int, float]:
    """The mean of a metric over the unseen lengths of the rows that have these values, by seed."""
    found: dict[int, list[float]] = {}
    for row in select(rows, **where, seen=False):
        found.setdefault(row["seed"], []).append(row[metric])
    return {seed: float(np.mean(found[seed])) for seed in sorted(found)}


def unseen_mean(rows: Sequence[Mapping[str, Any]], metric: str, **where: Any) -> float:
    """The mean over the seeds of `by_seed`."""
    return fmean(by_seed(rows, metric, **where).values())


def compare(
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    *,
    comparisons: int = 1,
    **conditions: tuple[Any, Any],
) -> Effect:
    """The mean of a metric over the unseen lengths: one condition over another, seed by seed.

    **Arguments:**

    - `rows`: of both conditions, alike in all else: see `select`.
    - `metric`: a column.
    - `comparisons`: as of `paired_ratio`. (Keyword only argument.)
    - `conditions`: the column in which they differ, with the two values: `weights=("BEMA", "raw")` is
      BEMA over raw.

    **Raises:** `InputError` if the two were not measured for the same seeds.
    """
    ((column, values),) = conditions.items()
    ours, theirs = (by_seed(rows, metric, **{column: value}) for value in values)
    require(
        ours.keys() == theirs.keys() and len(ours) > 0,
        "Two conditions with the same seeds",
        "give the rows of all seeds of both",
        **{column: values},
        seeds=(list(ours), list(theirs)),
    )
    return paired_ratio(list(ours.values()), list(theirs.values()), comparisons=comparisons)


def compare_each(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    metric: str,
    *,
    comparisons: int = 1,
    **conditions: tuple[Any, Any],
) -> dict[Any, Effect]:
    """`compare` within each `group` of the rows by these columns.

    **Example:** `compare_each(rows, ["loss", "temperature"], "itr", weights=("BEMA", "raw"))`
    """
    return {
        key: compare(own, metric, comparisons=comparisons, **conditions)
        for key, own in group(rows, *columns).items()
    }
