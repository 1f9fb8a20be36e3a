"""Signs of life for trials that run together."""

import contextlib
import threading
from typing import Any

from .._core import StorageError


class Lease:
    """A heartbeat for each trial of a group, which Optuna itself has only for one of `optimize`.

    It beats in the storage's interval, in a thread that ends with the process: the trials of one
    that was killed become stale, and Optuna's `fail_stale_trials` queues them again. `storage` is one
    of Optuna's, with heartbeats.
    """

    def __init__(self, storage: Any):
        self._storage = storage
        self._trials: set[int] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def add(self, trial_id: int) -> None:
        """Take a trial in; its first heartbeat is written at once, as one without any is never stale."""
        with self._lock:
            self._trials.add(trial_id)
        self._storage.record_heartbeat(trial_id)

    def drop(self, trial_id: int) -> None:
        """Let a trial that has ended go."""
        with self._lock:
            self._trials.discard(trial_id)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        interval = self._storage.get_heartbeat_interval()
        while not self._ended.wait(interval):
            with self._lock:
                trials = sorted(self._trials)
            for trial_id in trials:
                # A database that is away for good is the business of whoever tells the results.
                with contextlib.suppress(StorageError):
                    self._storage.record_heartbeat(trial_id)
