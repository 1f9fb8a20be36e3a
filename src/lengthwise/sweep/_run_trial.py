"""One row of the design, trained and measured."""

import math
import time
from typing import Any

import jax
import numpy as np

from .._core import InputError
from ..evaluation import Evaluation, attention_dispersion
from ..models import Transformer
from ..training import ExperimentConfig, RunResult, build_experiment, chunk_traces, stream, train
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
    result: dict[str, Any] = vars(row) | {"params": _single_rates(row, experiment)}
    result |= {"status": "diverged", "weights": {}, "mediators": {}}
    try:
        run = train(task, model, experiment.training, experiment.hparams, key=key)
        result |= {"status": run.status, "message": run.message, "seen": run.seen}
        result["weights"] = {n: _measured(found, run.seen) for n, found in run.evaluations.items()}
        result["mediators"] = _mediators(task, run, experiment.training.evaluation, key)
    except InputError as error:  # finite weights so large that the logits are not numbers
        result["message"] = str(error)
    if result["status"] == "interrupted":
        raise KeyboardInterrupt
    result["seconds"] = time.perf_counter() - began
    result["traces"] = chunk_traces() - traces
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


def _mediators(task: Any, run: RunResult, config: Any, key: jax.Array) -> dict[str, Any]:
    """Dispersion of the raw weights: attended tokens by length, and Delta(s) / Delta(T)."""
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
    return found


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
