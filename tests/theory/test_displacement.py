"""Displacement, attention and their closed form against plain loops on every sequence."""

import dataclasses
import itertools as it
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import LearnedPositions, attention_weights
from lengthwise.theory import (
    attention_on,
    displacement_by_length,
    displacements,
    from_matrices,
    one_layer,
    predicted_displacements,
    valid_spread,
)


BASE = lw.minimal_config(4)
CONFIGS = {
    "minimal": BASE,
    "no residual, two heads": dataclasses.replace(BASE, residual=False, heads=2),
    "pre, positions": dataclasses.replace(
        BASE, norm="pre", bias=True, heads=2, positions=LearnedPositions(1.0)
    ),
    "post rms": dataclasses.replace(BASE, norm="post", norm_kind="rms"),
}


def filled(config):
    """A model with every weight random (from NumPy: nothing is compiled)."""
    rng = np.random.default_rng(3)
    model = eqx.filter_eval_shape(config.build, lw.SetComplement(5).sizes, key=jr.key(0))
    fill = lambda x: jnp.asarray(rng.normal(size=x.shape) / 2, jnp.float32)
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    return jax.tree.map(lambda x: fill(x) if is_shape(x) else x, model, is_leaf=is_shape)


@pytest.fixture(params=CONFIGS)
def model(request):
    return filled(CONFIGS[request.param])


def sequences(vocab, length):
    return np.array(list(it.permutations(range(vocab), length)))


def structured(vocab, heads, seed):
    """A layer with exact structure and random everything."""
    rng = np.random.default_rng(seed)
    alpha, beta, own = rng.normal(size=(3, heads, vocab))
    share, constant = rng.normal(size=(2, vocab))
    scores = 2 * rng.normal(size=(heads, vocab, vocab))
    d = alpha[:, :, None] + beta[:, None] - own[:, None] * np.eye(vocab)
    b = constant[:, None] - np.sum(beta, axis=0) - np.diag(share)
    return from_matrices(b, scores, d), own, share, scores


def test_displacements_equal_the_models_logits(model):
    layer = one_layer(model)
    for length in (1, 2, 4):
        tokens = sequences(5, length)
        logits = np.asarray(forward(model, tokens), np.float64)[:, -1]
        found, spread = displacements(layer, tokens), valid_spread(layer, tokens)
        assert found.shape == tokens.shape
        for row in range(0, len(tokens), 5):
            legal = [logits[row, y] for y in range(5) if y not in tokens[row]]
            wanted = [sum(legal) / len(legal) - logits[row, x] for x in tokens[row]]
            # Float32 logits of a small model, below 8.
            np.testing.assert_allclose(found[row], wanted, atol=1e-5)
            assert spread[row] == pytest.approx(max(legal) - min(legal), abs=1e-5)


def test_attention_is_that_of_the_model(model):
    layer = one_layer(model)
    for length in (1, 3):
        tokens = sequences(5, length)
        wanted = eqx.filter_jit(attention_weights)(model, jnp.asarray(tokens))[0][:, :, -1]
        found = attention_on(layer, tokens)
        np.testing.assert_allclose(found, np.swapaxes(wanted, 0, 1), atol=1e-6)


@given(st.integers(2, 6), st.integers(1, 2), st.integers(0, 2**31))
@settings(max_examples=15)
def test_prediction_is_exact_where_the_structure_is(vocab, heads, seed):
    layer, own, share, scores = structured(vocab, heads, seed)
    for length in range(1, vocab):
        tokens = sequences(vocab, length)
        predicted = predicted_displacements(own, share, scores, tokens)
        np.testing.assert_allclose(predicted, displacements(layer, tokens), atol=1e-13)
        assert np.max(valid_spread(layer, tokens)) < 1e-13


def test_rows_by_length_are_means_over_all_sequences():
    layer, *_ = structured(5, 1, 0)
    rows = displacement_by_length(layer, [1, 3, 4], samples=60, key=jr.key(0))
    assert [(r["length"], r["exhaustive"], r["inputs"]) for r in rows] == [
        (1, True, 5),
        (3, True, 60),
        (4, False, 60),
    ]
    assert math.isnan(rows[0]["earlier"])
    every = displacements(layer, sequences(5, 3))
    assert rows[1]["earlier"] == pytest.approx(np.mean(every[:, :2]))
    assert rows[1]["last_max"] == pytest.approx(np.max(every[:, 2]))
    assert rows[1]["smallest_min"] == pytest.approx(np.min(every))
    # The same sequences, so the same means, where the structure is exact.
    for row in rows:
        assert row["prediction_error"] < 1e-13
        for name in ("earlier", "last", "smallest"):
            assert row[f"predicted_{name}"] == pytest.approx(row[name], nan_ok=True)
    every = displacements(layer, sequences(5, 4))
    assert np.min(every) <= rows[2]["smallest"] <= np.max(every)
    again = displacement_by_length(layer, [4], samples=60, key=jr.key(0))
    other = displacement_by_length(layer, [4], samples=60, key=jr.key(1))
    assert again[0] == pytest.approx(rows[2], nan_ok=True)
    assert other[0]["smallest"] != rows[2]["smallest"]


def test_deviations_show_as_the_error_of_the_prediction():
    layer, *_ = structured(5, 1, 0)
    residual, scores, values = layer.plain_matrices()
    residual = residual.copy()
    residual[0, 1] += 0.5
    row = displacement_by_length(from_matrices(residual, scores, values), [2], key=jr.key(0))[0]
    assert row["prediction_error"] > 0.1
    assert row["spread_max"] == pytest.approx(0.5)


def test_models_without_structure_are_measured_only():
    model = filled(CONFIGS["post rms"])
    row = displacement_by_length(one_layer(model), [2], key=jr.key(0))[0]
    assert math.isfinite(row["earlier"])
    assert all(math.isnan(row[name]) for name in ("predicted_earlier", "prediction_error", "cap"))


@pytest.mark.parametrize("tokens", [[[0, 0]], [[0, 5]], [[-1]], [[0, 1, 2, 3, 4]], [[0.0]]])
def test_other_sequences_are_refused(tokens):
    layer, *_ = structured(5, 1, 0)
    for function in (displacements, valid_spread, attention_on):
        with pytest.raises(lw.InputError, match="distinct tokens"):
            function(layer, np.array(tokens))


def test_lengths_without_a_legal_token_are_refused():
    layer, *_ = structured(5, 1, 0)
    with pytest.raises(lw.InputError, match="1 <= length <= 4"):
        displacement_by_length(layer, [5], key=jr.key(0))
