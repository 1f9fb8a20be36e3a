"""What a worker of a sweep does: take waiting trials, one or a population at a time, run and tell them."""

import contextlib
import json
import os
import socket
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from ._design import DESIGN, Row
from ._distributions import distribution_of
from ._laws import Conditional, Law
from ._lease import Lease
from ._population import Populations
from ._queue import any_waiting
from ._run_trial import run_trial


if TYPE_CHECKING:
    from ._study import Study


class Worker:
    """One worker of a study; see `Study.work` for its arguments."""

    def __init__(self, study: "Study", population: int | None = None):
        self.study = study
        self.space = study.space
        self.optuna = study.optuna
        together = population is not None or jax.default_backend() != "cpu"
        self.populations = Populations(study.space, population) if together else None

    def run(self, poll: float) -> int:
        """Run trials until there is none left; returns how many ran here."""
        ran, watched = 0, set()
        database: Any = self.optuna._storage
        while True:
            optuna.storages.fail_stale_trials(self.optuna)
            if self.populations is not None and self._next():
                ran += self._run_group(self.populations)
            elif self._next():
                # What is lost with the connection is the current trial: its heartbeat ends, and it
                # is queued again.
                with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
                    # Refused: a trial that was thought to be dead, and has been queued again.
                    self.optuna.optimize(self._objective, 1, catch=(Exception,))
                ran += 1
            elif running := self.study.trials(TrialState.RUNNING):
                # Whoever runs it may die, even before its first heartbeat, and Optuna never gives up
                # a trial without one: so it gets one from here, once.
                for trial_id in {trial._trial_id for trial in running} - watched:
                    database.record_heartbeat(trial_id)
                    watched.add(trial_id)
                time.sleep(poll)
            else:
                return ran

    def _next(self) -> bool:
        if any_waiting(self.optuna):
            return True
        if self.study.sampler == DESIGN:
            return False
        made = self.study.trials(TrialState.COMPLETE, TrialState.RUNNING)
        failed = [t for t in self.study.trials(TrialState.FAIL) if "error" in t.user_attrs]
        return len(made) + len(failed) < self.study.draws

    def _objective(self, trial: optuna.Trial) -> float:
        trial.set_user_attr("process", [socket.gethostname(), os.getpid()])
        try:
            result = run_trial(self.space, self._row(trial))
        except optuna.TrialPruned:
            raise
        except Exception as error:
            _blame(trial, error)
            raise
        return _remember(trial, result)

    def _run_group(self, populations: Populations) -> int:
        """Take a group of trials, train it together, and tell the result of each; returns how many."""
        finished = optuna.exceptions.UpdateFinishedTrialError
        with Lease(self.optuna._storage) as lease:
            taken = self._take(populations, lease)
            left = {trial.number: trial for trial in taken}

            def end(trial: optuna.Trial, result: dict[str, Any] | Exception | None) -> None:
                # Refused, where it was thought to be dead and has been queued again.
                with contextlib.suppress(ValueError, finished):
                    if isinstance(result, dict):
                        self.optuna.tell(trial, _remember(trial, result))
                    elif result is None:
                        self.optuna.tell(trial, state=TrialState.PRUNED)
                    else:
                        _blame(trial, result)
                        self.optuna.tell(trial, state=TrialState.FAIL)
                lease.drop(trial._trial_id)
                del left[trial.number]

            try:
                groups: dict[int, list[tuple[optuna.Trial, Row]]] = {}
                for trial in taken:
                    try:
                        row = self._row(trial)
                        groups.setdefault(row.shape, []).append((trial, row))
                    except (optuna.TrialPruned, finished):
                        end(trial, None)
                    except Exception as error:
                        end(trial, error)
                for group in groups.values():
                    try:
                        results = populations.run([row for _, row in group])
                    except Exception as error:
                        results = [error] * len(group)
                    for (trial, _), result in zip(group, results, strict=True):
                        end(trial, result)
            except BaseException:
                for trial in left.values():  # as Optuna does with its one
                    with contextlib.suppress(ValueError, finished):
                        self.optuna.tell(trial, state=TrialState.FAIL)
                raise
        return len(taken)

    def _take(self, populations: Populations, lease: Lease) -> list[optuna.Trial]:
        """Waiting trials of one static shape; with a sampler, as many new ones, of whatever shape."""
        taken: list[optuna.Trial] = []

        def take(trial: optuna.Trial) -> None:
            lease.add(trial._trial_id)
            trial.set_user_attr("process", [socket.gethostname(), os.getpid()])
            taken.append(trial)

        if self.study.sampler != DESIGN:
            shapes = range(len(self.space.shapes()))
            size = min(populations.size(shape, rows=self.study.draws) for shape in shapes)
            while len(taken) < size and self._next():
                with warnings.catch_warnings():  # that there is no heartbeat: the lease is one
                    warnings.filterwarnings("ignore", message="Heartbeat of storage")
                    take(self.optuna.ask())
            return taken
        waiting = self.study.trials(TrialState.WAITING)
        # None: a trial that someone else enqueued, of no row.
        shapes = [trial.user_attrs.get("row", {}).get("shape") for trial in waiting]
        if not shapes:
            return taken
        # The shape that this worker has compiled, as long as there are rows of it.
        shape = populations.last if populations.last in shapes else shapes[0]
        of_shape = sum(row.shape == shape for row in self.study.rows())
        size = 1 if shape is None else populations.size(shape, rows=of_shape)
        for trial, its in zip(waiting, shapes, strict=True):
            # As `ask`, which cannot choose: who marks a waiting trial as running has it.
            if its == shape and len(taken) < size:
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                    running = TrialState.RUNNING
                    if self.optuna._storage.set_trial_state_values(trial._trial_id, running):
                        take(optuna.Trial(self.optuna, trial._trial_id))
        return taken

    def _row(self, trial: optuna.Trial) -> Row:
        """The row that was enqueued; with a sampler, one made of what it suggests."""
        enqueued = trial.user_attrs.get("row")
        if self.study.sampler == DESIGN:
            if enqueued is None:  # another worker took the last row in the meantime
                raise optuna.TrialPruned("no row of the design was left")
            row = Row(**enqueued)
            for path, law in self.space.laws.items():
                value = row.params[path]
                if not isinstance(law, Conditional) or row.params[law.on] == law.equals:
                    suggested = _suggest(trial, path, law)
                    assert suggested == value, (path, suggested, value)
            return row
        params: dict[str, Any] = {}
        for path, law in self.space.laws.items():
            if isinstance(law, Conditional) and params[law.on] != law.equals:
                params[path] = law.otherwise
            else:
                params[path] = _suggest(trial, path, law)
        static = {path: params[path] for path in self.space.static}
        rng = np.random.default_rng(np.random.SeedSequence([self.study.seed, trial.number]))
        shape = self.space.shapes().index(static)
        return Row(2 * trial.number, trial.number, False, shape, int(rng.integers(2**32)), params)


def _blame(trial: optuna.Trial, error: Exception) -> None:
    trial.set_user_attr("error", "".join(traceback.format_exception_only(error)).strip())


def _remember(trial: optuna.Trial, result: dict[str, Any]) -> float:
    """Store a trial's result; returns its value."""
    trial.set_user_attr("result", json.loads(json.dumps(result)))
    raw = result["weights"].get("raw", {}).get("log_tv_unseen")
    return 0.0 if raw is None else raw  # log 1, the largest total variation there is


def _suggest(trial: optuna.Trial, path: str, law: Law) -> Any:
    distribution = distribution_of(path, law)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(path, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(path, distribution.choices)
