"""Laws of lengths act on tasks whose examples the host makes, as on those drawn on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.tasks import Batch, OthelloTask
from lengthwise.training import (
    gradient_noise,
    init_state,
    make_chunk,
    make_feed,
    mixed_loss,
    traced_hparams,
)


TASK = OthelloTask(4)
MODEL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=1).build(
    TASK.sizes, key=jr.key(0)
)
CONFIG = lw.TrainingConfig(
    steps=20, chunk_steps=4, batch_size=8, evaluate_every=0, checkpoint_every=0
)
LAWS = {
    "fixed": lw.FixedLength(6),
    "uniform": lw.UniformLengths(6),
    "curriculum": lw.Curriculum(6, start=1, growth_steps=6),
}


@pytest.mark.parametrize("name", LAWS)
def test_losses_are_those_of_the_drawn_lengths(name):
    """The reported losses are recomputed from the games and the law's own draws, step by step."""
    law = LAWS[name]
    config = dataclasses.replace(CONFIG, lengths=law)
    # A rate of zero: the weights stay, so that each step's loss is a function of its batch.
    hparams = traced_hparams(lw.Hparams(learning_rate=0.0, averages=()))
    feed = make_feed(TASK, config, 4, key=jr.key(1))
    state = dataclasses.replace(init_state(MODEL, hparams, config), step=jnp.asarray(4, jnp.int32))
    _, metrics = make_chunk(TASK, config)(state, hparams, feed)
    assert feed.batch is not None
    cut = 0
    for i in range(4):
        made = jax.tree.map(lambda x, i=i: x[i], feed.batch)
        batch_key, _ = jr.split(feed.keys[i])
        length_key, _ = jr.split(batch_key)
        own = np.asarray(law.sample(jnp.asarray(4 + i), 8, key=length_key))
        mask = np.array([[made.mask[r, p] and p + 1 <= own[r] for p in range(6)] for r in range(8)])
        cut += int(made.mask.sum() - mask.sum())
        batch = Batch(made.tokens, made.sampled, made.targets, mask)
        wanted = mixed_loss(MODEL(jnp.asarray(made.tokens)), batch, jnp.zeros(()))
        assert float(metrics.loss[i]) == pytest.approx(float(wanted), rel=1e-5)  # float32 sums
    assert (cut > 0) == (name != "fixed")


def test_gradient_noise_is_of_the_same_lengths():
    noise = gradient_noise(
        TASK,
        MODEL,
        dataclasses.replace(CONFIG, lengths=lw.Curriculum(6, start=2, growth_steps=1000)),
        pairs=2,
        key=jr.key(0),
    )
    # At step 20 of 1000 all examples have length 2: no position after the second has a gradient.
    assert [row["noise"] > 0 for row in noise.rows[:-1]] == [True, True, False, False, False, False]
