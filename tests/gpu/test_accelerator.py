"""On an accelerator: the same run as on the CPU, within float32 rounding. `make test-gpu`."""

import jax
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.training import init_state, make_chunk, make_feed, traced_hparams


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
