"""Paired differences of an endpoint, and how many pairs have none."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ._load import number
from ._sweep_trials import PRIMARY, Draw, Sweep, Trial, unseen_log_mean, weights_of


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What is compared: a number of each trial and set of weights, on an additive scale.

    - `name`, `title`: in tables.
    - `better`: -1 if lower is better, 1 if higher is.
    - `measure`: from a trial, a name of weights and T; NaN if it has no finite value.
    """

    name: str
    title: str
    better: int
    measure: Callable[[Trial, str, int | None], float]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The differences "treated minus control" of one contrast.

    - `differences`: of the pairs with both values, shape `(n,)`.
    - `gains`, `losses`: pairs in which the treated one is better or worse; one that diverged or is
      not finite is worse than one that is finite. Pairs in which neither is finite, and equal
      ones, are in neither.
    - `without_twin`, `diverged`, `not_finite`: pairs that have no difference, by reason.
    """

    differences: np.ndarray
    gains: int = 0
    losses: int = 0
    without_twin: int = 0
    diverged: int = 0
    not_finite: int = 0


def _column(name: str, *, log: bool) -> Callable[[Trial, str, int | None], float]:
    def measure(trial: Trial, weights: str, seen: int | None) -> float:
        value = number(weights_of(trial).get(weights, {}).get(name))
        if not log:
            return value
        return math.log(value) if value > 0 else math.nan

    return measure


def _displacement(trial: Trial, weights: str, seen: int | None) -> float:
    """Mean of log(Delta(s) / Delta(T)) over unseen s, from the displacements of these weights."""
    found: Mapping[str, Any] = weights_of(trial).get(weights, {}).get("by_length", {})
    lengths, values = found.get("length", []), found.get("displacement", [])
    at = dict(zip(lengths, map(number, values), strict=False))
    base = at.get(seen, math.nan)
    if not base > 0:
        return math.nan
    return unseen_log_mean(lengths, values, seen) - math.log(base)


def _mediator(name: str) -> Callable[[Trial, str, int | None], float]:
    def measure(trial: Trial, weights: str, seen: int | None) -> float:
        raw = weights_of(trial).get("raw", {})
        lengths = raw.get("by_length", {}).get("length", [])
        return unseen_log_mean(lengths, (trial.get("mediators") or {}).get(name) or [], seen)

    return measure


def _seen_variation(trial: Trial, weights: str, seen: int | None) -> float:
    """Mean log total variation over lengths <= T, cut off at 1e-12 as that over unseen ones is."""
    found = weights_of(trial).get(weights, {}).get("by_length", {})
    both = zip(found.get("length", []), map(number, found.get("tv", [])), strict=False)
    values = [tv for length, tv in both if seen is not None and length <= seen]
    return float(np.mean([math.log(max(tv, 1e-12)) for tv in values])) if values else math.nan


def _log_noise(trial: Trial, weights: str, seen: int | None) -> float:
    del weights, seen  # it is that of the raw weights
    value = number((trial.get("mediators") or {}).get("gradient_noise"))
    return math.log(value) if value > 0 and weights_of(trial) else math.nan


ENDPOINTS = (
    Endpoint(PRIMARY, "log total variation", -1, _column(PRIMARY, log=False)),
    Endpoint("itr_unseen", "log illegal token rate", -1, _column("itr_unseen", log=True)),
    Endpoint("separation_unseen", "separation", 1, _column("separation_unseen", log=False)),
    Endpoint(
        "log_tv_unseen_fitted",
        "log total variation, fitted temperature",
        -1,
        _column("log_tv_unseen_fitted", log=False),
    ),
    Endpoint(
        "itr_unseen_fitted",
        "log illegal token rate, fitted temperature",
        -1,
        _column("itr_unseen_fitted", log=True),
    ),
)
"""The primary endpoint first. Rates are compared as logs; separation, in logits, is not."""
DISPLACEMENT = Endpoint(
    "displacement_ratio", "log displacement ratio", 1, _mediator("displacement_ratio")
)
EFFECTIVE_TOKENS = Endpoint(
    "effective_tokens", "log effective tokens", 1, _mediator("effective_tokens")
)
"""No direction is predicted: `better` is just that the number rises."""
WEIGHTS_DISPLACEMENT = Endpoint("displacement_ratio", "log displacement ratio", 1, _displacement)
SEEN_VARIATION = Endpoint("log_tv_seen", "log total variation, seen lengths", -1, _seen_variation)
LOG_NOISE = Endpoint("gradient_noise", "log gradient noise", 1, _log_noise)


def dropout_pairs(
    draws: Iterable[Draw], endpoint: Endpoint, *, seen: int | None, weights: str = "raw"
) -> Pairs:
    """Dropout minus its twin without, a pair for each draw with dropout."""
    differences, count = [], dict.fromkeys(_COUNTS, 0)
    for draw in draws:
        if draw.trial is None or draw.twin is None:
            count["without_twin"] += 1
            continue
        mine = endpoint.measure(draw.trial, weights, seen)
        its = endpoint.measure(draw.twin, weights, seen)
        _judge([(mine, its)], draw.trials, endpoint, differences, count)
    return Pairs(np.array(differences, float), **count)


def averaging_pairs(
    draws: Iterable[Draw], endpoint: Endpoint, average: str, *, seen: int | None
) -> Pairs:
    """An average minus the raw weights of the same run.

    A draw and its twin share data and initial weights, so they are one observation and not two:
    the mean of their differences, or the one there is.
    """
    differences, count = [], dict.fromkeys(_COUNTS, 0)
    for draw in draws:
        sides = [
            (endpoint.measure(trial, average, seen), endpoint.measure(trial, "raw", seen))
            for trial in draw.trials
        ]
        _judge(sides, draw.trials, endpoint, differences, count)
    return Pairs(np.array(differences, float), **count)


def measured(draws: Iterable[Draw], endpoint: Endpoint, weights: str, *, seen: int | None) -> Pairs:
    """The endpoint itself, to compare groups of draws: the mean over a draw and its twin."""
    values, count = [], {"diverged": 0, "not_finite": 0}
    for draw in draws:
        found = [endpoint.measure(trial, weights, seen) for trial in draw.trials]
        known = [value for value in found if math.isfinite(value)]
        if known:
            values.append(sum(known) / len(known))
        else:
            reason = any(trial["status"] == "diverged" for trial in draw.trials)
            count["diverged" if reason else "not_finite"] += 1
    return Pairs(np.array(values, float), **count)


def draws_with_dropout(sweep: Sweep) -> list[Draw]:
    """Those that have a dropout contrast, once both trials are there."""
    return [draw for draw in sweep.draws if draw.trial is not None and draw.dropout > 0]


_COUNTS: tuple[str, ...] = ("gains", "losses", "without_twin", "diverged", "not_finite")


def _judge(
    sides: list[tuple[float, float]],
    trials: list[Trial],
    endpoint: Endpoint,
    differences: list[float],
    count: dict[str, int],
) -> None:
    """Enter one pair: its difference, or why it has none, and which side is better."""
    known = [a - b for a, b in sides if math.isfinite(a - b)]
    if known:
        difference = sum(known) / len(known)
        differences.append(difference)
        gain = difference * endpoint.better
    else:
        reason = any(trial["status"] == "diverged" for trial in trials)
        count["diverged" if reason else "not_finite"] += 1
        gain = sum(math.isfinite(a) - math.isfinite(b) for a, b in sides)
    count["gains"] += gain > 0
    count["losses"] += gain < 0
