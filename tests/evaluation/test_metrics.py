"""Metrics against loops over Python floats; the chance line in closed form."""

import itertools as it
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from lengthwise.evaluation import CHANCE, METRICS, chance, measure
from oracles import metrics as oracle, set_complement


VOCAB = 5
EPS = float(np.finfo(np.float32).eps)
_measure = jax.jit(measure)


def check(logits, targets, factor=1.0):
    """One row each; the oracle sees the float32 values, so only the arithmetic can differ."""
    f, p = np.asarray(logits, np.float32), np.asarray(targets, np.float32)
    got = {n: np.asarray(x) for n, x in _measure(f, p, jnp.float32(factor)).items()}
    assert set(got) == set(METRICS)
    for i in range(len(f)):
        wanted = oracle.measure(f[i].tolist(), p[i].tolist(), float(np.float32(factor)))
        # A logit is rounded when it is scaled and when the largest is subtracted; log z and the
        # sums add `VOCAB` roundings each: 4 VOCAB eps times the size of the logits (or 1) bounds
        # the error of a log-probability, and of everything that follows from it.
        size = max(1.0, float(np.abs(f[i]).max()) * factor)
        for name in METRICS:
            np.testing.assert_allclose(
                got[name][i], wanted[name], rtol=0, atol=4 * VOCAB * EPS * size, err_msg=name
            )


def labels(*prefixes):
    return [set_complement.label(prefix, VOCAB)[-1] for prefix in prefixes]


LABELS = labels([0], [1, 3], [4, 0, 2], [3, 2, 1, 0])


@pytest.mark.parametrize("factor", [1.0, 0.3, 7.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_random_logits(factor, scale):
    rng = np.random.default_rng(0)
    for _ in range(8):
        check(scale * rng.normal(size=(4, VOCAB)), LABELS, factor)


@given(st.lists(st.integers(-2, 2), min_size=VOCAB, max_size=VOCAB), st.sampled_from(LABELS))
def test_ties(logits, label):
    """Integer logits tie often: illegal wins a tie for the top, and nothing is separated by it."""
    check([logits], [label])


def test_huge_logits():
    check(1e4 * np.random.default_rng(1).normal(size=(4, VOCAB)), LABELS)
    check([[1e30, -1e30, 0, 1, 2]], LABELS[:1])


def test_every_token_legal():
    """Length 0 with a begin token: no illegal token, so three metrics are undefined."""
    logits = np.random.default_rng(2).normal(size=(1, VOCAB))
    check(logits, [[1 / VOCAB] * VOCAB])
    got = _measure(jnp.asarray(logits, jnp.float32), jnp.full((1, VOCAB), 0.2), jnp.ones(()))
    assert float(got["itr"][0]) == float(got["top1_illegal"][0]) == 0
    assert all(math.isnan(float(got[n][0])) for n in ("displacement", "separation", "separated"))


def test_targets_that_are_not_uniform():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(VOCAB), size=4) * (rng.random((4, VOCAB)) < 0.7)
    p[:, 0] += 1e-3
    check(rng.normal(size=(4, VOCAB)), p / p.sum(1, keepdims=True))


def test_masked_logits_are_minus_infinity():
    """A predictor may know what is illegal: -inf there is a perfect answer, not an error."""
    logits = np.where(np.array(LABELS) > 0, 0.0, -np.inf).astype(np.float32)
    got = _measure(logits, np.array(LABELS, np.float32), jnp.ones(()))
    exact = {"itr": 0, "top1_illegal": 0, "separation": math.inf, "separated": 1}
    for name, wanted in exact.items():
        assert got[name].tolist() == [wanted] * 4, name
    for name in ("tv", "kl"):
        np.testing.assert_allclose(got[name], 0, atol=VOCAB * EPS)


@pytest.mark.parametrize("vocab", [2, 5, 8])
def test_chance_in_closed_form(vocab):
    """Uniform predictions: itr = s/v, tv = s/v, kl = -log(1 - s/v), top-1 a tie, so illegal."""
    for s in range(1, vocab):
        label = np.array(set_complement.label(range(s), vocab)[-1:], np.float32)
        got = _measure(np.zeros((1, vocab), np.float32), label, jnp.ones(()))
        atol = 4 * vocab * EPS
        np.testing.assert_allclose(got["itr"], s / vocab, atol=atol)
        np.testing.assert_allclose(got["tv"], s / vocab, atol=atol)
        np.testing.assert_allclose(got["kl"], -math.log(1 - s / vocab), atol=atol)
        assert got["top1_illegal"].tolist() == [1.0]
        assert got["separated"].tolist() == [0.0]
        # Illegal tokens come first in a tie, so the v - s places are legal ones' beyond the first s.
        assert got["coverage"].tolist() == pytest.approx([max(vocab - 2 * s, 0) / (vocab - s)])


def test_chance_is_the_mean_over_all_orders():
    """Of a guess: what does not depend on the order is as of equal logits, the rest as by brute force."""
    orders = np.array(list(it.permutations(range(VOCAB))), np.float32)
    for label in LABELS:
        targets = np.array([label], np.float32)
        got = {name: float(value[0]) for name, value in chance(targets).items()}
        flat = _measure(np.zeros((1, VOCAB), np.float32), targets, jnp.ones(()))
        ranked = _measure(orders, np.repeat(targets, len(orders), 0), jnp.ones(()))
        assert tuple(got) == CHANCE
        for name in CHANCE:
            by_order = name in ("top1_illegal", "coverage")
            wanted = float(np.mean((ranked if by_order else flat)[name]))
            # 120 float32 numbers below 1 are added
            assert got[name] == pytest.approx(wanted, abs=120 * EPS), name


@pytest.mark.parametrize("vocab", [32, 33, 60])
def test_coverage_of_few_tokens_and_of_many(vocab):
    """Counted and sorted, with many ties."""
    rng = np.random.default_rng(vocab)
    logits = rng.integers(-6, 6, size=(50, vocab)).astype(np.float32)
    legal = rng.random((50, vocab)) < rng.random((50, 1))
    legal[:, 0] = True
    logits += 3 * legal
    targets = (legal / legal.sum(1, keepdims=True)).astype(np.float32)
    got = _measure(logits, targets, jnp.ones(()))["coverage"]
    wanted = [
        oracle.coverage(f, np.flatnonzero(x).tolist())
        for f, x in zip(logits.tolist(), legal, strict=True)
    ]
    np.testing.assert_allclose(got, wanted, rtol=EPS)
    assert len(set(wanted)) > 10


def test_coverage_is_graded_and_has_no_scale():
    label = np.array([[0.25, 0.25, 0.25, 0.25, 0]], np.float32)
    for logits, wanted in (
        ([5, 4, 3, 2, 1], 1.0),
        ([5, 4, 3, 1, 2], 0.75),
        ([5, 4, 3, 2, 2], 0.75),  # a tie is no knowledge
        ([0.0, 1, 1, 1, -0.0], 0.75),
        ([1, 2, 3, 4, 5], 0.75),
    ):
        for factor in (1e-3, 1.0, 1e3):
            got = _measure(np.array([logits], np.float32), label, jnp.float32(factor))
            assert got["coverage"].tolist() == [wanted], logits
