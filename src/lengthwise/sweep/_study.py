"""A sweep as an Optuna study: every row of the design enqueued, each completed once."""

import contextlib
import inspect
import json
import os
import socket
import time
import traceback
import warnings
from typing import Any

import jax
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from .._core import InputError, StorageError
from ..training import build_task, check_lengths
from ._cost import trial_seconds
from ._database import open_storage
from ._design import Row, design
from ._distributions import distribution_of
from ._laws import Conditional, Law
from ._lease import Lease
from ._population import Populations
from ._queue import any_waiting, take_from_the_front
from ._run_trial import run_trial
from ._space import SearchSpace


DESIGN = "design"
"""The name of the search that follows the table of `design`; others are samplers of Optuna."""


class Study:
    """A study of Optuna that belongs to a space, a seed and a sampler.

    Any number of processes may hold it. `optuna` is Optuna's own study, for its tools.
    """

    def __init__(self, study: optuna.Study):
        take_from_the_front(study)
        self.optuna = study
        attributes = study.user_attrs
        self.space = SearchSpace.from_json(attributes["space"])
        self.seed: int = attributes["seed"]
        self.sampler: str = attributes["sampler"]
        self._seconds = trial_seconds(self.space)

    @property
    def draws(self) -> int:
        """How many configurations have been asked for."""
        return self.optuna.user_attrs["draws"]

    def trials(self, *states: TrialState) -> list[optuna.trial.FrozenTrial]:
        """The trials in these states, by default all, in the order of their making."""
        return self.optuna.get_trials(deepcopy=False, states=states or None)

    def results(self) -> list[dict[str, Any]]:
        """The lines of `trials.jsonl`, by trial: one for every complete row."""
        found = {}
        for trial in self.trials(TrialState.COMPLETE):
            result = trial.user_attrs["result"]
            found.setdefault(result["trial"], result)
        return [found[number] for number in sorted(found)]

    def counts(self) -> dict[str, Any]:
        """Rows in all, done, running; those that failed for a reason of their own; and the share of the
        predicted work that is behind.
        """
        # Asked for every few seconds beside the workers: one read, and no table of the design.
        trials, attributes = self.trials(), self.optuna.user_attrs
        done = {t.user_attrs["result"]["trial"] for t in trials if t.state == TrialState.COMPLETE}
        row_of = lambda trial: trial.user_attrs.get("row") or {"trial": -1 - trial.number}
        failed = {
            row_of(t)["trial"]
            for t in trials
            if t.state == TrialState.FAIL and "error" in t.user_attrs
        }
        rows = {row["trial"]: row for row in map(row_of, trials)}
        work = {n: self._seconds[row["shape"]] for n, row in rows.items() if "shape" in row}
        behind = sum(seconds for n, seconds in work.items() if n in done or n in failed)
        twins = self.sampler == DESIGN and self.space.has_twins
        drawn = attributes["draws"] * (1 + twins)
        asked = len(attributes["rows"]) if "rows" in attributes else drawn
        equal = (len(done) + len(failed)) / max(asked, 1)  # with a sampler of Optuna
        total = sum(work.values())  # none of no steps, too
        return {
            "rows": asked,
            "done": len(done),
            "running": sum(t.state == TrialState.RUNNING for t in trials),
            "failed": len(failed - done),
            "share": behind / total if total else equal,
        }

    def errors(self) -> list[str]:
        """Why trials failed, a line each."""
        failed = [t for t in self.trials(TrialState.FAIL) if "error" in t.user_attrs]
        return [
            f"trial {t.user_attrs.get('row', {}).get('trial', t.number)}: {t.user_attrs['error']}"
            for t in failed
        ]

    def rows(self) -> list[Row]:
        """The table of the search, as far as draws were asked for; or the rows that were given."""
        given = self.optuna.user_attrs.get("rows")
        if given is not None:
            return [Row(**row) for row in given]
        return design(self.space, self.draws, self.seed)

    def give(self, rows: list[Row]) -> int:
        """Ask for these rows, and no table, besides those that were given before.

        **Returns:** the number of trials that were added.
        """
        before = self.optuna.user_attrs.get("rows", [])
        given = list({row["trial"]: row for row in [*before, *map(vars, rows)]}.values())
        self.optuna.set_user_attr("rows", given)
        return self.enqueue(self.draws)

    def enqueue(self, draws: int) -> int:
        """Ask for `draws` configurations in all; returns the number of trials that were added.

        Rows that are complete, running or waiting are left alone, so that it can be called again
        after more draws were wanted, or after a crash in the middle of it.
        """
        if draws > self.draws:
            self.optuna.set_user_attr("draws", draws)
        if self.sampler != DESIGN:
            return 0
        live = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
        there = {trial.user_attrs["row"]["trial"] for trial in self.trials(*live)}
        missing = [row for row in self.rows() if row.trial not in there]
        for row in missing:
            self.optuna.enqueue_trial(row.params, user_attrs={"row": vars(row)})
        return len(missing)

    def work(self, *, poll: float = 2.0, population: int | None = None) -> int:
        """Run trials until there is none left, and those that others run have ended.

        **Arguments:**

        - `poll`: seconds between looks at the trials of others.
        - `population`: so many trials of one static shape run together, as one vmapped program. By
          default as many as the memory of an accelerator holds; on a CPU one after the other.
          (Keyword only arguments.)

        **Returns:** how many trials ran here.
        """
        together = population is not None or jax.default_backend() != "cpu"
        populations = Populations(self.space, population) if together else None
        ran, watched = 0, set()
        database: Any = self.optuna._storage
        while True:
            optuna.storages.fail_stale_trials(self.optuna)
            if populations is not None and self._next():
                ran += self._run_group(populations)
            elif self._next():
                # What is lost with the connection is the current trial: its heartbeat ends, and it
                # is queued again.
                with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
                    # Refused: a trial that was thought to be dead, and has been queued again.
                    self.optuna.optimize(self._objective, 1, catch=(Exception,))
                ran += 1
            elif running := self.trials(TrialState.RUNNING):
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
        if self.sampler == DESIGN:
            return False
        made = self.trials(TrialState.COMPLETE, TrialState.RUNNING)
        failed = [t for t in self.trials(TrialState.FAIL) if "error" in t.user_attrs]
        return len(made) + len(failed) < self.draws

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

        if self.sampler != DESIGN:
            shapes = range(len(self.space.shapes()))
            size = min(populations.size(shape, rows=self.draws) for shape in shapes)
            while len(taken) < size and self._next():
                with warnings.catch_warnings():  # that there is no heartbeat: the lease is one
                    warnings.filterwarnings("ignore", message="Heartbeat of storage")
                    take(self.optuna.ask())
            return taken
        waiting = self.trials(TrialState.WAITING)
        # None: a trial that someone else enqueued, of no row.
        shapes = [trial.user_attrs.get("row", {}).get("shape") for trial in waiting]
        if not shapes:
            return taken
        # The shape that this worker has compiled, as long as there are rows of it.
        shape = populations.last if populations.last in shapes else shapes[0]
        of_shape = sum(row.shape == shape for row in self.rows())
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
        if self.sampler == DESIGN:
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
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, trial.number]))
        shape = self.space.shapes().index(static)
        return Row(2 * trial.number, trial.number, False, shape, int(rng.integers(2**32)), params)


def _blame(trial: optuna.Trial, error: Exception) -> None:
    trial.set_user_attr("error", "".join(traceback.format_exception_only(error)).strip())


def _remember(trial: optuna.Trial, result: dict[str, Any]) -> float:
    """Store a trial's result; returns its value."""
    trial.set_user_attr("result", json.loads(json.dumps(result)))
    raw = result["weights"].get("raw", {}).get("log_tv_unseen")
    return 0.0 if raw is None else raw  # log 1, the largest total variation there is


def make_study(
    space: SearchSpace,
    storage: str,
    name: str,
    *,
    seed: int = 0,
    sampler: str = DESIGN,
    heartbeat: int = 15,
) -> Study:
    """The study `name`, made if it is not there.

    **Raises:** `InputError` if it is there with another space, seed or sampler, or if a shape trains
    on lengths outside the task; `StorageError` if the database cannot be reached.
    """
    for shape in space.shapes():
        experiment = space.experiment(shape, seed=0)
        check_lengths(build_task(experiment), experiment.training.lengths.build())
    database = open_storage(storage, heartbeat=heartbeat)
    study = optuna.create_study(
        storage=database, study_name=name, load_if_exists=True, sampler=_sampler(sampler, seed)
    )
    wanted = {"digest": space.digest, "seed": seed, "sampler": sampler}
    there = study.user_attrs
    different = [n for n, v in wanted.items() if n in there and there[n] != v]
    if different:
        raise InputError(
            f"The study `{name}` must be of this space, seed and sampler, but it was made with "
            f"another ({', '.join(different)}): give what it was made with, or choose another `--out`."
        )
    attributes = {"space": space.to_json(), **wanted, "draws": 0}
    for attribute, value in attributes.items():
        if attribute not in there:
            study.set_user_attr(attribute, value)
    return Study(study)


def open_study(storage: str, name: str, *, heartbeat: int = 15, worker: int = 0) -> Study:
    """The study `name`, which must be there.

    **Raises:** `StorageError` if it is not.
    """
    database = open_storage(storage, heartbeat=heartbeat)
    try:
        study = optuna.load_study(study_name=name, storage=database)
        attributes = study.user_attrs
        study.sampler = _sampler(attributes["sampler"], attributes["seed"] + worker)
    except KeyError:
        raise StorageError(
            f"The study `{name}` must be in the database, but it is not: begin with `lengthwise "
            "sweep run`, and use the storage and study that it names."
        ) from None
    return Study(study)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == DESIGN:
        return optuna.samplers.RandomSampler(seed)
    known = [n for n in optuna.samplers.__all__ if n.endswith("Sampler") and n != "BaseSampler"]
    cls = getattr(optuna.samplers, name) if name in known else None
    arguments = inspect.signature(cls).parameters if cls is not None else {}
    required = [
        p for p in arguments.values() if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
    ]
    if cls is None or required:
        raise InputError(
            f"`--sampler` must name a sampler of Optuna that needs no arguments, but got ({name}): "
            f"choose one of ({', '.join([DESIGN, *known])})."
        )
    return cls(**({"seed": seed} if "seed" in arguments else {}))


def _suggest(trial: optuna.Trial, path: str, law: Law) -> Any:
    distribution = distribution_of(path, law)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(path, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(path, distribution.choices)
