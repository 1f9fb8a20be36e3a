"""Local workers: one process a core, each with one thread."""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from .._core import LengthwiseError
from ._study import Study, open_study


SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_disable_most_optimizations",
    "jax_enable_x64",
)
"""What a worker takes over from the JAX of the process that starts it."""


def run_workers(
    study: Study,
    storage: str,
    workers: int,
    *,
    heartbeat: int = 15,
    poll: float = 2.0,
    show: Callable[[dict[str, int], float], None] = lambda counts, seconds: None,
) -> None:
    """Run the trials of a study in `workers` processes of this machine, until all are done.

    A worker that dies, whatever the reason, loses its current trial, which another one takes over
    after its heartbeat is missed; when all of them have died it ends, and rows are left.

    **Arguments:**

    - `study`, `storage`: as of `make_study`.
    - `workers`: number of processes.
    - `show`: called every `poll` seconds with the counts and the seconds since the start.
    """
    began = time.monotonic()
    with _processes(storage, study.optuna.study_name, workers, heartbeat, poll) as processes:
        while any(process.is_alive() for process in processes):
            show(study.counts(), time.monotonic() - began)
            for process in processes:
                if process.is_alive():
                    process.join(poll)
                    break
    show(study.counts(), time.monotonic() - began)


@contextlib.contextmanager
def _processes(
    storage: str, name: str, workers: int, heartbeat: int, poll: float
) -> Iterator[list[BaseProcess]]:
    import jax

    settings = {name: jax.config.values[name] for name in SETTINGS}
    context = multiprocessing.get_context("spawn")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    processes = []
    for index in range(workers):
        core = cores[index % len(cores)] if cores else None
        arguments = (storage, name, index, core, settings, heartbeat, poll)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        processes.append(process)
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(
    storage: str,
    name: str,
    index: int,
    core: int | None,
    settings: dict[str, Any],
    heartbeat: int,
    poll: float,
) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})  # before JAX counts the cores: it then has one thread
    import jax

    for setting, value in settings.items():
        jax.config.update(setting, value)
    try:
        open_study(storage, name, heartbeat=heartbeat, worker=index).work(poll=poll)
    except LengthwiseError as error:
        print(f"lengthwise: worker {index}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
