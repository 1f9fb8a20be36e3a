"""One row of the design, trained and measured."""

import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.random as jr
import numpy as np

from .._core import InputError
from ..evaluation import Evaluation, attention_dispersion
from ..models import Transformer
from ..training import (
    NOISE,
    ExperimentConfig,
    RunResult,
    build_experiment,
    build_task,
    chunk_traces,
    gradient_noise,
    stream,
    train,
)
from ._design import Row
from ._paths import DROPOUT
from ._space import SearchSpace


def run_trial(space: SearchSpace, row: Row) -> dict[str, Any]:
    """Train the experiment of `row` and measure it: one line of `trials.jsonl`.

    A run that diverges is a result too, with the status "diverged" and its reason; where its last
    good weights cannot be measured either, `weights` is empty.

    **Returns:** JSON values, see the room's `trials.jsonl`; `traces` is the number of compilations
    of the training step that this trial caused: one in each process and static shape.
    """
    began, traces = time.perf_counter(), chunk_traces()
    experiment = row.experiment(space)
    task, model, key = build_experiment(experiment)
    training, hparams = experiment.training, experiment.hparams
    one = jax.devices()[:1]  # the same sums, whatever the machine has
    run = lambda: train(task, model, training, hparams, devices=one, key=key)
    result = measure_trial(row, experiment, run)
    result["seconds"] = time.perf_counter() - began
    result["traces"] = chunk_traces() - traces
    return result


def measure_trial(
    row: Row, experiment: ExperimentConfig, run: Callable[[], RunResult]
) -> dict[str, Any]:
    """What a trial is remembered by: as `run_trial`, without `seconds` and `traces`.

    **Arguments:**

    - `row`, `experiment`: the row, and its experiment.
    - `run`: trains it, and measures its weights.
    """
    result: dict[str, Any] = vars(row) | {"params": _single_rates(row, experiment)}
    result |= {"status": "diverged", "weights": {}, "mediators": {}}
    try:
        done = run()
        if done.status == "interrupted":
            raise KeyboardInterrupt
        result |= {"status": done.status, "message": done.message, "seen": done.seen}
        result["weights"] = {
            n: _measured(found, done.seen) for n, found in done.evaluations.items()
        }
        result["mediators"] = _mediators(experiment, done)
    except InputError as error:  # finite weights so large that the logits are not numbers
        result["message"] = str(error)
    return result


def _single_rates(row: Row, experiment: ExperimentConfig) -> dict[str, Any]:
    """The row's parameters, with one rate for all dropouts written as that of each of them."""
    params = dict(row.params)
    if DROPOUT in params:
        del params[DROPOUT]
        rates = experiment.hparams.dropout._asdict()
        params |= {f"{DROPOUT}.{n}": rate for n, rate in rates.items() if rate is not None}
    return params


def log_tv(tv: float) -> float:
    """The logarithm of a total variation, which rounds to 0 only below any single precision."""
    return math.log(max(tv, 1e-12))


def _measured(found: Evaluation, seen: int) -> dict[str, Any]:
    lengths = list(found.column("length"))
    values: dict[str, Any] = {}
    by_length: dict[str, list[Any]] = {"length": lengths}
    for name in ("tv", "itr", "separation", "displacement"):
        by_length[name] = [_number(value) for value in found.column(name).values()]
    for name in ("tv", "itr"):
        column = found.column(name, temperature="fitted")
        by_length[f"{name}_fitted"] = [_number(value) for value in column.values()]
    for end, kind in (("", "given"), ("_fitted", "fitted")):
        tv = [v for n, v in found.column("tv", temperature=kind).items() if n > seen]
        values[f"log_tv_unseen{end}"] = float(np.mean([log_tv(v) for v in tv]))
        values[f"itr_unseen{end}"] = found.mean("itr", seen=False, temperature=kind)
    values["separation_unseen"] = found.mean("separation", seen=False)
    return {name: _number(value) for name, value in values.items()} | {"by_length": by_length}


def _mediators(experiment: ExperimentConfig, run: RunResult) -> dict[str, Any]:
    """Through what the remedies are said to act, both of the raw weights.

    Dispersion: the effective number of attended tokens by length, and Delta(s) / Delta(T). Noise: of
    the gradient of one training batch, its part from the labels, both also by training length.
    """
    task, config = build_task(experiment), experiment.training.evaluation
    key = jr.key(experiment.seed)
    raw = run.evaluations["raw"].column("displacement")
    ratio = [_number(value / raw[run.seen]) if raw[run.seen] else None for value in raw.values()]
    found: dict[str, Any] = {"displacement_ratio": ratio, "effective_tokens": None}
    model = run.models["raw"]
    if isinstance(model, Transformer):
        rows = attention_dispersion(
            task, model, config, seen=run.seen, key=stream(key, "evaluation")
        ).rows
        tokens = {n: [r["effective"] for r in rows if r["length"] == n] for n in task.lengths()}
        found["effective_tokens"] = [_number(float(np.mean(v))) for v in tokens.values()]
    noise = gradient_noise(
        task,
        run.models["raw"],
        experiment.training,
        exact_loss=experiment.hparams.exact_loss,
        key=stream(key, "noise"),
    )
    for measure, name in zip(
        NOISE, ("gradient_noise", "label_noise", "gradient_signal"), strict=True
    ):
        found[name] = _number(noise.whole[measure])
        found[f"{name}_by_length"] = [_number(row[measure]) for row in noise.rows[:-1]]
    return found


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
