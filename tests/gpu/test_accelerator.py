"""On an accelerator: the same run as on the CPU, within float32 rounding. `make test-gpu`."""

import jax
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.training import (
    init_state,
    make_chunk,
    make_feed,
    population_traces,
    traced_hparams,
    train_population,
)


pytestmark = pytest.mark.gpu


def losses(device):
    with jax.default_device(device):
        task = lw.SetComplement(8)
        model = lw.TransformerConfig(layers=1, heads=2, width=16).build(task.sizes, key=jr.key(0))
        config = lw.TrainingConfig(
            steps=10, chunk_steps=10, batch_size=8, lengths=lw.FixedLength(4), evaluate_every=0,
            checkpoint_every=0,
        )  # fmt: skip
        hparams = traced_hparams(lw.Hparams())
        state = init_state(model, hparams, config)
        feed = make_feed(task, config, 0, key=jr.key(1))
        state, metrics = make_chunk(task, config)(state, hparams, feed)
        assert state.step.devices() == {device}
        return np.asarray(metrics.loss)


def test_losses_equal_the_cpus():
    device = jax.devices()[0]
    if device.platform == "cpu":
        pytest.skip("no accelerator here")
    # Losses near log 8 = 2.1 over 10 steps; TF32 products (10 bits) would be off by 1e-3.
    with jax.default_matmul_precision("highest"):
        np.testing.assert_allclose(losses(device), losses(jax.devices("cpu")[0]), rtol=1e-5)


def test_a_population_equals_the_cpus_single_runs():
    if jax.devices()[0].platform == "cpu":
        pytest.skip("no accelerator here")
    task = lw.SetComplement(8)
    config = lw.TrainingConfig(
        steps=10, chunk_steps=10, batch_size=8, lengths=lw.FixedLength(4), evaluate_every=0,
        checkpoint_every=0,
    )  # fmt: skip
    hparams = [lw.Hparams(learning_rate=rate) for rate in (1e-3, 3e-3, 1e-2)]
    transformer = lw.TransformerConfig(layers=1, heads=2, width=16)
    build = lambda: [transformer.build(task.sizes, key=jr.key(i)) for i in range(3)]
    keys = [jr.key(10 + i) for i in range(3)]
    before = population_traces()
    with jax.default_matmul_precision("highest"):
        population = train_population(task, build(), config, hparams, keys=keys)
        assert population_traces() - before == 1
        with jax.default_device(jax.devices("cpu")[0]):
            models = build()
            singles = [
                lw.train(task, model, config, numbers, key=key)
                for model, numbers, key in zip(models, hparams, keys, strict=True)
            ]
    for got, one in zip(population, singles, strict=True):
        assert isinstance(got, lw.RunResult)
        assert got.status == one.status == "completed"
        losses = [[row["loss"] for row in run.metrics] for run in (got, one)]
        np.testing.assert_allclose(*losses, rtol=1e-4)  # as above; rates of up to ten times as much
