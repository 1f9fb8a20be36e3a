"""Gradient noise against gradients taken one by one, and against its closed form at the logits."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.tasks import draw_batch
from lengthwise.training import gradient_noise, mixed_loss


TASK = lw.SetComplement(6)
CONFIG = lw.TrainingConfig(steps=10, chunk_steps=10, batch_size=4, lengths=lw.UniformLengths(3))
MODEL = lw.TransformerConfig(layers=1, heads=2, width=8, mlp_ratio=2).build(
    TASK.sizes, key=jr.key(0)
)


class Table(lw.AbstractModel):
    """Logits that depend on nothing: their gradient is the mean of p - q over the examples."""

    logits: jax.Array
    config: None

    def __call__(self, tokens, *, dropout=None, key=None):
        del dropout, key
        return jnp.broadcast_to(self.logits, (*tokens.shape, self.logits.size))


def flat(tree):
    return np.concatenate([np.asarray(x, np.float64).ravel() for x in jax.tree.leaves(tree)])


def gradients(model, exact, count, *, key, position=None):
    """Of the training loss of `count` batches, each by `jax.grad`; shape `(count, weights)`."""
    params, rest = eqx.partition(model, eqx.is_inexact_array)

    @jax.jit
    def one(index):
        step = jnp.asarray(CONFIG.steps)
        batch = draw_batch(
            TASK, CONFIG.lengths.build(), step, CONFIG.batch_size, key=jr.fold_in(key, index)
        )

        def loss(params):
            logits, of = eqx.combine(params, rest)(batch.tokens, key=None), batch
            if position is not None:
                logits = logits[:, position]
                of = jax.tree.map(lambda x: x[:, position], batch)
            return mixed_loss(logits, of, jnp.asarray(exact))

        return jax.grad(loss)(params)

    return np.stack([flat(one(jnp.asarray(i))) for i in range(count)])


@pytest.mark.parametrize("exact", [0.25])  # both ends are in it
def test_it_is_that_of_the_training_loss(exact):
    key, pairs = jr.key(3), 5
    found = gradient_noise(TASK, MODEL, CONFIG, exact_loss=exact, pairs=pairs, key=key)
    assert [row["length"] for row in found.rows] == [1, 2, 3, None]
    label = gradients(MODEL, 0.0, 2 * pairs, key=key) - gradients(MODEL, 1.0, 2 * pairs, key=key)
    # A sum of n float32 terms is off by about sqrt(n) eps of the sum of their absolute values.
    rtol = 10 * np.sqrt(label.shape[1]) * np.finfo(np.float32).eps
    for row, position in zip(found.rows, [0, 1, 2, None], strict=True):
        g = gradients(MODEL, exact, 2 * pairs, key=key, position=position)
        noise = np.sum((g[::2] - g[1::2]) ** 2, axis=1) / 2
        signal = np.sum(g[::2] * g[1::2], axis=1)
        size = np.mean(np.sum(g**2, axis=1))
        np.testing.assert_allclose(row["noise"], noise.mean(), rtol=rtol)
        np.testing.assert_allclose(row["noise_se"], noise.std(ddof=1) / pairs**0.5, rtol=10 * rtol)
        np.testing.assert_allclose(row["signal"], signal.mean(), atol=rtol * size)
    np.testing.assert_allclose(found.whole["label"], np.mean(np.sum(label**2, axis=1)), rtol=rtol)


def test_of_logits_alone_it_has_the_closed_form():
    """E|onehot(y) - p*|^2 = 1 - 1/(v - s), over the batch; without tokens to see, also p* scatters."""
    config = dataclasses.replace(CONFIG, lengths=lw.FixedLength(3), batch_size=8)
    pairs, v = 100, TASK.sizes.vocab
    model = Table(logits=jnp.arange(v) / v, config=None)
    found = gradient_noise(TASK, model, config, pairs=pairs, key=jr.key(5))
    for row in found.rows[:-1]:
        s = row["length"]
        # The sampled token alone is uniform on v: noise 1 - 1/v. Its label part given the tokens.
        for name, expected in (("noise", 1 - 1 / v), ("label", 1 - 1 / (v - s))):
            z = (row[name] - expected / config.batch_size) / row[f"{name}_se"]
            assert abs(z) < 4, (s, name, z)
    exact = gradient_noise(TASK, model, config, exact_loss=1.0, pairs=pairs, key=jr.key(5))
    for row in exact.rows[:-1]:
        s = row["length"]  # of p*, whose square is 1/(v - s) and whose mean is 1/v everywhere
        z = (row["noise"] - (1 / (v - s) - 1 / v) / config.batch_size) / row["noise_se"]
        assert abs(z) < 4, (s, z)


def test_it_draws_what_the_key_says_and_refuses_one_pair():
    first, again, other = (
        gradient_noise(TASK, MODEL, CONFIG, pairs=2, key=jr.key(i)).rows for i in (1, 1, 2)
    )
    assert first == again != other
    with pytest.raises(lw.InputError, match="pairs >= 2"):
        gradient_noise(TASK, MODEL, CONFIG, pairs=1, key=jr.key(0))
