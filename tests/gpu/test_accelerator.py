"""On an accelerator: the same run as on the CPU, within rounding, and as repeatable. `make test-gpu`."""

import dataclasses
import os
import signal

import jax
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import evaluate
from lengthwise.loggers import AbstractLogger
from lengthwise.models import RotaryPositions
from lengthwise.tasks import AbstractTask, OthelloTask
from lengthwise.training import population_traces, train_population


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif("jax.devices()[0].platform == 'cpu'", reason="no accelerator here"),
]

TASK = lw.SetComplement(8)
MODEL = lw.TransformerConfig(layers=1, heads=2, width=16)
CONFIG = lw.TrainingConfig(
    steps=20, chunk_steps=10, batch_size=8, lengths=lw.FixedLength(4), evaluate_every=0,
    checkpoint_every=10, evaluation=lw.EvaluationConfig(examples=64, batch_size=64),
)  # fmt: skip
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(residual=0.1))
OTHELLO = OthelloTask(6)
GPT = lw.TransformerConfig(layers=2, heads=2, width=32, positions=RotaryPositions())
OTHELLO_CONFIG = dataclasses.replace(
    CONFIG, steps=10, lengths=lw.FixedLength(16), checkpoint_every=0
)


def on_the_cpu():
    return jax.default_device(jax.devices("cpu")[0])


def run(task: AbstractTask = TASK, model=MODEL, config=CONFIG, hparams=HPARAMS, **kwargs):
    built = model.build(task.sizes, key=jr.key(0))
    return lw.train(task, built, config, hparams, key=jr.key(1), **kwargs)


def losses(result):
    return np.array([row["loss"] for row in result.metrics])


@pytest.mark.parametrize(
    ("task", "model", "config"),
    [(TASK, MODEL, CONFIG), (OTHELLO, GPT, OTHELLO_CONFIG)],
    ids=["set complement", "Othello"],
)
def test_losses_and_measurements_equal_the_cpus(task, model, config):
    # Losses near 2 to 3.5 over 20 steps; TF32 products (10 bits) would be off by 1e-3.
    seen = config.lengths.build().max_length
    measure = lambda m: evaluate(task, m, config.evaluation, seen=seen, key=jr.key(2)).rows
    with jax.default_matmul_precision("highest"):
        ours = run(task, model, config)
        found = {name: measure(m) for name, m in ours.models.items()}
        with on_the_cpu():
            theirs = run(task, model, config)
            # The same weights, so that these numbers differ by one forward pass's rounding alone.
            again = {name: measure(m) for name, m in jax.device_get(ours.models).items()}
    platforms = [
        {d.platform for d in jax.tree.leaves(run.models["raw"])[0].devices()}
        for run in (ours, theirs)
    ]
    assert platforms == [{jax.devices()[0].platform}, {"cpu"}]
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=2e-5)
    for name, rows in found.items():
        for metric in ("itr", "tv", "displacement"):
            columns = [[row[metric] for row in r] for r in (rows, again[name])]
            np.testing.assert_allclose(*columns, rtol=1e-4, atol=1e-6)


def test_bfloat16_and_microbatches_are_near_float32():
    few = dataclasses.replace(OTHELLO_CONFIG, accumulate=4)
    half = dataclasses.replace(GPT, activations="bfloat16")
    no_dropout = lw.Hparams(averages=())
    whole = losses(run(OTHELLO, GPT, OTHELLO_CONFIG, no_dropout))
    parts = losses(run(OTHELLO, GPT, few, no_dropout))
    np.testing.assert_allclose(parts, whole, rtol=2e-3)  # TF32 products: 10 bits
    halves = losses(run(OTHELLO, half, few, no_dropout))
    np.testing.assert_allclose(halves, whole, rtol=2e-2)  # 8 bits, through 2 layers
    assert not np.array_equal(halves, parts)


def written(directory):
    names = [
        "metrics.jsonl",
        "evaluation.csv",
        "weights/raw.safetensors",
        "weights/BEMA.safetensors",
    ]
    return {name: (directory / name).read_bytes() for name in names}


class StopAfterTen(AbstractLogger):
    """Presses Ctrl-C after the first chunk."""

    def start(self, config, *, steps, first_step):
        pass

    def log(self, step, values):
        if step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    def finish(self, record):
        pass


def test_the_same_key_gives_the_same_bytes_also_after_a_resume(tmp_path):
    for name in "ab":
        assert run(directory=tmp_path / name).status == "completed"
    assert written(tmp_path / "a") == written(tmp_path / "b")
    stopped = run(directory=tmp_path / "cut", loggers=[StopAfterTen()])
    assert (stopped.status, stopped.steps) == ("interrupted", 10)
    assert lw.resume(tmp_path / "cut").status == "completed"
    assert written(tmp_path / "cut") == written(tmp_path / "a")


def test_a_population_equals_the_cpus_single_runs():
    config = dataclasses.replace(CONFIG, steps=10, checkpoint_every=0)
    hparams = [lw.Hparams(learning_rate=rate) for rate in (1e-3, 3e-3, 1e-2)]
    build = lambda: [MODEL.build(TASK.sizes, key=jr.key(i)) for i in range(3)]
    keys = [jr.key(10 + i) for i in range(3)]
    before = population_traces()
    with jax.default_matmul_precision("highest"):
        population = train_population(TASK, build(), config, hparams, keys=keys)
        assert population_traces() - before == 1
        with on_the_cpu():
            singles = [
                lw.train(TASK, model, config, numbers, key=key)
                for model, numbers, key in zip(build(), hparams, keys, strict=True)
            ]
    for got, one in zip(population, singles, strict=True):
        assert isinstance(got, lw.RunResult)
        assert got.status == one.status == "completed"
        # Rates of up to ten times the ordinary one amplify rounding as many times.
        np.testing.assert_allclose(losses(got), losses(one), rtol=1e-4)
