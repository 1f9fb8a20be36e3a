"""What is measured of a run, on the way and at its end; a single run and a member of a population alike."""

import dataclasses
import functools as ft
import pathlib
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from .._core import require
from ..evaluation import METRICS, Evaluator
from ..models import AbstractModel
from ..tasks import AbstractTask
from ._average import average_name
from ._chunk import (
    StepMetrics,
    TrainState,
    averaged_models,
    build_averages,
    traced_hparams,
)
from ._config import Hparams, TrainingConfig
from ._result import RunResult, Status
from ._streams import stream


class Meter:
    """The measurements of one run.

    **Arguments:**

    - `task`, `config`: what is trained.
    - `hparams`: as given, or with averages built.
    - `key`: the run's. (Keyword only argument.)
    """

    def __init__(
        self, task: AbstractTask, config: TrainingConfig, hparams: Hparams, *, key: PRNGKeyArray
    ):
        self.task = task
        self.config = config
        hparams = build_averages(hparams)
        self.names = average_names(hparams)
        self.hparams = traced_hparams(hparams)
        self.seen = config.lengths.build().max_length
        self.key = key

    def models(self, state: TrainState) -> dict[str, AbstractModel]:
        """The model with its raw weights, and with those of every average."""
        averaged = [model for model, _ in averaged_models(state, self.hparams)]
        return {"raw": state.model} | dict(zip(self.names, averaged, strict=True))

    def watch(self, state: TrainState) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """Rows of `history.csv`, every set of weights at every length; and values for the loggers."""
        rows, values = [], {}
        for name, weights in self.models(state).items():
            found = self._watcher.model(weights, fitted=False)
            about = {"step": int(state.step), "weights": name}
            kept = ("length", "seen", *METRICS)
            rows.extend(about | {column: row[column] for column in kept} for row in found.rows)
            values[f"itr_unseen/{name}"] = found.mean("itr", seen=False)
        return rows, values

    def result(
        self,
        state: TrainState,
        *,
        status: Status,
        message: str,
        metrics: list[dict[str, Any]],
        history: list[dict[str, Any]],
        seconds: float,
        directory: pathlib.Path | None = None,
    ) -> RunResult:
        """The run that ended in `state`, its weights measured unless it was interrupted."""
        models, evaluations = self.models(state), {}
        if status != "interrupted":
            evaluator = Evaluator(
                self.task,
                self.config.evaluation,
                seen=self.seen,
                key=stream(self.key, "evaluation"),
            )
            evaluations = {name: evaluator.model(model) for name, model in models.items()}
        masses = [float(mass) for _, mass in averaged_models(state, self.hparams)]
        done = int(state.step)
        return RunResult(
            status=status,
            message=message,
            steps=done,
            models=models,
            evaluations=evaluations,
            initial_mass={"raw": float(done == 0)} | dict(zip(self.names, masses, strict=True)),
            metrics=metrics,
            history=history,
            seen=self.seen,
            seconds=seconds,
            directory=directory,
            length_label=self.task.length_label,
        )

    @ft.cached_property
    def _watcher(self) -> Evaluator:
        quick = dataclasses.replace(
            self.config.evaluation, examples=self.config.history_examples, exhaustive_inputs=0
        )
        return Evaluator(self.task, quick, seen=self.seen, key=stream(self.key, "history"))


def average_names(hparams: Hparams) -> list[str]:
    """The names of built averages, which must differ."""
    names = [average_name(average) for average in hparams.averages]
    repeated = sorted({name for name in names if names.count(name) > 1})
    require(not repeated, "Averages that differ", "drop one of them", repeated=repeated)
    return names


def metric_rows(measured: StepMetrics, done: int) -> list[dict[str, Any]]:
    """Rows of `metrics.jsonl`, of the chunk that began after `done` steps."""
    return [
        {"step": done + i + 1} | {n: float(v[i]) for n, v in vars(measured).items()}
        for i in range(len(measured.loss))
    ]


def divergence(measured: StepMetrics, done: int) -> str | None:
    """A sentence about the first step of this chunk that was not finite, if one was not."""
    finite = np.isfinite(measured.loss) & np.isfinite(measured.grad_norm)
    if finite.all():
        return None
    first = int(np.argmin(finite))
    return (
        f"the loss or its gradient was not finite at step {done + first + 1} "
        f"(learning_rate={float(measured.learning_rate[first]):.3g}): lower "
        f"`learning_rate`, or clip more; the weights of step {done} are kept"
    )
