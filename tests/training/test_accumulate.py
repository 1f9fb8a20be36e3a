"""A batch in micro-batches is the batch at once, and takes less memory."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.tasks import OthelloTask
from lengthwise.training import (
    chunk_traces,
    init_state,
    make_chunk,
    make_feed,
    summed_loss,
    traced_hparams,
)


CONFIG = lw.TrainingConfig(
    steps=20, chunk_steps=20, batch_size=8, lengths=lw.UniformLengths(5), evaluate_every=0,
    checkpoint_every=0,
)  # fmt: skip
# Without biases: a key's bias has gradient zero (softmax ignores it), which Adam turns into noise.
MODEL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=1, bias=False)
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()))
TASKS: dict[str, Any] = {"device": lw.SetComplement(7), "host": OthelloTask(4)}


def trained(task, config):
    """Weights, averages and losses after one chunk, and the number of traces."""
    traced = traced_hparams(HPARAMS)
    before = chunk_traces()
    state, metrics = make_chunk(task, config)(
        init_state(MODEL.build(task.sizes, key=jr.key(0)), traced, config),
        traced,
        make_feed(task, config, 0, key=jr.key(1)),
    )
    found = state.model, state.averages, metrics
    arrays = jax.tree.leaves(eqx.filter(found, eqx.is_inexact_array))
    return [np.asarray(x) for x in arrays], chunk_traces() - before


def test_equals_no_accumulation_in_float64_without_dropout():
    # Lengths differ, so that the micro-batches count different numbers of positions: their means'
    # mean would be another loss.
    with jax.enable_x64(True):
        whole, _ = trained(TASKS["device"], CONFIG)
        split, traces = trained(TASKS["device"], dataclasses.replace(CONFIG, accumulate=4))
    assert traces == 1
    for a, b in zip(whole, split, strict=True):
        assert a.dtype == b.dtype == np.float64
        # The same terms in another order; Adam divides a gradient by its own size, so that rounding
        # of entries near zero grows. 1e-10 is a millionth of a step of 1e-3 / 100, the first one.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_micro_batches_have_dropouts_of_their_own():
    """The first loss is recomputed with a key for each micro-batch; the games are the same."""
    config = dataclasses.replace(CONFIG, accumulate=2, lengths=lw.FixedLength(5))
    hparams = traced_hparams(HPARAMS._replace(dropout=lw.DropoutRates(residual=0.5)))
    model = MODEL.build(TASKS["host"].sizes, key=jr.key(0))
    feed = make_feed(TASKS["host"], config, 0, key=jr.key(1))
    state = init_state(model, hparams, config)
    _, metrics = make_chunk(TASKS["host"], config)(state, hparams, feed)
    _, dropout_key = jr.split(feed.keys[0])
    total, count = 0.0, 0
    for i, key in enumerate(jr.split(dropout_key, 2)):
        part = jax.tree.map(lambda x, i=i: x[0, i], feed.batch)
        logits = model(jnp.asarray(part.tokens), dropout=hparams.dropout, key=key)
        loss, positions = summed_loss(logits, part, hparams.exact_loss)
        total, count = total + float(loss), count + int(positions)
    assert float(metrics.loss[0]) == pytest.approx(total / count, rel=1e-5)  # float32 sums


def test_memory_falls():
    """XLA's own count of what a step needs beside its arguments and results."""
    config = dataclasses.replace(CONFIG, batch_size=256, chunk_steps=1)
    model = lw.TransformerConfig(layers=2, heads=2, width=32)

    def needs(accumulate):
        split = dataclasses.replace(config, accumulate=accumulate)
        traced = traced_hparams(HPARAMS)
        state = init_state(model.build(TASKS["device"].sizes, key=jr.key(0)), traced, split)
        chunk: Any = make_chunk(TASKS["device"], split)
        feed = make_feed(TASKS["device"], split, 0, key=jr.key(1))
        lowered = chunk.func.lower(*chunk.args, state, traced, feed)
        return lowered.compile().compiled.memory_analysis().temp_size_in_bytes

    # What the backward pass remembers falls to an eighth; gradients and updates stay.
    assert needs(8) < needs(1) / 3


@pytest.mark.parametrize("accumulate", [0, -1, 3])
def test_parts_that_do_not_divide_the_batch_are_refused(accumulate):
    words = "`batch_size % accumulate == 0`" if accumulate > 0 else "`accumulate >= 1`"
    with pytest.raises(lw.InputError, match=words):
        dataclasses.replace(CONFIG, accumulate=accumulate)


def test_a_feed_of_micro_batches_holds_the_same_games():
    task = TASKS["host"]
    whole = make_feed(task, CONFIG, 20, key=jr.key(1)).batch
    parts = make_feed(task, dataclasses.replace(CONFIG, accumulate=4), 20, key=jr.key(1)).batch
    assert whole is not None
    assert parts is not None
    assert parts.tokens.shape == (20, 4, 2, 5)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_array_equal(a.reshape(b.shape), b)
