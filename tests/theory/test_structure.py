"""The structure is a decomposition of any layer, and is what lengths 1 and 2 force."""

import dataclasses
import itertools as it

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lengthwise as lw
from lengthwise.models import LearnedPositions
from lengthwise.theory import attention_on, from_matrices, one_layer, structure


SEEDS = st.integers(0, 2**31)


def random_layer(vocab, heads, seed):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape)
    return from_matrices(
        draw(vocab, vocab), draw(heads, vocab, vocab), 3 * draw(heads, vocab, vocab)
    )


@given(st.integers(2, 7), st.integers(1, 3), SEEDS)
@settings(max_examples=40)
def test_parts_add_up(vocab, heads, seed):
    layer = random_layer(vocab, heads, seed)
    residual, _, values = layer.plain_matrices()
    parts = structure(layer)
    own = np.eye(vocab)
    d = parts.alpha[:, :, None] + parts.beta[:, None, :] + parts.value_deviation
    b = parts.residual_constant[:, None] - np.sum(parts.beta, axis=0) + parts.residual_deviation
    # Some ten roundings of numbers below 20.
    bound = {"rtol": 0, "atol": 200 * 2.0**-53}
    np.testing.assert_allclose(d - parts.attention_displacement[:, None] * own, values, **bound)
    np.testing.assert_allclose(b - parts.residual_displacement * own, residual, **bound)
    np.testing.assert_allclose(np.sum(parts.beta, axis=1), 0, **bound)
    assert not np.any(parts.residual_deviation * own)
    assert not np.any(parts.value_deviation * own)


@given(st.integers(2, 7), SEEDS)
@settings(max_examples=20)
def test_fit_is_that_of_least_squares(vocab, seed):
    layer = random_layer(vocab, 1, seed)
    values = layer.plain_matrices()[2][0]
    i, j = np.nonzero(~np.eye(vocab, dtype=bool))
    design = np.concatenate([np.eye(vocab)[i], np.eye(vocab)[j]], axis=1)
    fit = np.linalg.lstsq(design, values[i, j], rcond=None)[0]
    wanted = np.linalg.norm(values[i, j] - design @ fit)
    got = np.linalg.norm(structure(layer).value_deviation)
    assert got == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@given(st.integers(4, 6), st.integers(1, 2), SEEDS)
@settings(max_examples=10)
def test_margins_on_every_sequence_are_those_of_the_parts(vocab, heads, seed):
    """Step 3 of the derivation, and the bound of `largest_deviation`."""
    layer = random_layer(vocab, heads, seed)
    parts = structure(layer)
    for length in range(1, vocab):
        tokens = np.array(list(it.permutations(range(vocab), length)))
        logits, attention = layer.logits(tokens), attention_on(layer, tokens)
        for row in range(0, len(tokens), 7):
            t, f, a = tokens[row], logits[row], attention[:, row]
            deviation = parts.residual_deviation[t[-1]] + np.einsum(
                "hi,hij->j", a, parts.value_deviation[:, t]
            )
            for x, y in it.product(t, set(range(vocab)) - set(t)):
                own = a[:, t == x][:, 0] @ parts.attention_displacement[:, x]
                own += parts.residual_displacement[x] * (x == t[-1])
                margin = f[y] - f[x]
                assert margin == pytest.approx(own + deviation[y] - deviation[x], abs=1e-13)
                assert abs(margin - own) <= 2 * parts.largest_deviation


@pytest.mark.parametrize(("vocab", "forced"), [(3, False), (4, True), (5, True), (6, True)])
def test_lengths_one_and_two_force_the_structure(vocab, forced):
    """Equal legal logits at lengths 1 and 2 are linear in (B, D). For v >= 4 the solutions have the
    dimension of the structure: alpha, beta, delta', r, c, less one for a constant moved from alpha to
    beta and c.
    """
    rng = np.random.default_rng(vocab)
    weight = np.exp(rng.normal(size=(vocab, vocab)))
    equations = []
    for t in (p for n in (1, 2) for p in it.permutations(range(vocab), n)):
        legal = [y for y in range(vocab) if y not in t]
        a = weight[t[-1], list(t)] / np.sum(weight[t[-1], list(t)])
        for y in legal[1:]:
            row = np.zeros((2, vocab, vocab))
            for sign, token in ((1, y), (-1, legal[0])):
                row[0, t[-1], token] += sign
                row[1, list(t), token] += sign * a
            equations.append(row.ravel())
    free = 2 * vocab**2 - np.linalg.matrix_rank(np.array(equations), tol=1e-9)
    assert (free == 5 * vocab - 1) == forced


def test_exact_structure_is_recovered():
    rng = np.random.default_rng(0)
    alpha, beta, own, share, constant = rng.normal(size=(5, 6))
    beta -= beta.mean()
    d = alpha[:, None] + beta - np.diag(own)
    parts = structure(from_matrices(constant[:, None] - beta - np.diag(share), 0 * d, d))
    np.testing.assert_allclose(parts.alpha[0], alpha, atol=1e-14)
    np.testing.assert_allclose(parts.beta[0], beta, atol=1e-14)
    np.testing.assert_allclose(parts.attention_displacement[0], own, atol=1e-14)
    np.testing.assert_allclose(parts.residual_displacement, share, atol=1e-14)
    np.testing.assert_allclose(parts.residual_constant, constant, atol=1e-14)
    np.testing.assert_allclose(parts.displacement, own + share, atol=1e-14)
    assert parts.largest_deviation < 1e-14
    assert parts.total_deviation < 1e-13


def test_models_with_positions_are_refused():
    config = dataclasses.replace(lw.minimal_config(4), positions=LearnedPositions())
    shapes = eqx.filter_eval_shape(config.build, lw.SetComplement(5).sizes, key=jr.key(0))
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    fill = lambda x: jnp.ones(x.shape, jnp.float32) if is_shape(x) else x
    model = jax.tree.map(fill, shapes, is_leaf=is_shape)
    with pytest.raises(lw.InputError, match="without positions"):
        structure(one_layer(model))


@pytest.mark.parametrize("shapes", [((3, 4), (3, 3)), ((3, 3), (4, 4)), ((1, 1), (1, 1))])
def test_matrices_of_other_shapes_are_refused(shapes):
    with pytest.raises(lw.InputError, match=r"\(v, v\)"):
        from_matrices(np.zeros(shapes[0]), np.zeros(shapes[1]), np.zeros(shapes[1]))
