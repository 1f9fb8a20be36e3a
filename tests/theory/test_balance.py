"""Balance, horizon and cap against enumeration, exact arithmetic and linear programs."""

import itertools as it
import math
from fractions import Fraction

import jax.random as jr
import numpy as np
import pytest
from hypothesis import assume, example, given, settings, strategies as st
from scipy.optimize import linprog

import lengthwise as lw
from lengthwise.theory import (
    Horizon,
    balance_exists,
    balanced_weights,
    check_balance,
    dispersion_cap,
    displacement_by_length,
    displacements,
    from_matrices,
    horizon,
    merge_heads,
    predicted_displacements,
    unbalanced_horizon,
    valid_spread,
)


HALVES = st.integers(-8, 8).map(lambda n: Fraction(n, 2))
POSITIVE_HALVES = st.integers(1, 10).map(lambda n: Fraction(n, 2))
SEEDS = st.integers(0, 2**31)


def layer_of(own, share, weights):
    """The layer with B = -diag(r) P, D = -diag(delta') P, C = log w."""
    own, share = np.asarray(own, float), np.asarray(share, float)
    vocab = len(own)
    centring = np.eye(vocab) - 1 / vocab
    log_weights = np.log(np.asarray(weights, float))
    return from_matrices(-share[:, None] * centring, log_weights, -own[:, None] * centring)


@st.composite
def displaced(draw, least=2, most=6):
    """delta' and r, in halves."""
    vocab = draw(st.integers(least, most))
    own = draw(st.lists(POSITIVE_HALVES, min_size=vocab, max_size=vocab))
    share = draw(st.lists(HALVES, min_size=vocab, max_size=vocab))
    return own, share


def exact_weights(own, share):
    """w_q(x) of balance, from the equation of two displacements: a delta'_x = r_q + (1 - a) delta'_q."""
    vocab = len(own)
    table = [[Fraction(1)] * vocab for _ in range(vocab)]
    for q, x in it.permutations(range(vocab), 2):
        a = (share[q] + own[q]) / (own[x] + own[q])
        table[q][x] = a / (1 - a)
    return table


def last_displacement(own, share, table, t):
    q = t[-1]
    return share[q] + own[q] / (1 + sum(table[q][x] for x in t[:-1]))


def enumerated(own, share, table):
    """The first length with a sequence whose last token is not displaced, in exact arithmetic."""
    for length in range(1, len(own)):
        for t in it.permutations(range(len(own)), length):
            if last_displacement(own, share, table, t) <= 0:
                return length
    return None


def check(found, own, share, table):
    assert found.length == enumerated(own, share, table)
    if found.length is not None:
        assert len(set(found.witness)) == len(found.witness) == found.length
        assert last_displacement(own, share, table, found.witness) <= 0
    else:
        assert found.witness is None


@given(displaced(most=5))
@settings(max_examples=150)
@example(([Fraction(3)] * 6, [Fraction(-1)] * 6))  # tie at 5
@example(([Fraction(2)] * 6, [Fraction(-1)] * 6))  # tie at 4
@example(([Fraction(n) for n in (1, 2, 3, 6, 7)], [Fraction(-1, 2)] * 5))
def test_horizon_equals_enumeration(numbers):
    own, share = numbers
    share = [min(r, d - Fraction(1, 2)) for r, d in zip(share, [min(own)] * len(own), strict=True)]
    share = [max(r, Fraction(1, 4) - d) for r, d in zip(share, own, strict=True)]
    assume(balance_exists(own, share))
    table = exact_weights(own, share)
    check(horizon(own, share), own, share, table)
    check(unbalanced_horizon(table, own, share), own, share, table)


@given(displaced(most=5), st.data())
@settings(max_examples=60)
def test_unbalanced_horizon_equals_enumeration(numbers, data):
    own, share = numbers
    row = st.lists(POSITIVE_HALVES, min_size=len(own), max_size=len(own))
    table = data.draw(st.lists(row, min_size=len(own), max_size=len(own)))
    check(unbalanced_horizon(table, own, share), own, share, table)


@pytest.mark.parametrize("extra", [0, -1, 1])
def test_ties_are_decided_exactly(extra):
    """One part in 10^30 off a tie, far below the resolution of float64."""
    r = Fraction(-1) + extra * Fraction(1, 10**30)
    found = horizon([Fraction(5)] * 12, [r] * 12)
    # 2 + 5 / |r|: above 7 for the smaller |r|.
    assert found.length == (8 if extra == 1 else 7)
    assert found.witness is not None
    assert len(found.witness) == found.length
    # Floats are the numbers that they are: 0.3 is a little less than 3 times 0.1.
    assert Fraction(0.3) < 3 * Fraction(0.1)
    assert horizon([0.3] * 8, [-0.1] * 8).length == 5
    assert horizon(np.full(8, 0.3), np.full(8, -0.1)) == horizon([0.3] * 8, [-0.1] * 8)


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(5, 2), Fraction(4), Fraction(100)])
def test_homogeneous_horizon(ratio):
    vocab = 9
    found = horizon([ratio + 1] * vocab, [-1] * vocab)
    wanted = math.ceil(2 + ratio + 1)
    assert found.length == (wanted if wanted <= vocab - 1 else None)
    assert horizon([ratio] * vocab, [0] * vocab) == Horizon(None, None)


@given(displaced())
@settings(max_examples=100)
def test_balance_exists_iff_the_implied_attention_does(numbers):
    own, share = numbers
    vocab = len(own)
    implied = [(share[q] + own[q]) / (own[x] + own[q]) for q, x in it.permutations(range(vocab), 2)]
    exists = all(0 < a < 1 for a in implied)
    assert balance_exists(own, share) == exists
    if exists:
        wanted = np.array(exact_weights(own, share), float)
        np.testing.assert_allclose(balanced_weights(np.array(own), np.array(share)), wanted)
    else:
        with pytest.raises(lw.InputError, match="no attention balances"):
            horizon(own, share)


def heterogeneous(vocab, seed):
    """delta', r and the balancing weights, of a model whose horizon is below v or not."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(1, 4, vocab)
    share = np.maximum(rng.uniform(-2, 1, vocab), 0.2 - own)
    return own, np.minimum(share, 0.9 * np.min(own)), rng


@given(st.integers(4, 6), SEEDS)
@settings(max_examples=15)
def test_balanced_models_at_every_length(vocab, seed):
    own, share, _ = heterogeneous(vocab, seed)
    layer = layer_of(own, share, balanced_weights(own, share))
    found = check_balance(layer)
    assert found.exists
    assert found.solved(1e-12)
    assert found.balanced(1e-11)
    assert found.attention_gap < 1e-12
    np.testing.assert_allclose(found.weights, found.implied_weights, rtol=1e-11)
    np.testing.assert_allclose(found.single, own + share, rtol=1e-12)
    off = ~np.eye(vocab, dtype=bool)
    a = (own + share)[:, None] / (own + own[:, None])
    np.testing.assert_allclose(found.attention[off], a[off], rtol=1e-11)
    np.testing.assert_allclose(found.earlier[off], (a * own)[off], rtol=1e-11)
    first = found.horizon(1e-10)
    assert first == horizon(own, share)
    for length in range(1, vocab):
        tokens = np.array(list(it.permutations(range(vocab), length)))
        every = displacements(layer, tokens)
        assert np.max(valid_spread(layer, tokens)) < 1e-12
        assert np.all(every[:, :-1] > 0)
        if first.length is None or length < first.length:
            assert np.all(every > -1e-12)
        cap = dispersion_cap(own, share, tokens)
        assert np.all(np.min(every, axis=1) <= cap + 1e-12)
        # 2 / s of the displacement at length 2, where the residual path does not lift the token.
        if length > 2 and np.all(share >= 0):
            two = np.nanmax(found.earlier)
            assert np.max(np.min(every, axis=1)) <= 2 / length * two + 1e-12
    if first.length is not None:
        assert displacements(layer, np.array([first.witness]))[0, -1] <= 1e-12


@pytest.mark.parametrize("share", [-0.4, 0.0, 0.7])
def test_homogeneous_displacement_by_length(share):
    vocab, own = 7, 2.0
    weights = balanced_weights(np.full(vocab, own), np.full(vocab, share))
    rows = displacement_by_length(
        layer_of([own] * vocab, [share] * vocab, weights),
        range(1, vocab),
        samples=200,
        key=jr.key(0),
    )
    for row in rows:
        s = row["length"]
        z = s * own + (s - 2) * share
        earlier, last = own * (own + share) / z, (own + share) * (own + (s - 2) * share) / z
        if s > 1:
            assert row["earlier"] == pytest.approx(earlier)
            assert row["predicted_earlier"] == pytest.approx(earlier)
            assert row["earlier_max"] == pytest.approx(row["earlier_min"])
        assert row["last"] == pytest.approx(last)
        # The second is the smaller at s = 4 for r = 0.7: then (s - 1) r > delta'.
        cap = min((own + share) / s, own / (s - 1) if s > 1 else math.inf)
        assert row["cap"] == pytest.approx(cap)
        if share == 0:  # uniform attention attains the cap
            assert row["smallest"] == pytest.approx(row["cap"])


@given(st.integers(4, 6), SEEDS)
@settings(max_examples=15)
def test_unbalanced_models_are_seen(vocab, seed):
    own, share, rng = heterogeneous(vocab, seed)
    weights = balanced_weights(own, share)
    q, x = rng.permutation(vocab)[:2]
    weights[q, x] *= 1.2
    layer = layer_of(own, share, weights)
    found = check_balance(layer)
    pairs = displacements(layer, np.array(list(it.permutations(range(vocab), 2))))
    assert found.imbalance == pytest.approx(np.max(np.abs(pairs[:, 0] - pairs[:, 1])))
    assert not found.balanced(1e-6)
    assert found.smallest_displacement == pytest.approx(min(np.min(pairs), np.min(found.single)))
    a, changed = found.implied_attention[q, x], found.attention[q, x]
    assert changed / (1 - changed) == pytest.approx(1.2 * a / (1 - a))
    assert found.attention_gap == pytest.approx(abs(changed - a))
    if found.solved():
        exact = [[Fraction(w) for w in row] for row in np.nan_to_num(found.weights, nan=1)]
        parts = found.structure
        own = [Fraction(n) for n in parts.attention_displacement[0].tolist()]
        share = [Fraction(n) for n in parts.residual_displacement.tolist()]
        check(found.horizon(), own, share, exact)


def test_unsolved_models_have_no_horizon():
    layer = from_matrices(*np.random.default_rng(0).normal(size=(3, 5, 5)))
    found = check_balance(layer)
    assert not found.solved()
    assert found.largest_spread > 0.1
    with pytest.raises(lw.InputError, match="solves lengths 1 and 2"):
        found.horizon()


def test_heads_are_merged_where_they_attend_alike():
    own, share, rng = heterogeneous(5, 3)
    one = layer_of(own, share, balanced_weights(own, share))
    residual, scores, values = one.plain_matrices()
    part = rng.normal(size=values.shape)
    shift = rng.normal(size=(5, 1))  # constants in a row of scores do nothing
    two = from_matrices(
        residual,
        np.concatenate([scores, scores + shift]),
        np.concatenate([part, values - part]),
    )
    merged = merge_heads(two)
    tokens = np.array(list(it.permutations(range(5), 3)))
    np.testing.assert_allclose(merged.logits(tokens), two.logits(tokens), atol=1e-13)
    assert check_balance(two).balanced(1e-10)
    different = from_matrices(
        residual, np.concatenate([scores, scores.swapaxes(1, 2)]), part[[0, 0]]
    )
    with pytest.raises(lw.InputError, match="heads with the same attention"):
        check_balance(different)


def test_small_vocabularies_are_refused():
    with pytest.raises(lw.InputError, match="vocab >= 4"):
        check_balance(layer_of([1.0] * 3, [0.0] * 3, np.ones((3, 3))))


def test_other_numbers_are_refused():
    with pytest.raises(lw.InputError, match="one shape"):
        horizon([1, 2, 3], [0, 0])
    with pytest.raises(lw.InputError, match="finite number"):
        horizon([1.0, math.nan, 3.0], [0.0, 0.0, 0.0])
    with pytest.raises(lw.InputError, match="weights > 0"):
        unbalanced_horizon(np.zeros((3, 3)), [1, 1, 1], [0, 0, 0])
    with pytest.raises(lw.InputError, match="attention_displacement > 0"):
        dispersion_cap(np.array([1.0, -1.0, 1.0]), np.zeros(3), np.array([[0, 1]]))


def best_attention(own, share, t):
    """The largest smallest displacement over all attention on t, by a linear program over (a, m)."""
    s = len(t)
    gains = np.array([own[x] for x in t], float)
    upper = np.concatenate([-np.diag(gains), np.ones((s, 1))], axis=1)  # m - a_x delta'_x <= ...
    bound = np.zeros(s)
    bound[-1] = share[t[-1]]
    total = np.concatenate([np.ones(s), [0.0]])[None]
    found = linprog(
        np.concatenate([np.zeros(s), [-1.0]]),
        A_ub=upper,
        b_ub=bound,
        A_eq=total,
        b_eq=[1.0],
        bounds=[(0, None)] * s + [(None, None)],
    )
    return -found.fun


@given(displaced(least=3, most=7), st.data())
@settings(max_examples=60)
@example(([Fraction(1)] * 5, [Fraction(4)] * 5), None)  # the residual path alone displaces q
def test_cap_is_the_best_of_all_attention(numbers, data):
    own, share = numbers
    share = [max(r, Fraction(1, 4) - d) for r, d in zip(share, own, strict=True)]
    length = data.draw(st.integers(1, len(own) - 1)) if data else 3
    t = np.array(data.draw(st.permutations(range(len(own))))[:length] if data else [0, 1, 2])
    own, share = np.array(own, float), np.array(share, float)
    cap = dispersion_cap(own, share, t[None])[0]
    assert cap == pytest.approx(best_attention(own, share, t), rel=1e-7)
    assert cap <= (1 + share[t[-1]] / own[t[-1]]) / np.sum(1 / own[t]) + 1e-12


def test_no_scores_beat_the_cap():
    own, share, rng = heterogeneous(6, 1)
    for length in range(1, 6):
        t = rng.permutation(6)[:length][None]
        cap = dispersion_cap(own, share, t)[0]
        for _ in range(50):
            scores = rng.normal(scale=2, size=(6, 6))
            assert np.min(predicted_displacements(own, share, scores, t)) <= cap + 1e-12
