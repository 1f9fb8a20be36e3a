"""What every process that works for another needs."""

import multiprocessing
import os
import signal
import threading


def cores_for(workers: int) -> list[int | None]:
    """A core for each of so many workers, in turn; None where the system binds no process to one."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [cores[i % len(cores)] for i in range(workers)]


def stay_on(core: int | None) -> None:
    """Bind this process to a core, before JAX counts the cores: it then has one thread."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def end_with_parent() -> None:
    """From now on, terminate this process when the one that started it is gone, whatever the reason."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
