"""The trials of a sweep as its statistics see them: draws with their twins, and what is missing."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._core import InputError, StorageError
from ._load import number
from ._sweep_files import read_record, record_file


Trial = Mapping[str, Any]
"""One line of `trials.jsonl`."""
PRIMARY = "log_tv_unseen"
"""The primary endpoint, fixed before the run: mean log total variation over unseen lengths."""
FIELDS = ("trial", "draw", "twin", "seed", "status", "params")
"""What every trial has; one that completed has `weights` too."""
DROPOUT = "hparams.dropout."
"""How the names of dropout rates begin."""
RATE = "hparams.learning_rate"
BIN_EDGES = (0.0, 0.15, 0.3)
"""Dropout rates fall into (0, 0.15], (0.15, 0.3] and above 0.3."""
BINS = ("(0, 0.15]", "(0.15, 0.3]", "> 0.3")


@dataclasses.dataclass(frozen=True)
class Draw:
    """One drawn configuration: its trial, and its twin with the same seed and without dropout."""

    number: int
    trial: Trial | None
    twin: Trial | None

    @property
    def trials(self) -> list[Trial]:
        """Those of the two that are there."""
        return [one for one in (self.trial, self.twin) if one is not None]

    @property
    def params(self) -> Mapping[str, Any]:
        """The drawn hyperparameters; those of the twin where only it is known."""
        return self.trials[0]["params"]

    @property
    def dropout(self) -> float:
        """The largest of the drawn dropout rates; NaN where only the twin is known."""
        return math.nan if self.trial is None else dropout_rate(self.trial)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """All trials of a sweep.

    - `trials`: in the order of their numbers; of a number that stands twice, the last line.
    - `draws`: the same, paired.
    - `repeated`: how many lines were replaced by a later one of the same trial.
    - `seen`: the longest training length T, or `None` if the trials do not tell.
    - `bands`: the terciles of the learning rates of all draws; `None` if fewer than 3 rates differ.
    """

    trials: Sequence[Trial]
    draws: Sequence[Draw]
    repeated: int
    seen: int | None
    bands: tuple[float, float] | None

    @property
    def averages(self) -> list[str]:
        """Names of the averaged weights, in the order of their first appearance."""
        names = dict.fromkeys(name for trial in self.trials for name in weights_of(trial))
        return [name for name in names if name != "raw"]

    def counts(self) -> dict[str, int]:
        """Of trials, pairs, and everything that a contrast must do without."""
        with_dropout = [draw for draw in self.draws if draw.trial is None or draw.dropout > 0]
        values = [number(w.get(PRIMARY)) for t in self.trials for w in weights_of(t).values()]
        return {
            "trials": len(self.trials),
            "draws": len(self.draws),
            "pairs": sum(draw.trial is not None and draw.twin is not None for draw in with_dropout),
            "without_twin": sum(draw.twin is None for draw in with_dropout),
            "twin_only": sum(draw.trial is None for draw in self.draws),
            "without_dropout": len(self.draws) - len(with_dropout),
            "diverged": sum(trial["status"] == "diverged" for trial in self.trials),
            "not_finite": sum(math.isnan(value) for value in values),
            "repeated": self.repeated,
        }

    def notes(self) -> list[str]:
        """A sentence for each kind of trial that is missing, diverged or not finite."""
        count = self.counts()
        sentences = {
            "without_twin": "{} draws have no twin yet: they are in no dropout contrast.",
            "twin_only": "{} twins have no trial with dropout yet: they are in no dropout contrast.",
            "without_dropout": "{} draws have no dropout: they are in no dropout contrast.",
            "diverged": "{} trials diverged: they have no value, so medians and intervals leave them "
            "out; the sign test counts the diverged one of a pair as the worse, and leaves out "
            "pairs of which both diverged.",
            "not_finite": "{} sets of weights of completed trials have no finite log total "
            "variation; they are treated as those of diverged trials.",
            "repeated": "{} lines were replaced by a later line of the same trial.",
        }
        found = [text.format(count[name]) for name, text in sentences.items() if count[name]]
        if self.seen is None and self.trials:
            found.append(
                "The trials do not tell the longest training length, so there is no mediator."
            )
        return found


def read_trials(path: str | pathlib.Path) -> Sweep:
    """Read and check the trials of a sweep, finished or under way.

    **Arguments:**

    - `path`: the sweep's directory, or its `trials.jsonl`, `trials.jsonl.gz` or `trials.jsonl.xz`.

    **Returns:** a `Sweep`. A last line that was cut short is left out, as the trial is then made
    again.

    **Raises:** `StorageError` if the file is missing or a line lacks a field; `InputError` if a
    twin is none: with dropout, or with another seed or hyperparameter than its draw.

    **Example:** `read_trials("sweeps/default").counts()`
    """
    file = record_file(pathlib.Path(path), "trials")
    if not file.is_file():
        raise StorageError(
            f"`{file}` must hold the trials of a sweep, but there is no such file: check the path, "
            "or begin with `lengthwise sweep run`."
        )
    return sweep_of(read_record(file), source=str(file))


def sweep_of(lines: Sequence[Trial], *, source: str = "trials") -> Sweep:
    """The sweep of trials that are in memory; as `read_trials`."""
    for i, line in enumerate(lines):
        missing = [name for name in FIELDS if name not in line]
        if line.get("status") == "completed" and "raw" not in weights_of(line):
            missing.append("weights.raw")
        if missing:
            raise StorageError(
                f"`{source}` must hold the fields ({', '.join(FIELDS)}) in every line, and raw "
                f"weights where it completed, but line {i + 1} is damaged ({missing=}): restore it "
                "or start anew."
            )
    by_number = {int(line["trial"]): line for line in lines}
    trials = [by_number[i] for i in sorted(by_number)]
    halves: dict[int, dict[bool, Trial]] = {}
    for trial in trials:
        halves.setdefault(int(trial["draw"]), {})[bool(trial["twin"])] = trial
    draws = [Draw(i, two.get(False), two.get(True)) for i, two in sorted(halves.items())]
    for draw in draws:
        _check_twin(draw)
    return Sweep(trials, draws, len(lines) - len(trials), _longest_seen(trials), _terciles(draws))


def weights_of(trial: Trial) -> Mapping[str, Mapping[str, Any]]:
    """The measured values of each set of weights; none where the trial diverged."""
    return (trial.get("weights") or {}) if trial["status"] == "completed" else {}


def short_name(weights: str) -> str:
    """The name of weights, cut in the middle, for the title of a panel."""
    return weights if len(weights) <= 34 else f"{weights[:20]}…{weights[-13:]}"


def dropout_rate(trial: Trial) -> float:
    """The largest dropout rate of a trial, wherever it acts."""
    rates = [number(v) for name, v in trial["params"].items() if name.startswith(DROPOUT)]
    return max((rate for rate in rates if not math.isnan(rate)), default=0.0)


def rate_bin(rate: float) -> str:
    """The bin of a positive dropout rate; "0" without dropout, "" for NaN."""
    if math.isnan(rate):
        return ""
    return ("0", *BINS)[sum(rate > edge for edge in BIN_EDGES)]


def unseen_log_mean(lengths: Sequence[Any], values: Sequence[Any], seen: int | None) -> float:
    """The mean of `log(values)` over lengths above `seen`; NaN where any is not positive."""
    if seen is None or len(lengths) != len(values):
        return math.nan
    later = [number(v) for n, v in zip(lengths, values, strict=True) if n > seen]
    if not later or not all(value > 0 for value in later):
        return math.nan
    return sum(math.log(value) for value in later) / len(later)


def _check_twin(draw: Draw) -> None:
    if draw.twin is None:
        return
    problem = "dropout above 0" if dropout_rate(draw.twin) > 0 else ""
    if draw.trial is not None:
        mine, its = (
            {n: v for n, v in one["params"].items() if not n.startswith(DROPOUT)}
            | {"seed": one["seed"]}
            for one in (draw.trial, draw.twin)
        )
        differing = sorted(n for n in mine.keys() | its.keys() if mine.get(n) != its.get(n))
        problem = problem or (f"another {differing[0]}" if differing else "")
    if problem:
        raise InputError(
            "A twin must be its draw with dropout 0 and all else equal, but got "
            f"(draw={draw.number}) whose twin has {problem}: take the trials of one sweep only."
        )


def _terciles(draws: Sequence[Draw]) -> tuple[float, float] | None:
    rates = [number(draw.params.get(RATE)) for draw in draws]
    rates = [rate for rate in rates if not math.isnan(rate)]
    if len(set(rates)) < 3:
        return None
    low, high = np.quantile(rates, [1 / 3, 2 / 3])
    return float(low), float(high)


def _longest_seen(trials: Sequence[Trial]) -> int | None:
    """T: what the trials say, or the one length at which every displacement ratio is 1."""
    told = {trial["seen"] for trial in trials if isinstance(trial.get("seen"), int)}
    if told:
        return max(told) if len(told) == 1 else None
    ones: set[int] | None = None
    for trial in trials:
        weights = weights_of(trial)
        if not weights:
            continue
        lengths = weights["raw"].get("by_length", {}).get("length", [])
        ratios = (trial.get("mediators") or {}).get("displacement_ratio") or []
        if len(lengths) != len(ratios):
            return None
        values = [number(ratio) for ratio in ratios]
        at_one = {n for n, r in zip(lengths, values, strict=True) if abs(r - 1) < 1e-6}
        if all(map(math.isnan, values)):
            continue
        ones = at_one if ones is None else ones & at_one
    return next(iter(ones)) if ones is not None and len(ones) == 1 else None
