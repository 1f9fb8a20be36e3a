"""The best configurations, made again with fresh seeds.

The best of many is chosen together with its luck, so its own value is too good on average. What
competes are pairs of a configuration (what one trial ran, drawn or a twin) and weights (raw or an
average); a configuration is selected once, with its best weights. Its replicates have its
hyperparameters and shape and other seeds, and only the weights that were selected are judged, so
that nothing is chosen again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._core import require
from ._design import Row
from ._recorded import recorded_row
from ._space import SearchSpace


STRIDE = 10_000
"""Replicate r of trial t is the row `STRIDE * t + r` of its own study, r from 1."""


class Selected(NamedTuple):
    """A configuration that was selected by the value of its best weights, among `candidates`."""

    result: Mapping[str, Any]
    weights: str
    value: float
    candidates: int


def best_configurations(results: Sequence[Mapping[str, Any]], best: int) -> list[Selected]:
    """The `best` configurations with the lowest mean log total variation over unseen lengths.

    **Arguments:**

    - `results`: lines of `trials.jsonl`.
    - `best`: how many; fewer are returned if fewer have a value.
    """
    require(best >= 1, "`best >= 1`", "select a configuration", best=best)
    pairs = [
        (measured["log_tv_unseen"], int(result["trial"]), name, result)
        for result in results
        if result["status"] == "completed"
        for name, measured in result["weights"].items()
        if measured.get("log_tv_unseen") is not None
    ]
    found: dict[int, Selected] = {}
    for value, trial, name, result in sorted(pairs, key=lambda pair: pair[:3]):
        found.setdefault(trial, Selected(result, name, value, len(pairs)))
    return list(found.values())[:best]


def fresh_seed(seed: int, trial: int, replicate: int, *, original: int) -> int:
    """The seed of a replicate: a function of its arguments, and never `original`.

    **Arguments:**

    - `seed`: of the sweep. The design draws from `SeedSequence([seed, draw])`, which this sequence
      of three never equals, as `replicate` is not 0.
    - `trial`: that is replicated.
    - `replicate`: from 1.
    - `original`: the seed of `trial`. (Keyword only argument.)
    """
    require(replicate >= 1, "`replicate >= 1`", "count from 1", replicate=replicate)
    rng = np.random.default_rng(np.random.SeedSequence([seed, trial, replicate]))
    while (drawn := int(rng.integers(2**32))) == original:
        pass
    return drawn


def replicate_rows(
    space: SearchSpace, selected: Sequence[Selected], seeds: int, *, seed: int
) -> list[Row]:
    """The rows of `seeds` replicates of each selected configuration, ordered by static shape."""
    require(1 <= seeds < STRIDE, f"`1 <= seeds < {STRIDE}`", "choose another number", seeds=seeds)
    rows = []
    for one in selected:
        row = recorded_row(space, one.result)
        for replicate in range(1, seeds + 1):
            fresh = fresh_seed(seed, row.trial, replicate, original=row.seed)
            number = STRIDE * row.trial + replicate
            rows.append(Row(number, row.draw, row.twin, row.shape, fresh, row.params))
    return sorted(rows, key=lambda row: (row.shape, row.trial))


def replicate_lines(
    results: Sequence[Mapping[str, Any]], originals: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The lines of `replicates.jsonl`: each result of a replicate, and what it replicates.

    **Arguments:**

    - `results`: of the study of replicates.
    - `originals`: lines of `trials.jsonl`.
    """
    by_trial = {one.result["trial"]: one for one in best_configurations(originals, len(originals))}
    lines = []
    for result in results:
        of, replicate = divmod(result["trial"], STRIDE)
        its = by_trial[of]
        about = {"of": of, "replicate": replicate, "of_weights": its.weights}
        about |= {"selected": its.value, "candidates": its.candidates}
        lines.append(about | {n: v for n, v in result.items() if n != "trial"})
    return sorted(lines, key=lambda line: (line["selected"], line["of"], line["replicate"]))
