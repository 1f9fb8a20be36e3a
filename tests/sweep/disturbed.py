"""Sweeps of `tiny` whose workers are killed, and what must hold of them."""

import collections
import multiprocessing
import os
import random
import signal
import threading
import time

from optuna.trial import TrialState


HEARTBEAT_S = 5


def run_disturbed(space, url, *, draws, workers, disturb):
    """A sweep to its end, while `disturb(study, ended)` runs in a thread."""
    from lengthwise.sweep import make_study, run_workers

    study = make_study(space, url, "s", heartbeat=HEARTBEAT_S)
    study.enqueue(draws)
    ended = threading.Event()
    disturber = threading.Thread(target=disturb, args=(study, ended))
    disturber.start()
    try:
        run_workers(study, url, workers, heartbeat=HEARTBEAT_S, poll=0.5)
    finally:
        ended.set()
        disturber.join()
    return study


def kill_one(moments):
    """Kill a worker; returns its process id, or None where there is none."""
    workers = sorted(multiprocessing.active_children(), key=lambda process: process.pid or 0)
    if not workers:
        return None
    pid = moments.choice(workers).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_again_and_again(killed, *, kills, seed):
    """Each time at a random moment after one more trial is done, whatever the workers do then."""
    moments = random.Random(seed)

    def disturb(study, ended):
        for _ in range(kills):
            done = study.counts()["done"]
            time.sleep(moments.uniform(0, 3))
            if (pid := kill_one(moments)) is not None:
                killed.append(pid)
            while study.counts()["done"] == done and not ended.wait(0.1):
                pass

    return disturb


def check_once(study, rows):
    """Every row complete exactly once, and all that was lost has been queued again."""
    complete = study.trials(TrialState.COMPLETE)
    found = collections.Counter(trial.user_attrs["result"]["trial"] for trial in complete)
    assert found == {row.trial: 1 for row in rows}
    assert study.counts() == {
        "rows": len(rows),
        "done": len(rows),
        "running": 0,
        "failed": 0,
        "share": 1.0,
    }


def lost_by(study):
    """How many trials each process began and lost."""
    lost = [t for t in study.trials(TrialState.FAIL) if "process" in t.user_attrs]
    return collections.Counter(trial.user_attrs["process"][1] for trial in lost)


def timeless(study):
    """The results, without what depends on the moment."""
    return [
        {name: value for name, value in result.items() if name not in ("seconds", "traces")}
        for result in study.results()
    ]
