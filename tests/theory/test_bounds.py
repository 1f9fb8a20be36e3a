"""Rank statements: exact in rational arithmetic, and promised singular values on any model."""

import dataclasses
import itertools as it
import math
from fractions import Fraction

import equinox as eqx
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings

import lengthwise as lw
from lengthwise._core import InputError
from lengthwise.theory import (
    DimensionBounds,
    check_ranks,
    dimension_bounds,
    from_matrices,
    one_layer,
)
from oracles.ranks import centred, rank


def solving(v, delta, shift, alpha, beta):
    """B and D of steps 1 and 6: D = alpha 1^T + 1 beta^T - diag(delta'), (B + D) P = -diag(delta) P."""
    d = [[alpha[x] + beta[y] - (x == y) * delta[x] for y in range(v)] for x in range(v)]
    b = [[-(x == y) * (delta[x] + shift[x]) - d[x][y] for y in range(v)] for x in range(v)]
    return b, d


fractions = st.fractions(min_value=-3, max_value=3, max_denominator=8)
positive = st.fractions(min_value=Fraction(1, 8), max_value=3, max_denominator=8)


@given(st.integers(3, 7), st.data())
@settings(max_examples=40)
def test_ranks_of_solving_matrices_are_exact(v, data):
    """Steps 2 and 7, without rounding: rank v - 1 for all positive delta, delta'."""
    draw = lambda each: data.draw(st.lists(each, min_size=v, max_size=v))
    b, d = solving(v, draw(positive), [Fraction(0)] * v, draw(fractions), draw(fractions))
    logits = [[p + q for p, q in zip(x, y, strict=True)] for x, y in zip(b, d, strict=True)]
    left = lambda m: [list(row) for row in zip(*m, strict=True)]
    assert rank(centred(logits)) == v - 1
    assert rank(centred(d)) == v - 1
    assert rank(centred(left(centred(d)))) == v - 1


@given(st.integers(3, 7), st.data())
@settings(max_examples=20)
def test_rank_oracle_counts_independent_rows(v, data):
    r = data.draw(st.integers(0, v))
    entry = st.integers(-2, 2).map(Fraction)
    x = data.draw(st.lists(st.lists(entry, min_size=r, max_size=r), min_size=v, max_size=v))
    rows = [[*row, *(Fraction(0) for _ in range(v - r))] for row in x]
    assert rank(rows) == np.linalg.matrix_rank(np.array(rows, float))


@given(st.integers(4, 7), st.integers(0, 10**6), st.sampled_from([0.0, 0.01, 0.1, 1.0]))
@settings(max_examples=80)
def test_singular_values_keep_the_promises(v, seed, noise):
    """Steps 11 to 13, on exact solutions and away from them; exact ones are promised something."""
    rng = np.random.default_rng(seed)
    delta, alpha, beta = rng.uniform(0.5, 2, v), rng.normal(size=v), rng.normal(size=v)
    b, d = (np.array(m) for m in solving(v, delta, np.zeros(v), alpha, beta))
    b, d = b + noise * rng.normal(size=(v, v)), d + noise * rng.normal(size=(v, v))
    checks = check_ranks(from_matrices(b, rng.normal(size=(v, v)), d))
    assert [check.matrix for check in checks] == ["(B+D) P", "D P", "P D P"]
    p = np.eye(v) - 1 / v
    for check, matrix in zip(checks, ((b + d) @ p, d @ p, p @ d @ p), strict=True):
        assert check.missing is None
        assert check.holds
        wanted = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(check.singular_values[0], wanted, rtol=0, atol=check.radius[0])
        if noise == 0:
            # b + d is -diag(delta) up to the rounding of d, whose entries are below 10.
            assert abs(check.promised - np.min(delta)) < 1e-12
            assert check.rank == check.needed == v - 1


def test_promises_from_spread_and_margin_alone():
    """Steps 11 and 12 on a solution of equal displacements: eta = 0, m known in closed form."""
    v, w = 6, 3.0
    b, d = -np.eye(v), -2 * np.eye(v)
    one, two, _ = check_ranks(from_matrices(b, -math.log(w) * np.eye(v), d))
    assert abs(one.margin - 3) < 1e-12
    assert abs(one.margin_mid - 3) < 1e-12
    assert one.spread < 1e-12
    assert abs(two.margin - min(2 * w / (w + 1), 1 + 2 / (w + 1))) < 1e-12
    # The form's promise, min delta' = 2, is the higher one.
    assert abs(two.promised - 2) < 1e-12 < abs(two.promised - math.sqrt(2 / v) * two.margin)


def test_perturbed_attention_values_are_promised_by_spread():
    """A D far from the form in directions that attention never shows: the promise falls to step 12 or 0."""
    v, rng = 5, np.random.default_rng(0)
    noise = rng.normal(size=(v, v))
    checks = check_ranks(from_matrices(-np.eye(v) - noise, np.zeros((v, v)), -np.eye(v) + noise))
    assert all(check.holds for check in checks)
    assert checks[0].promised > 0.99  # length 1 is solved all the same


def test_several_heads_share_the_rank():
    """Step 10's bound, attained: equal scores, the value path split by rank."""
    v, first = 6, 2
    q = np.linalg.qr(np.hstack([np.ones((v, 1)), np.random.default_rng(0).normal(size=(v, v - 1))]))
    q = q[0][:, 1:]
    d = np.stack([-q[:, :first] @ q[:, :first].T, -q[:, first:] @ q[:, first:].T])
    check = check_ranks(from_matrices(np.zeros((v, v)), np.zeros((2, v, v)), d))[1]
    assert check.rank == check.needed == v - 1
    assert math.isnan(check.smallest)
    assert check.holds
    assert check.margin > 0.4
    short = check_ranks(
        from_matrices(np.zeros((v, v)), np.zeros((2, v, v)), d[:, :, :] * [[[1]], [[0]]])
    )
    assert short[1].rank == first


@pytest.mark.parametrize(
    ("changes", "missing", "matrix"),
    [
        ({"norm": "post", "norm_kind": "rms"}, None, "(B+D) P"),
        ({"norm": "pre", "norm_kind": "layer"}, None, "(B+D) P"),
        ({"norm": "post", "norm_kind": "layer", "bias": True}, "shift", "logits P"),
        ({"positions": "learned"}, "positions", "(B+D) P"),
    ],
)
def test_models_with_norms_and_positions(changes, missing, matrix):
    """The rank of the centred logits at length 1, of the ordinary model, is that of the check."""
    from lengthwise.models import LearnedPositions

    v = 5
    if "positions" in changes:
        changes = {"positions": LearnedPositions(scale=1.0)}
    config = dataclasses.replace(lw.minimal_config(4), **changes)
    model = config.build(lw.SetComplement(v).sizes, key=jax.random.key(0))
    if config.bias:
        shift = jax.random.normal(jax.random.key(1), (4,))
        where = lambda m: m.blocks[0].norm_attention.shift
        model = eqx.tree_at(where, model, shift)
    layer = one_layer(model)
    one, two, _ = check_ranks(layer)
    assert one.matrix == matrix
    assert (missing is None) == (two.missing is None)
    assert missing is None or missing in str(two.missing)
    logits = layer.logits(np.arange(v)[:, None])
    centred_logits = logits - np.mean(logits, axis=1, keepdims=True)
    lost = config.norm != "none" and config.norm_kind == "layer" and not config.bias
    assert one.rank == np.linalg.matrix_rank(centred_logits) == 4 - lost
    if matrix == "logits P":
        wanted = np.linalg.svd(centred_logits, compute_uv=False)
        np.testing.assert_allclose(one.singular_values[0], wanted, rtol=0, atol=2 * one.radius[0])


def test_radius_covers_a_rank_lost_in_exact_arithmetic():
    """E U of d < v - 1 has rank d: no further singular value exceeds its radius."""
    for width, seed in it.product((1, 3), range(2)):
        config = lw.minimal_config(width)
        model = config.build(lw.SetComplement(6).sizes, key=jax.random.key(seed))
        checks = check_ranks(one_layer(model))
        assert [check.rank for check in checks] == [width] * 3
        assert all(check.promised == 0 for check in checks)
        assert all(np.max(check.radius) < 1e-12 for check in checks)


def test_bounds():
    bounds = dimension_bounds(8)
    assert isinstance(bounds, DimensionBounds)
    assert (bounds.embedding, bounds.value_total, bounds.form_from) == (7, 7, 4)
    assert "P D P" in bounds.length_2
    assert "D^h" in dimension_bounds(8, heads=2).length_2
    assert "D^h" in dimension_bounds(3).length_2
    assert dimension_bounds(8, final_layer_norm=True).embedding == 8
    for call in (
        lambda: dimension_bounds(2),
        lambda: dimension_bounds(8, heads=0),
        lambda: check_ranks(from_matrices(np.eye(2), np.eye(2), np.eye(2))),
    ):
        with pytest.raises(InputError, match="must hold"):
            call()
