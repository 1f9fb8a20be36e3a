"""A run killed with -9 at random moments, some inside a write, ends in the same bytes."""

import os
import pathlib
import random
import subprocess
import sys

import pytest


SCRIPT = pathlib.Path(__file__).parent / "killed_run.py"


def start(directory, cache, *moment):
    command = [sys.executable, str(SCRIPT), str(directory), *map(str, moment)]
    # Only to spare the compilations of each start; the test holds without it.
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    return done.returncode, done.stderr


def written(directory):
    files = [*directory.glob("weights/*"), *directory.glob("*.csv"), directory / "metrics.jsonl"]
    assert len(files) == 6
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def kill_and_compare(tmp_path, kills, seed):
    whole, cut, cache = (tmp_path / name for name in ("whole", "cut", "cache"))
    assert start(whole, cache, "none")[0] == 0
    # Of a run that begins: inside the first checkpoint's arrays, before its JSON is there, inside
    # config.json; and of one that has a config, inside its first history.
    begin = [("write", 1), ("rename", 2), ("write", 5), ("write", 7)]
    for kind, moment in begin:
        assert not (cut / "config.json").exists()
        code, errors = start(cut, cache, kind, moment)
        assert code == -9, (code, errors)
    assert (cut / "config.json").exists()
    assert not (cut / "history.csv").exists()
    moments = random.Random(seed)
    killed = 0
    for i in range(kills):
        kind = ("seconds", "write", "rename")[i % 3]
        # A chunk writes a checkpoint of two files and a line of metrics: five syncs, two renames.
        moment = moments.uniform(0, 0.3) if kind == "seconds" else moments.randint(3, 30)
        code, errors = start(cut, cache, kind, moment)
        assert code == -9, (code, errors)
        killed += 1
    assert killed == kills
    assert start(cut, cache, "none")[0] == 0
    assert written(cut) == written(whole)


def test_killed_three_times(tmp_path):
    kill_and_compare(tmp_path, 3, seed=0)


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
    kill_and_compare(tmp_path, 20, seed=1)
