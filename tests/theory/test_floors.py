"""Floors: proved steps against random and optimised models, attained ones against their models."""

import itertools as it
import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings

from lengthwise.theory import (
    embedding_kl_floor,
    embedding_spread_floor,
    embedding_tv_floor,
    floor_table,
    from_matrices,
    kl_floor,
    mid_floor,
    value_spread_floor,
    value_tv_floor,
)


VOCABS = (4, 5, 6, 7, 8)


def errors(logits, tokens):
    """Spread, m, m_mid, TV and KL of each input, by loops."""
    found = []
    for f, t in zip(logits, tokens, strict=True):
        valid = [f[y] for y in range(len(f)) if y not in t]
        worst, p = max(f[x] for x in t), np.exp(f - max(f))
        p, n = p / p.sum(), len(valid)
        wrong = sum(p[x] for x in t)
        tv = (wrong + sum(abs(p[y] - 1 / n) for y in range(len(f)) if y not in t)) / 2
        kl = -sum(math.log(p[y]) + math.log(n) for y in range(len(f)) if y not in t) / n
        low, high = min(valid), max(valid)
        found.append((high - low, low - worst, (low + high) / 2 - worst, tv, kl))
    return np.array(found).T


def over(layer, longest):
    """The worst of each over the inputs up to a length: eta, m, m_mid, TV, KL."""
    parts = []
    for length in range(1, longest + 1):
        tokens = np.array(list(it.permutations(range(layer.vocab), length)))
        parts.append(errors(layer.logits(tokens), tokens))
    eta, m, mid, tv, kl = np.concatenate(parts, axis=1)
    return max(eta), min(m), min(mid), max(tv), max(kl)


def low_rank(v, rank, rng):
    """A nearly solving matrix of this rank up to constants, and the projection on its row space: -P
    without some directions, perturbed.
    """
    lost = rng.normal(size=(v, v - 1 - rank))
    if rng.random() < 0.5:
        lost = np.sign(lost) + 0.1 * rng.normal(size=lost.shape)
    q = np.linalg.qr(np.hstack([np.ones((v, 1)), lost]))[0]
    keep = np.eye(v) - q @ q.T
    return -(keep + rng.choice([0, 0.02, 0.3]) * rng.normal(size=(v, v))) @ keep, keep


@given(st.integers(0, 10**6), st.sampled_from((4, 5, 6)), st.integers(1, 3), st.booleans())
@settings(max_examples=150)
def test_no_model_is_below_a_floor(seed, v, lack, embedding):
    """Proofs of the room: d (all matrices lose the same directions), or d_v, one head or two."""
    rng = np.random.default_rng(seed)
    rank, scale = v - 1 - lack, rng.choice([1, 3, 10])
    scores = rng.normal(size=(v, v)) * rng.choice([0, 1, 3])
    b, (d, keep) = rng.choice([0, 0.5]) * low_rank(v, v - 1, rng)[0], low_rank(v, rank, rng)
    if embedding:
        b = b @ keep
    eta, m, mid, tv, kl = over(from_matrices(scale * b, scores, scale * d), 2)
    slack, eta, tv, kl = 1 - 1e-9, eta + 1e-10, tv + 1e-10, kl + 1e-10
    assert eta >= slack * value_spread_floor(v, (rank,)) * m
    assert eta >= slack * mid_floor(value_spread_floor(v, (rank,))) * mid
    assert tv >= slack * value_tv_floor(v, (rank,))
    if embedding:
        assert eta >= slack * embedding_spread_floor(v, rank, longest=2) * mid
        eta, m, mid, tv, kl = over(from_matrices(scale * b, scores, scale * d), 1)
        assert eta + 1e-10 >= slack * embedding_spread_floor(v, rank) * mid
        assert tv >= slack * embedding_tv_floor(v, rank)
        assert kl >= slack * embedding_kl_floor(v, rank)


@given(st.integers(0, 10**6), st.sampled_from((4, 5, 6)))
@settings(max_examples=50)
def test_no_model_of_several_heads_is_below_its_floor(seed, v):
    rng = np.random.default_rng(seed)
    first = int(rng.integers(1, v - 2))
    d = np.stack([low_rank(v, rank, rng)[0] for rank in (first, v - 2 - first)])
    scores = rng.normal(size=(2, v, v)) * rng.choice([0, 1, 3])
    layer = from_matrices(rng.choice([0, 0.5]) * low_rank(v, v - 1, rng)[0], scores, d)
    eta, m, *_ = over(layer, 2)
    assert eta >= (1 - 1e-9) * value_spread_floor(v, (first, v - 2 - first)) * m


def signs(v):
    z = np.zeros(v)
    z[: v // 2], z[v // 2 : 2 * (v // 2)] = 1.0, -1.0
    return z


@pytest.mark.parametrize("v", VOCABS)
def test_spread_floor_is_attained(v):
    """Step 2 of `embedding_spread_floor`, for even and odd v: W = -c (I - z z^T / |z|^2) P."""
    z = signs(v)
    w = np.outer(z, z) - 2 * (v // 2) * np.eye(v)
    w = w - np.mean(w, axis=1, keepdims=True)
    assert np.linalg.matrix_rank(w) == v - 2
    eta, _, mid, *_ = over(from_matrices(w, np.zeros((v, v)), np.zeros((v, v))), 1)
    assert abs(eta / mid - embedding_spread_floor(v, v - 2)) < 1e-12


@pytest.mark.parametrize("v", VOCABS)
def test_tv_floor_is_attained_by_pairs_of_equal_columns(v):
    """Up to v/2 pairs: `embedding_tv_floor` is the same for all these d."""
    pairs = v // 2
    same = np.eye(v)
    for i in range(pairs):
        same[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 1.0
    w = np.zeros((v, v))
    for x in range(v):
        mates = np.flatnonzero(same[x])
        w[x, mates] = -math.log(2) if len(mates) == 2 else -40.0
    assert np.linalg.matrix_rank(w - np.mean(w, axis=1, keepdims=True)) <= v - 1 - pairs
    *_, tv, _ = over(from_matrices(w, np.zeros((v, v)), np.zeros((v, v))), 1)
    assert abs(tv - embedding_tv_floor(v, v - 1 - pairs)) < 1e-12


@pytest.mark.parametrize("v", VOCABS)
def test_kl_floor_over_every_u_is_that_of_the_signs(v):
    """Steps 3 and 4 of `embedding_kl_floor`; other z have a higher one."""

    def highest(z):
        u = np.linalg.svd(np.vstack([z, np.ones(v)]))[2][2:]
        return max(kl_floor(u, [x]) for x in range(v))

    floor = embedding_kl_floor(v, v - 2)
    assert abs(highest(signs(v)) - floor) < 1e-9
    rng = np.random.default_rng(v)
    for _ in range(3):
        z = rng.normal(size=v)
        assert highest(z - np.mean(z)) >= floor


@given(st.integers(0, 10**6), st.sampled_from((4, 5, 6)), st.data())
@settings(max_examples=20)
def test_kl_floor_is_the_infimum_over_hidden_vectors(seed, v, data):
    """Duality: the best softmax(h U), found by scipy from the other side, comes down to the floor."""
    rng = np.random.default_rng(seed)
    dim = data.draw(st.integers(1, v - 2))
    length = data.draw(st.integers(1, v - 2))
    u, tokens = rng.normal(size=(dim, v)), list(range(length))
    target = np.array([0.0] * length + [1 / (v - length)] * (v - length))

    def kl(h):
        f = h @ u
        return np.logaddexp.reduce(f) - target @ f - math.log(v - length)

    def slope(h):
        p = np.exp(h @ u - np.logaddexp.reduce(h @ u))
        return u @ (p - target)

    best = scipy.optimize.minimize(kl, np.zeros(dim), jac=slope, method="BFGS", tol=1e-10).fun
    floor = kl_floor(u, tokens)
    assert floor - 1e-9 <= best <= floor + 1e-4  # an infimum at infinity is only approached


def test_kl_floor_of_extreme_unembeddings():
    assert abs(kl_floor(np.zeros((0, 6)), [0, 2]) - math.log(6 / 4)) < 1e-12
    assert kl_floor(np.eye(6), [0]) == 0.0
    twins = np.eye(4)[[0, 0, 1, 2, 3]].T  # tokens 0 and 1 have one logit
    assert abs(kl_floor(twins, [0]) - math.log(2) / 4) < 1e-12
    assert (
        kl_floor(twins, [4]) == 0.0
    )  # no feasible z: the kernel leaves the orthant, or gains nothing


@pytest.mark.parametrize("v", VOCABS)
def test_value_floor_is_attained(v):
    """The optimum of step 4 of `value_spread_floor`, by linear programming over B and D at a = 1/2."""
    z = np.where(np.arange(v) < v // 2, 1 / (v // 2), -1 / (v - v // 2))
    count = 2 * v * v  # B, D, then eta
    pairs = [(x, x) for x in range(v)] + list(it.permutations(range(v), 2))
    rows, bounds = [], []

    def entry(x, q, y):
        row = np.zeros(count + 1)
        row[q * v + y] = 1.0
        row[v * v + x * v + y] += 0.5
        row[v * v + q * v + y] += 0.5
        return row

    for x, q in pairs:
        valid = [y for y in range(v) if y not in (x, q)]
        for y, other in it.permutations(valid, 2):
            rows.append(entry(x, q, y) - entry(x, q, other) - np.eye(count + 1)[-1])
            bounds.append(0.0)
        for y, bad in it.product(valid, {x, q}):
            rows.append(entry(x, q, bad) - entry(x, q, y))
            bounds.append(-1.0)
    kernel = np.zeros((v, count + 1))
    for x in range(v):
        kernel[x, v * v + x * v : v * v + (x + 1) * v] = z
    cost = np.eye(count + 1)[-1]
    best = scipy.optimize.linprog(
        cost, A_ub=np.array(rows), b_ub=bounds, A_eq=kernel, b_eq=np.zeros(v), bounds=(None, None)
    )
    assert abs(best.fun - value_spread_floor(v, (v - 2,))) < 1e-7


def test_value_tv_floor_is_above_a_quarter():
    for v in (*VOCABS, 20, 100, 1000):
        assert 1 / 4 < (v - 1) * value_tv_floor(v, (v - 2,)) < 1 / 2


@pytest.mark.parametrize("v", VOCABS)
def test_floors_rise_with_the_lack_and_end_where_it_does(v):
    for floor in (embedding_spread_floor, embedding_tv_floor, embedding_kl_floor):
        values = [floor(v, d) for d in range(v + 1)]
        assert values == sorted(values, reverse=True)
        assert values[v - 1] == values[v] == 0.0 < values[v - 2]
    for split in (lambda d: (d,), lambda d: (1, max(d - 1, 0))):
        values = [value_spread_floor(v, split(d)) for d in range(1, v + 1)]
        assert values == sorted(values, reverse=True)
        assert values[v - 2] == values[v - 1] == 0.0 < values[v - 3]
    by_length = [embedding_spread_floor(v, v - 2, longest=s) for s in range(1, v)]
    assert by_length == sorted(by_length)
    assert by_length[v // 2 - 1] == by_length[-1] == 2.0


def test_table_counts_no_more_values_than_the_embedding_has():
    rows = {(r.dimension, r.lengths, r.quantity): r.floor for r in floor_table(8, 6, (8,))}
    assert rows["d_v", (1, 2), "spread / m"] == value_spread_floor(8, (6,))
    assert rows["d", (1, 2), "spread / m_mid"] == embedding_spread_floor(8, 6, longest=2)
    rows = {(r.dimension, r.quantity): r.floor for r in floor_table(8, 7, (3, 3))}
    assert rows["d_v", "tv"] is None
    assert rows["d", "kl"] == 0.0


def test_bad_input_is_refused():
    from lengthwise._core import InputError

    for call in (
        lambda: embedding_tv_floor(3, 1),
        lambda: embedding_tv_floor(5, -1),
        lambda: embedding_spread_floor(5, 3, longest=0),
        lambda: value_spread_floor(5, ()),
        lambda: floor_table(5, 3, ()),
        lambda: kl_floor(np.eye(4), [0, 0]),
        lambda: kl_floor(np.eye(4), [0, 1, 2, 3]),
        lambda: kl_floor(np.eye(4), [4]),
    ):
        with pytest.raises(InputError, match="must hold"):
            call()
