"""One process of a run of `count`, in float64 with dropout: two_processes.py INDEX COUNT PORT FOLDER
[all].

Prints JSON. Each process has a folder of its own, so that what is shared is shared by messages.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys
from typing import Any


os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={3 - int(sys.argv[2])}"

import jax
import jax.random as jr
import numpy as np

import lengthwise as lw
from lengthwise.loggers import AbstractLogger
from lengthwise.tasks import OthelloTask, _othello


INDEX, COUNT, PORT, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
CONFIG = lw.TrainingConfig(
    steps=20,
    chunk_steps=5,
    batch_size=8,
    lengths=lw.UniformLengths(5),
    evaluate_every=0,
    checkpoint_every=10,
    evaluation=lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0),
)
MODEL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=1)
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(0.1, 0.1, 0.1))
TASKS: dict[str, Any] = {"device": lw.SetComplement(7), "host": OthelloTask(4)}


class Unnumbered(lw.AbstractHostTask):
    """Its examples depend on the size of their batch."""

    @property
    def sizes(self):
        return TASKS["host"].sizes

    @property
    def first_length(self):
        return 1

    def label(self, tokens):
        return TASKS["host"].label(tokens)

    def count_inputs(self, length):
        return float("inf")

    def enumerate_inputs(self, length):
        raise lw.InputError("Not enumerated.")

    def batch(self, index, size, positions, *, stream, seed):
        return TASKS["host"].batch(index, size, positions, stream=stream, seed=seed + size)


def train(task: Any, name: str, seed: int = INDEX, **change: Any) -> lw.RunResult:
    # Every process begins with weights of its own, of which those of process 0 count.
    model = MODEL.build(task.sizes, key=jr.key(seed))
    directory = pathlib.Path(FOLDER) / str(INDEX) / name
    parts = 1 if task is TASKS["device"] else 2
    config = dataclasses.replace(CONFIG, accumulate=parts, **change)
    loggers = [Broken()] if name == "logged" else []
    return lw.train(
        task, model, config, HPARAMS, directory=directory, loggers=loggers, key=jr.key(1)
    )


def refusal(*given: Any, **change: Any) -> str:
    try:
        train(*given, **change)
    except (lw.InputError, OSError, RuntimeError) as error:
        return str(error)
    return "none"


class Broken(AbstractLogger):
    """Its service is gone after the first chunk."""

    def start(self, config, *, steps, first_step):
        pass

    def log(self, step, values):
        raise OSError("no network")

    def finish(self, record):
        pass


class Engine:
    """Othello's engine, which notes what games it is asked for, and in process 1 may press Ctrl-C."""

    def __init__(self):
        self.play, self.asked = _othello.random_games, []
        self.stops_at: int | None = None

    def __call__(self, board, games, *, first, stream, **given):
        if stream == "train" and given["entries"] > 2:  # not the check that games are numbered
            self.asked.append((first, games))
            if first == self.stops_at and INDEX == 1:
                os.kill(os.getpid(), signal.SIGINT)
        return self.play(board, games, first=first, stream=stream, **given)


def summary(run: lw.RunResult) -> dict[str, Any]:
    return {
        "status": run.status,
        "steps": run.steps,
        "losses": [row["loss"] for row in run.metrics],
        "itr": [row["itr"] for row in run.rows()],
        "weights": [np.asarray(x).ravel().tolist() for x in jax.tree.leaves(run.models)],
    }


def main(everything: bool) -> None:
    _othello.random_games = engine = Engine()
    found: dict[str, Any] = {"devices": len(jax.devices()), "processes": jax.process_count()}
    found["host"] = summary(train(TASKS["host"], "host"))
    found["games"] = sorted(
        {n for first, count in engine.asked for n in range(first, first + count)}
    )
    if everything:
        found["device"] = summary(train(TASKS["device"], "device"))
    if everything and COUNT > 1:
        # In process 1 alone, when the games of step 11 are made: about as the second chunk trains.
        engine.stops_at = 8 * 10 + 2
        found["stopped"] = summary(train(TASKS["host"], "stopped"))
        engine.stops_at = None
        found["again"] = summary(lw.resume(pathlib.Path(FOLDER) / str(INDEX) / "stopped"))
        found["refusals"] = {
            "exists": refusal(TASKS["device"], "device"),
            "different": refusal(TASKS["device"], "other", steps=10 + 10 * INDEX),
            "rows": refusal(TASKS["device"], "other", batch_size=3),
            "unnumbered": refusal(Unnumbered(), "other"),
            "logged": refusal(TASKS["device"], "logged"),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)
    if COUNT > 1:
        jax.distributed.initialize(f"127.0.0.1:{PORT}", COUNT, INDEX)
    main(everything=len(sys.argv) > 5)
