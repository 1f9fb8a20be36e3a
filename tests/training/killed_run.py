"""Start or resume the run in a directory, and kill -9 this process at a chosen moment.

python killed_run.py DIRECTORY none
python killed_run.py DIRECTORY seconds 0.7     # that long after the loop has begun
python killed_run.py DIRECTORY write 3         # inside the third atomic write from now
python killed_run.py DIRECTORY rename 3        # after its bytes, before its rename
"""

import os
import pathlib
import signal
import sys
import threading

import jax.random as jr

import lengthwise as lw
from lengthwise.loggers import AbstractLogger


TASK = lw.SetComplement(6)
CONFIG = lw.TrainingConfig(
    steps=1000,
    chunk_steps=2,
    batch_size=4,
    lengths=lw.FixedLength(3),
    evaluate_every=20,
    checkpoint_every=2,
    history_examples=8,
    evaluation=lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0),
)
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(residual=0.1))
MODEL = lw.TransformerConfig(layers=1, heads=1, width=4, mlp_ratio=None, bias=False)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Clock(AbstractLogger):
    """Starts the clock when the loop begins, so that start-up and compilation do not count."""

    def __init__(self, seconds: float | None):
        self.seconds = seconds

    def start(self, config, *, steps, first_step):
        del config, steps, first_step

    def log(self, step, values):
        del step, values
        if self.seconds is not None:
            threading.Timer(self.seconds, die).start()
            self.seconds = None

    def finish(self, record):
        del record


def kill_at_call(module: object, name: str, number: int) -> None:
    """Make the `number`-th call of `module.name` never return."""
    original, calls = getattr(module, name), [0]

    def counted(*args, **kwargs):
        calls[0] += 1
        if calls[0] == number:
            die()
        return original(*args, **kwargs)

    setattr(module, name, counted)


def main(directory: str, kind: str, moment: str = "0") -> None:
    seconds = float(moment) if kind == "seconds" else None
    if kind == "write":
        kill_at_call(os, "fsync", int(moment))
    if kind == "rename":
        kill_at_call(os, "replace", int(moment))
    loggers = [Clock(seconds)]
    if (pathlib.Path(directory) / "config.json").exists():
        result = lw.resume(directory, loggers=loggers)
    else:
        model = MODEL.build(TASK.sizes, key=jr.key(0))
        result = lw.train(
            TASK, model, CONFIG, HPARAMS, directory=directory, loggers=loggers, key=jr.key(1)
        )
    assert result.status == "completed"
    os._exit(0)  # a timer that is still to fire must not


if __name__ == "__main__":
    main(*sys.argv[1:])
