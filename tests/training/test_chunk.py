"""One chunk against independent oracles: AdamW in NumPy, averages by hand, populations by loops."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.tasks import Batch, draw_batch
from lengthwise.training import (
    Feed,
    averaged_models,
    init_state,
    learning_rate,
    make_chunk,
    make_feed,
    mixed_loss,
    stream,
    traced_hparams,
)


TASK = lw.SetComplement(6)
CONFIG = lw.TrainingConfig(
    steps=20, chunk_steps=5, batch_size=4, lengths=lw.UniformLengths(3), evaluate_every=0,
    checkpoint_every=0,
)  # fmt: skip
ONE = dataclasses.replace(CONFIG, chunk_steps=1)
# Without biases: a key's bias has gradient zero (softmax ignores it), which Adam turns into noise.
MODEL = lw.TransformerConfig(layers=1, heads=2, width=8, mlp_ratio=2, bias=False).build(
    TASK.sizes, key=jr.key(0)
)


def arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def test_averages_of_a_scan_equal_weighted_sums_of_the_trajectory():
    hparams = traced_hparams(lw.Hparams(averages=(lw.EMA(0.7), lw.PowerEMA(2.0))))
    state = init_state(MODEL, hparams, ONE)
    chunk = make_chunk(TASK, ONE)
    path = [arrays(state.model)]
    for step in range(5):
        state, _ = chunk(state, hparams, make_feed(TASK, ONE, step, key=jr.key(1)))
        path.append(arrays(state.model))
    ema_weights = [0.7**5] + [0.3 * 0.7 ** (5 - t) for t in range(1, 6)]
    power = np.zeros(6)
    power[0] = 1
    for t in range(1, 6):
        keep = (1 - 1 / t) ** 3.0
        power *= keep
        power[t] = 1 - keep
    for (model, mass), weights in zip(
        averaged_models(state, hparams), (ema_weights, power), strict=True
    ):
        assert float(mass) == pytest.approx(weights[0], abs=1e-6)
        for got, *thetas in zip(arrays(model), *path, strict=True):
            expected = sum(w * theta for w, theta in zip(weights, thetas, strict=True))
            # Five float32 interpolations of weights below 3 in size: 5 * 3 * 6e-8 is 1e-6.
            np.testing.assert_allclose(got, expected, atol=1e-6)


def test_one_scan_of_five_equals_five_scans_of_one():
    hparams = traced_hparams(lw.Hparams(dropout=lw.DropoutRates(0.1, 0.1, 0.1)))
    five, _ = make_chunk(TASK, CONFIG)(
        init_state(MODEL, hparams, CONFIG), hparams, make_feed(TASK, CONFIG, 0, key=jr.key(1))
    )
    state = init_state(MODEL, hparams, ONE)
    for step in range(5):
        state, _ = make_chunk(TASK, ONE)(state, hparams, make_feed(TASK, ONE, step, key=jr.key(1)))
    for a, b in zip(arrays(five), arrays(state), strict=True):
        # The same arithmetic in programs that XLA may fuse differently. Adam divides the gradient by
        # its own size, so that rounding of entries near zero grows: 5 steps of 1e-3 / 100 at most.
        np.testing.assert_allclose(a, b, atol=5e-5)


def adamw(theta, grads, hparams, steps):
    """AdamW of Loshchilov and Hutter in float64, decay on matrices only, after global clipping."""
    theta = [x.astype(np.float64) for x in theta]
    m, v = [0 * x for x in theta], [0 * x for x in theta]
    for t, gradient in enumerate(grads, start=1):
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradient))
        scale = min(1.0, float(hparams.clip_norm) / norm)
        warm = min(1.0, t / float(hparams.warmup_steps))
        fallen = (1 - np.cos(np.pi * (t - 1) / steps)) / 2
        rate = float(hparams.learning_rate) * warm * (1 - float(hparams.cosine) * fallen)
        for i, g in enumerate(gradient):
            g = g.astype(np.float64) * scale
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            step = (m[i] / (1 - 0.9**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
            decay = float(hparams.weight_decay) if theta[i].ndim >= 2 else 0.0
            theta[i] = theta[i] - rate * (step + decay * theta[i])
    return theta


@pytest.mark.parametrize("clip_norm", [0.05, 1e9])
def test_steps_equal_adamw_in_numpy(clip_norm):
    hparams = lw.Hparams(
        learning_rate=0.01, warmup_steps=3, cosine=1.0, weight_decay=0.1, clip_norm=clip_norm,
        averages=(),
    )  # fmt: skip
    traced = traced_hparams(hparams)
    state = init_state(MODEL, traced, ONE)
    theta, grads = arrays(state.model), []
    lengths = ONE.lengths.build()
    for step in range(4):
        feed = make_feed(TASK, ONE, step, key=jr.key(1))
        batch_key, _ = jr.split(feed.keys[0])
        batch = draw_batch(TASK, lengths, jnp.asarray(step), 4, key=batch_key)
        loss = lambda model, batch=batch: mixed_loss(model(batch.tokens), batch, jnp.zeros(()))
        grads.append(arrays(eqx.filter_grad(loss)(state.model)))
        state, _ = make_chunk(TASK, ONE)(state, traced, feed)
    for got, expected in zip(arrays(state.model), adamw(theta, grads, hparams, 20), strict=True):
        # Float32 gradients differ by 1e-7 between programs; Adam turns that into at most the same
        # share of a step of 0.01 for entries above 1e-4, and of 1e-3 of it below.
        np.testing.assert_allclose(got, expected, atol=4e-5)


def test_learning_rate_by_hand():
    hparams = lw.Hparams(learning_rate=2.0, warmup_steps=4)
    rate = lambda step, **change: float(
        learning_rate(traced_hparams(hparams._replace(**change)), 100, jnp.asarray(step))
    )
    assert [rate(s) for s in (0, 1, 3, 4, 99)] == pytest.approx([0.5, 1.0, 2.0, 2.0, 2.0])
    assert rate(50, cosine=1) == pytest.approx(1.0, rel=1e-6)
    assert rate(100, cosine=1) == pytest.approx(0.0, abs=1e-6)
    assert rate(50, cosine=0.5) == pytest.approx(1.5, rel=1e-6)


def test_population_equals_loop_of_singles():
    rates = (1e-3, 3e-3, 1e-2)
    members = [traced_hparams(lw.Hparams(learning_rate=rate)) for rate in rates]
    chunk = make_chunk(TASK, CONFIG)
    states = [init_state(MODEL, member, CONFIG) for member in members]
    feeds = [make_feed(TASK, CONFIG, 0, key=jr.key(i)) for i in range(3)]
    stack = lambda trees: jax.tree.map(
        lambda *xs: jnp.stack(xs), *[eqx.filter(tree, eqx.is_array) for tree in trees]
    )
    static = eqx.filter(states[0], eqx.is_array, inverse=True)

    def one(arrays, hparams, feed):
        state, metrics = chunk(eqx.combine(arrays, static), hparams, feed)
        return eqx.filter(state, eqx.is_array), metrics

    stacked, losses = jax.vmap(one)(
        stack(states), jax.tree.map(lambda *xs: jnp.stack(xs), *members), stack(feeds)
    )
    for i in range(3):
        single, metrics = chunk(states[i], members[i], feeds[i])
        np.testing.assert_allclose(losses.loss[i], metrics.loss, rtol=1e-5)
        for a, b in zip(arrays(stacked), arrays(single), strict=True):
            np.testing.assert_allclose(a[i], b, atol=0.05 * rates[i])  # a share of one Adam step


def test_exact_loss_is_the_expectation_of_the_sampled_one():
    # Every valid continuation of every input of length 2 once: the mean sampled loss and gradient
    # are the exact ones, term by term, so float32 rounding of 1e-6 is all that may differ.
    tokens = jnp.asarray(TASK.enumerate_inputs(2))
    targets = jax.vmap(TASK.label)(tokens)
    last = jnp.array([False, True])
    batch = lambda sampled: Batch(tokens, sampled, targets, jnp.broadcast_to(last, tokens.shape))
    absent = jnp.argsort(-targets[:, 1], axis=-1)[:, :4]  # the four absent tokens of each input
    loss = lambda model, sampled, exact: mixed_loss(
        model(tokens), batch(sampled), jnp.asarray(exact)
    )
    value = eqx.filter_value_and_grad(loss)
    draws = [value(MODEL, jnp.stack([absent[:, i]] * 2, axis=1), 0.0) for i in range(4)]
    exact = value(MODEL, jnp.zeros_like(tokens), 1.0)
    mean = jax.tree.map(lambda *xs: sum(xs) / 4, *draws)
    for a, b in zip(arrays(mean), arrays(exact), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_positions_beyond_the_length_do_not_count():
    tokens = jnp.array([[0, 1, 2]])
    targets = jax.vmap(TASK.label)(tokens)
    mask = jnp.array([[True, True, False]])
    logits = jr.normal(jr.key(0), (1, 3, 6))
    changed = logits.at[0, 2].set(100.0)
    sampled = jnp.array([[1, 2, 3]])
    losses = [
        mixed_loss(x, Batch(tokens, sampled, targets, mask), jnp.zeros(()))
        for x in (logits, changed)
    ]
    assert losses[0] == losses[1]
    expected = -np.mean([jax.nn.log_softmax(logits)[0, i, i + 1] for i in range(2)])
    assert float(losses[0]) == pytest.approx(float(expected), rel=1e-6)


def test_streams_and_steps_never_share_a_key():
    keys = [make_feed(TASK, CONFIG, step, key=stream(jr.key(0), "train")).keys for step in (0, 5)]
    others = [stream(jr.key(0), name)[None] for name in ("train", "evaluation", "history")]
    words = [tuple(map(int, word)) for key in (*keys, *others) for word in jr.key_data(key)]
    assert len(set(words)) == len(words) == 13


def test_feed_of_a_device_task_has_no_batch():
    feed = make_feed(TASK, CONFIG, 0, key=jr.key(0))
    assert isinstance(feed, Feed)
    assert feed.batch is None
    assert feed.keys.shape == (5,)
