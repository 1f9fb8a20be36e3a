"""The waiting trials of a study, asked for by number: a long queue costs no more than a short one."""

from typing import Any

import optuna
import sqlalchemy
from optuna.storages._rdb import models
from optuna.trial import TrialState

from ._database import retried


AT_ONCE = 8
"""How many of the first waiting trials are tried, before others that took them are believed."""


def any_waiting(study: optuna.Study) -> bool:
    """Whether a trial waits."""
    return bool(_first(study, 1))


def take_from_the_front(study: optuna.Study) -> None:
    """Let `study` take waiting trials by their numbers alone.

    Optuna itself reads every unfinished trial, with all that is stored of it, to take the first: with
    2,000 in the queue that is half a second for each trial. A version of Optuna that takes them by
    another method is left to its own way.
    """
    if hasattr(study, "_pop_waiting_trial_id"):
        study._pop_waiting_trial_id = _Front(study)


class _Front:
    """Called, it gives the number of a waiting trial that is running from now on, here and nowhere else."""

    def __init__(self, study: optuna.Study):
        self._study = study
        self._known = -1

    def __call__(self) -> int | None:
        while first := _first(self._study, AT_ONCE):
            for trial_id in first:
                # Who marks a waiting trial as running has it; finished ones are refused by an error.
                try:
                    if self._study._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                        self._let_know(trial_id)
                        return trial_id
                except optuna.exceptions.UpdateFinishedTrialError:
                    continue
        return None

    def _let_know(self, trial_id: int) -> None:
        """Optuna's cache takes parameters only for trials that it has read: all, at the first."""
        if trial_id > self._known:
            trials = self._study.get_trials(deepcopy=False)
            self._known = max(trial._trial_id for trial in trials)


def _first(study: optuna.Study, count: int) -> list[int]:
    trial = models.TrialModel
    query = (
        sqlalchemy.select(trial.trial_id)
        .where(trial.study_id == study._study_id, trial.state == TrialState.WAITING)
        .order_by(trial.trial_id)
        .limit(count)
    )
    storage: Any = study._storage  # Optuna's cache, before the database

    def read() -> list[int]:
        with storage._backend.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    return retried(read)
