"""Local workers: one process a core, each with one thread, replaced when it is killed."""

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import optuna
from optuna.trial import TrialState

from .._core import LengthwiseError, StorageError, cores_for, end_with_parent, stay_on
from ._database import retried
from ._study import Study, open_study


SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_disable_most_optimizations",
    "jax_enable_x64",
)
"""What a worker takes over from the JAX of the process that starts it."""
RESTARTS = 3
"""How many killed processes in a row, for each worker, are replaced while no trial is done."""
GRACE_S = 5.0
"""How long a worker that is stopped may take to queue its trial again."""


def run_workers(
    study: Study,
    storage: str,
    workers: int,
    *,
    heartbeat: int = 15,
    poll: float = 2.0,
    population: int | None = None,
    show: Callable[[dict[str, int], float], None] = lambda counts, seconds: None,
) -> None:
    """Run the trials of a study in `workers` processes of this machine, until all are done.

    A process that is killed loses its current trial, which is queued again once its heartbeat is
    missed, and another takes its place. Where they are killed again and again and no trial is done,
    it ends with rows left. Ctrl-C stops them within seconds, and is raised here.

    On an accelerator this process is the only worker: others would find its memory taken.

    **Arguments:**

    - `study`, `storage`: as of `make_study`.
    - `workers`: number of processes.
    - `heartbeat`: as of `make_study`.
    - `population`: as of `Study.work`.
    - `show`: called every `poll` seconds with the counts and the seconds since the start.
    """
    import jax

    began, done, spare = time.monotonic(), 0, RESTARTS * workers
    if jax.default_backend() != "cpu":
        with _shown(study, poll, lambda counts: show(counts, time.monotonic() - began)):
            work_here(study, poll=poll, population=population)
        return
    start = _starter(storage, study.optuna.study_name, heartbeat, poll, population)
    team: dict[int, BaseProcess] = {}
    try:
        for index in range(workers):
            team[index] = start(index)
        while True:
            codes = {index: process.exitcode for index, process in team.items()}
            counts = study.counts()  # after the codes: all that the ended ones did is in it
            show(counts, time.monotonic() - began)
            if counts["done"] > done:
                done, spare = counts["done"], RESTARTS * workers
            unfinished = counts["done"] + counts["failed"] < counts["rows"]
            killed = {i: code for i, code in codes.items() if code is not None and code < 0}
            for index, code in killed.items():
                again = unfinished and spare > 0
                print(_killed(index, code, again), file=sys.stderr)
                del team[index]
                if again:
                    spare -= 1
                    team[index] = start(index)
            ended = all(code is not None for code in codes.values())
            lost = ended and unfinished and spare > 0 and not any(codes.values())
            # A process can be killed after it failed a stale trial, and before it queued it again.
            if lost and study.enqueue(study.draws):
                spare -= 1
                team[0] = start(0)
            elif ended and not killed:
                return
            running = [process.sentinel for process in team.values() if process.exitcode is None]
            multiprocessing.connection.wait(running, timeout=poll)
    finally:
        _stop(team.values())


@contextlib.contextmanager
def _shown(study: Study, poll: float, show: Callable[[dict[str, int]], None]) -> Iterator[None]:
    """Show the counts every `poll` seconds, from a thread, and at the end."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(poll):
            show(study.counts())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        show(study.counts())


def work_here(study: Study, *, poll: float = 2.0, population: int | None = None) -> int:
    """`study.work` in this process: where it is interrupted or terminated, its trial is queued again.

    **Returns:** how many trials ran here.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        return study.work(poll=poll, population=population)
    except KeyboardInterrupt:
        _queue_again(study)
        raise
    except (AssertionError, NameError) as error:  # what Optuna makes of a database that is gone
        cause = error.__context__
        while cause is not None and not isinstance(cause, StorageError):
            cause = cause.__context__
        if cause is None:
            raise
        raise cause from None
    finally:
        if main:
            # None: a handler that is not Python's.
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _killed(index: int, code: int, again: bool) -> str:
    how = signal.Signals(-code).name
    then = "is started again" if again else "is not started again"
    return f"lengthwise: worker {index} was killed ({how}) and {then}"


def _starter(
    storage: str, name: str, heartbeat: int, poll: float, population: int | None
) -> Callable[[int], BaseProcess]:
    """A function that starts the worker of an index."""
    import jax

    settings = {name: jax.config.values[name] for name in SETTINGS}
    context = multiprocessing.get_context("spawn")

    def start(index: int) -> BaseProcess:
        core = cores_for(index + 1)[index]
        arguments = (storage, name, index, core, settings, heartbeat, poll, population)
        process = context.Process(target=_work, args=arguments, daemon=True)
        with _deaf():
            process.start()
        return process

    return start


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """What starts in here never hears a Ctrl-C, which goes to a whole terminal: its parent stops it."""
    if sys.platform == "win32":  # which has no masks: a worker there hears it, and ends too
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(processes: Collection[BaseProcess]) -> None:
    """Terminate those that still run, and kill those that do not end in time."""
    try:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            process.kill()
            process.join()


def _work(
    storage: str,
    name: str,
    index: int,
    core: int | None,
    settings: dict[str, Any],
    heartbeat: int,
    poll: float,
    population: int | None,
) -> None:
    stay_on(core)
    import jax

    for setting, value in settings.items():
        jax.config.update(setting, value)
    end_with_parent()

    def opened() -> Study:
        return open_study(storage, name, heartbeat=heartbeat, worker=index)

    try:
        # The database was there a moment ago: if it is not, its server restarts.
        work_here(retried(opened, also=(StorageError,)), poll=poll, population=population)
    except LengthwiseError as error:
        print(f"lengthwise: worker {index}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _interrupt(number: int, frame: object) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # once: the trial must still be queued
    raise KeyboardInterrupt


def _queue_again(study: Study) -> None:
    """Queue what this process was interrupted in, which Optuna has failed."""
    trials = study.trials()
    again = {number for t in trials for number in t.system_attrs.get("retry_history", ())}
    there = [t.user_attrs.get("row") for t in trials if t.state != TrialState.FAIL]
    for trial in trials:
        mine = trial.user_attrs.get("process") == [socket.gethostname(), os.getpid()]
        lost = trial.state == TrialState.FAIL and "error" not in trial.user_attrs
        row = trial.user_attrs.get("row")  # with a sampler of Optuna there is none
        if mine and lost and trial.number not in again and (row is None or row not in there):
            optuna.storages.RetryHeartbeatStaleTrialCallback()(study.optuna, trial)
