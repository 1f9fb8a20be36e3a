"""Length laws, and the batches whose masks they make."""

import collections

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

import lengthwise as lw
from lengthwise._core import construct, describe
from lengthwise.tasks import draw_batch
from lengthwise.training import STREAMS, stream
from oracles import set_complement as oracle


LAWS = [lw.FixedLength(4), lw.UniformLengths(4), lw.Curriculum(4, 2, 6)]


def at(law, step, size=8, seed=0):
    return np.asarray(law.sample(jnp.asarray(step), size, key=jr.key(seed)))


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_lengths_are_in_range_and_a_function_of_the_key(law):
    for step in (0, 3, 100):
        lengths = at(law, step)
        assert lengths.shape == (8,)
        assert lengths.dtype == np.int32
        assert 1 <= lengths.min() <= lengths.max() <= law.max_length
        np.testing.assert_array_equal(at(law, step), lengths)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_returns_from_json(law):
    assert construct(describe(law)) == law


def test_fixed_length_is_fixed():
    assert set(at(lw.FixedLength(3), 7, size=50).tolist()) == {3}


def test_uniform_lengths_are_uniform():
    """Chi-square at level 1e-4 with a fixed key, over 1..5 with both ends."""
    counts = collections.Counter(at(lw.UniformLengths(5), 0, size=5000).tolist())
    assert set(counts) == {1, 2, 3, 4, 5}
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-4


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 50), st.integers(0, 200))
def test_curriculum_is_start_then_linear_then_t(a, b, growth, step):
    start, longest = sorted((a, b))
    lengths = at(lw.Curriculum(longest, start, growth), step, size=2)
    # Each of the lengths start..T holds for the same share of the growth.
    steps_each = growth / (longest - start + 1)
    wanted = longest if step >= growth else min(longest, start + int(step / steps_each + 1e-9))
    assert lengths.tolist() == [wanted, wanted]


def test_curriculum_values():
    law = lw.Curriculum(max_length=5, start=2, growth_steps=8)
    assert [int(at(law, t)[0]) for t in range(10)] == [2, 2, 3, 3, 4, 4, 5, 5, 5, 5]


def test_the_step_is_traced():
    law = lw.Curriculum(5, 2, 8)
    steps = jnp.arange(10)
    lengths = jax.jit(jax.vmap(lambda t: law.sample(t, 1, key=jr.key(0))))(steps)
    assert lengths[:, 0].tolist() == [2, 2, 3, 3, 4, 4, 5, 5, 5, 5]


@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_batches_are_masked_by_their_lengths(law, begin):
    task = lw.SetComplement(6, begin)
    batch = draw_batch(task, law, jnp.asarray(1), 16, key=jr.key(0))
    positions = 4 + begin
    assert batch.tokens.shape == batch.sampled.shape == batch.mask.shape == (16, positions)
    mask = np.asarray(batch.mask)
    ends = mask.sum(1)
    # True from the first position on, one for each length from `first_length` to the example's own.
    assert mask.tolist() == [[i < n for i in range(positions)] for n in ends]
    own = ends - begin
    assert 1 <= own.min() <= own.max() <= law.max_length
    wanted = {"FixedLength": {4}, "UniformLengths": {1, 2, 3, 4}, "Curriculum": {2}}
    assert set(own.tolist()) == wanted[type(law).__name__]
    for tokens, sampled, targets in zip(batch.tokens, batch.sampled, batch.targets, strict=True):
        label = np.array(oracle.label(tokens.tolist(), 6), np.float32)
        np.testing.assert_array_equal(np.asarray(targets), label)
        assert all(label[i, y] > 0 for i, y in enumerate(sampled.tolist()))


def test_lengths_and_examples_are_independent():
    """The same key draws lengths and tokens from streams apart: their sum tables fit the product.

    Chi-square for independence of (length, first token), level 1e-4, fixed key.
    """
    batch = draw_batch(
        lw.SetComplement(4), lw.UniformLengths(3), jnp.asarray(0), 4096, key=jr.key(3)
    )
    table = np.zeros((3, 4))
    np.add.at(table, (np.asarray(batch.mask).sum(1) - 1, np.asarray(batch.tokens)[:, 0]), 1)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    statistic = np.sum((table - expected) ** 2 / expected)
    assert statistic < scipy.stats.chi2.isf(1e-4, (3 - 1) * (4 - 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lw.FixedLength(0), r"`max_length >= 1`.*max_length=0"),
        (lambda: lw.UniformLengths(-1), r"`max_length >= 1`.*max_length=-1"),
        (lambda: lw.Curriculum(3, 4), r"`1 <= start <= max_length`.*start=4, max_length=3"),
        (lambda: lw.Curriculum(3, 0), r"start=0"),
        (lambda: lw.Curriculum(3, 1, 0), r"`growth_steps >= 1`.*growth_steps=0"),
    ],
)
def test_bad_laws_are_refused(make, words):
    with pytest.raises(lw.InputError, match=words):
        make()


def test_streams_of_one_key_differ():
    """Training, evaluation, history and weights share no random number."""
    for seed in range(20):
        keys = [stream(jr.key(seed), name) for name in STREAMS]
        data = [tuple(jr.key_data(key).tolist()) for key in (jr.key(seed), *keys)]
        assert len(set(data)) == len(STREAMS) + 1
    task = lw.SetComplement(32)
    sample = lambda name: {
        tuple(task.sample(31, key=key)[0].tolist()) for key in jr.split(stream(jr.key(0), name), 50)
    }
    seen = [sample(name) for name in STREAMS]
    assert len(set().union(*seen)) == sum(map(len, seen))
    with pytest.raises(ValueError, match="tuple"):
        stream(jr.key(0), "unknown")
