"""A sweep as an Optuna study: every row of the design enqueued, each completed once."""

import inspect
from typing import Any

import optuna
from optuna.trial import TrialState

from .._core import InputError, StorageError
from ..training import build_task, check_lengths
from ._cost import trial_seconds
from ._database import open_storage
from ._design import DESIGN, Row, design
from ._queue import take_from_the_front
from ._space import SearchSpace
from ._work import Worker


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
        # Someone else may have enqueued a trial of no row.
        there = {trial.user_attrs.get("row", {}).get("trial") for trial in self.trials(*live)}
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
        return Worker(self, population).run(poll)


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
