"""Running recorded trials again, and what a difference may be.

On the machine and with the versions that made a record, a trial gives equal bytes. Elsewhere sums are
rounded otherwise, and training can amplify it. How much it does is measured here and now: the trial
runs again with its learning rate changed by one and by two units in the last place of single
precision, a change of the size of a rounding. If the record is right, a number as recorded, as run here
and as nudged are samples of one cloud. So the recorded number must lie in the prediction interval that
the m local ones give for one more, with their mean c and standard deviation d,

    c +- t d sqrt(1 + 1 / m),

t being the quantile of Student's law with m - 1 degrees of freedom at the level 0.001, divided by how
many numbers there are. It may also lie within `RESOLUTION` of them, as a nudge need not show every
rounding. Measured on three short trials, recorded with AVX2 and run again with SSE4.2 alone: 77 to 83 %
of the numbers differ, log total variations by 2e-8; the interval holds every number of two trials, and
all but 9 of 150 in the third, which are within 1e-6.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from ._paths import get_path, set_path
from ._recorded import recorded_row
from ._run_trial import run_trial
from ._space import SearchSpace


RATE = "hparams.learning_rate"
NUDGES = (-2, -1, 1, 2)
"""Units in the last place."""
LEVEL = 1e-3
RESOLUTION = 1e-5
"""Relative to the largest local number of the same kind, such as the total variation by length."""
TIMES = ("seconds", "traces")
"""What another run may change."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One recorded trial beside the same trial, run again.

    - `equal`: every recorded number and text, times and compilations aside.
    - `holds`: equal, or every number is as near as rounding lets it be here.
    - `numbers`, `differing`: how many there are, and how many differ.
    - `largest`: the largest difference of a log total variation at unseen lengths, over the weights.
    - `message`: in words.
    """

    trial: int
    equal: bool
    holds: bool
    numbers: int
    differing: int
    largest: float
    message: str


def check_trial(space: SearchSpace, recorded: Mapping[str, Any]) -> Check:
    """Run the trial of a line of `trials.jsonl` again, and compare.

    **Raises:** `InputError` if the line is not of this space.
    """
    row, trial, theirs = recorded_row(space, recorded), int(recorded["trial"]), flat(recorded)
    again = _again(space, row, recorded)
    differing = [n for n in again if not _same(again[n], theirs.get(n))]
    counts = {"trial": trial, "numbers": len(again), "differing": len(differing)}
    if not differing and set(again) == set(theirs):
        text = f"trial {trial}: equal, all {len(again)} numbers and texts"
        return Check(**counts, equal=True, holds=True, largest=0.0, message=text)
    nudged = [_again(*_nudged(space, recorded, steps), recorded) for steps in NUDGES]
    wrong = compare(theirs, [again, *nudged])
    logs = [name for name in differing if name.endswith("/log_tv_unseen")]
    largest = max((_distance(theirs.get(n), again[n]) for n in logs), default=0.0)
    said = f"{len(differing)} of {len(again)} numbers and texts differ, log TV by {largest:.2g} at most"
    text = f"trial {trial}: match but for rounding, {said}"
    if wrong:
        text = f"trial {trial}: no match, {said}; more than rounding at {len(wrong)}: {wrong[0]}"
    return Check(**counts, equal=False, holds=not wrong, largest=largest, message=text)


def compare(recorded: Mapping[str, Any], local: Sequence[Mapping[str, Any]]) -> list[str]:
    """What in a record is not as several local runs have it, in words; empty if all is.

    **Arguments:**

    - `recorded`: from `flat`.
    - `local`: the same of the runs made here.
    """
    names = sorted({*recorded, *local[0]})
    kinds: dict[str, float] = {}
    for name in names:
        sizes = [abs(one[name]) for one in local if _is_number(one.get(name))]
        kinds[_kind(name)] = max([kinds.get(_kind(name), 0.0), *sizes])
    wrong = []
    for name in names:
        theirs: Any = recorded.get(name)
        ours: list[Any] = [one.get(name) for one in local]
        if _is_number(theirs) and all(map(_is_number, ours)):
            allowed = tolerance(np.array(ours, float), level=LEVEL / len(names))
            allowed = max(allowed, RESOLUTION * kinds[_kind(name)])
            distance = min(abs(theirs - float(np.mean(ours))), abs(theirs - ours[0]))
            if not distance <= allowed:
                wrong.append(f"{name} is off by {distance:.2g}, rounding allows {allowed:.2g}")
        elif not any(_same(theirs, one) for one in ours):
            wrong.append(f"{name} is {theirs!r}, here {ours[0]!r}")
    return wrong


def tolerance(local: np.ndarray, *, level: float) -> float:
    """Half the prediction interval at `level` that normal samples give for one more."""
    m = local.size
    t = float(scipy.stats.t.ppf(1 - level / 2, m - 1))
    return t * float(local.std(ddof=1)) * math.sqrt(1 + 1 / m)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Numbers and texts of nested JSON by their paths, without times."""
    if isinstance(value, Mapping):
        parts = [(str(k), v) for k, v in value.items() if name or k not in TIMES]
    elif isinstance(value, list | tuple):
        parts = [(str(i), v) for i, v in enumerate(value)]
    else:
        return {name: value}
    return {k: v for part, one in parts for k, v in flat(one, f"{name}/{part}").items()}


def _again(space: SearchSpace, row: Any, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What the record has of a new run, flat; its parameters are as recorded, nudged or not."""
    result = json.loads(json.dumps(run_trial(space, row)))
    result["params"] = recorded["params"]
    kinds = {_kind(name) for name in flat(recorded)}  # others were not measured when it was made
    return {name: value for name, value in flat(result).items() if _kind(name) in kinds}


def _nudged(space: SearchSpace, recorded: Mapping[str, Any], steps: int) -> tuple[SearchSpace, Any]:
    """The same trial in a space of its own, so that no law limits its learning rate."""
    row = recorded_row(space, recorded)
    experiment = row.experiment(space)
    rate = np.float32(get_path(experiment, RATE))
    moved = float(rate + steps * np.spacing(rate))
    hparams = set_path(experiment.hparams, "learning_rate", moved)
    experiment = dataclasses.replace(experiment, hparams=hparams)
    return SearchSpace(experiment, {}), dataclasses.replace(row, params={})


def _kind(name: str) -> str:
    """The path without the place in a list."""
    head, _, last = name.rpartition("/")
    return head if last.isdigit() else name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(ours: Any, theirs: Any) -> bool:
    return json.dumps(ours) == json.dumps(theirs)


def _distance(ours: Any, theirs: Any) -> float:
    return abs(ours - theirs) if _is_number(ours) and _is_number(theirs) else math.inf
