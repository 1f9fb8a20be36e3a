"""Attention weights as `attention_weights` gives them are those that the forward pass uses."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.models import LearnedPositions, Softmax, attention_weights


SIZES = lw.Sizes(vocab=5, inputs=6, max_len=6)
DEEP = lw.TransformerConfig(layers=2, heads=2, width=4, mlp_ratio=2)
GRID = {
    "pre": DEEP,
    "post": dataclasses.replace(DEEP, norm="post", positions=LearnedPositions(0.5)),
    "no norm": dataclasses.replace(DEEP, norm="none", residual=False, mlp_ratio=None),
}


def filled(config, seed):
    """A model with every weight random (from NumPy: nothing is compiled)."""
    rng = np.random.default_rng(seed)
    model = eqx.filter_eval_shape(config.build, SIZES, key=jr.key(0))
    fill = lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    return jax.tree.map(lambda x: fill(x) if is_shape(x) else x, model, is_leaf=is_shape)


@pytest.mark.parametrize("name", GRID)
def test_weights_are_those_of_the_forward_pass(name, monkeypatch):
    model = filled(GRID[name], 0)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 6, size=(2, 4)))
    used, original = [], Softmax.weights
    spy = lambda *args: used.append(original(*args)) or used[-1]
    with monkeypatch.context() as patch:
        patch.setattr(Softmax, "weights", spy)
        model(tokens)
    found = attention_weights(model, tokens)
    assert len(found) == len(used) == 2
    for ours, theirs in zip(found, used, strict=True):
        assert ours.shape == (2, 2, 4, 4)
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(jnp.sum(ours, axis=-1), 1, atol=1e-6)
        assert not np.any(np.triu(ours, 1))
    assert np.ptp(np.asarray(found[0])[..., -1, :]) > 1e-3  # not all alike
    one = attention_weights(model, tokens[0])
    # Some 50 roundings to float32 of scores below 10.
    np.testing.assert_allclose(one[1], found[1][0], atol=500 * 2.0**-24)


def test_first_layer_equals_plain_softmax():
    model = filled(GRID["no norm"], 1)
    tokens = np.array([3, 0, 5])
    x = np.asarray(model.embedding, np.float64)[tokens]
    query, key = np.split(x @ np.asarray(model.blocks[0].attention.qkv.weight), 3, axis=1)[:2]
    bias = np.split(np.asarray(model.blocks[0].attention.qkv.bias), 3)
    query, key = query + bias[0], key + bias[1]
    found = np.asarray(eqx.filter_jit(attention_weights)(model, jnp.asarray(tokens))[0])
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        for t in range(3):
            e = np.exp(key[: t + 1, part] @ query[t, part] / np.sqrt(2))
            np.testing.assert_allclose(found[head, t, : t + 1], e / e.sum(), atol=1e-6)


def test_too_long_inputs_are_refused():
    model = filled(GRID["pre"], 0)
    with pytest.raises(lw.InputError, match="positions=7, max_len=6"):
        attention_weights(model, jnp.zeros(7, jnp.int32))
