"""The anatomy reproduces the ordinary model on every input, whatever its parts."""

import dataclasses
import itertools as it

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import LearnedPositions
from lengthwise.theory import one_layer


BASE = lw.minimal_config(4)
CONFIGS = {
    "minimal": BASE,
    "two heads": lw.minimal_config(6, heads=2, key_dim=2, value_dim=1),
    "tied": lw.minimal_config(4, tied=True),
    "no residual": dataclasses.replace(BASE, residual=False),
    "biases": dataclasses.replace(BASE, bias=True),
    "learned positions": dataclasses.replace(BASE, positions=LearnedPositions(scale=1.0)),
    "pre rms": dataclasses.replace(BASE, norm="pre", norm_kind="rms"),
    "pre layer": dataclasses.replace(BASE, norm="pre", bias=True, heads=2),
    "post rms": dataclasses.replace(BASE, norm="post", norm_kind="rms"),
    "post layer, all": dataclasses.replace(
        BASE, norm="post", bias=True, heads=2, positions=LearnedPositions(scale=1.0)
    ),
}


def random_model(config, vocab, seed=0, dtype=jnp.float64):
    """Every weight random, those that begin at zero or one too."""
    model = config.build(lw.SetComplement(vocab).sizes, key=jr.key(0))
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(jr.key(seed), len(leaves))
    new = [jr.normal(k, leaf.shape, dtype) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, new)


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_the_model_on_every_input(name):
    with jax.enable_x64(True):
        model = random_model(CONFIGS[name], 5)
        layer = one_layer(model)
        for length in range(1, 5):
            tokens = np.array(list(it.permutations(range(5), length)), np.int32)
            wanted = np.asarray(forward(model, tokens))[:, -1]
            # Some 200 roundings of numbers below 1000.
            np.testing.assert_allclose(layer.logits(tokens), wanted, rtol=0, atol=2e5 * 2.0**-53)


@pytest.mark.parametrize("name", CONFIGS)
def test_radius_covers_the_rounding(name):
    """Against the same arrays from the same weights in extended precision (64 bits of mantissa)."""
    with jax.enable_x64(True):
        model = random_model(CONFIGS[name], 5)
        layer = one_layer(model)
    wide = jax.tree.map(lambda x: np.asarray(x, np.longdouble), model)
    for field, wanted in extended(wide).items():
        got = {
            "scores": lambda: layer.scores(layer.places),
            "values": lambda: layer.value_logits(),
            "residual": lambda: layer.residual_logits(layer.places),
        }[field]()
        error = np.abs(got.value - wanted)
        assert np.all(error <= got.radius), field
        # The bound is no worse than a few thousand units in the last place of the largest entry.
        assert np.max(got.radius) <= 1e5 * 2.0**-53 * np.max(got.magnitude) + 1e-300, field


def extended(model):
    """scores, values and residual by plain NumPy in the precision of the weights."""
    config, attention = model.config, model.blocks[0].attention
    x = model.embedding[None]
    if model.position_params is not None:
        x = x + model.position_params[:, None]

    def norm(y, layer):
        if config.norm_kind == "layer":
            y = y - y.mean(-1, keepdims=True)
        y = y / np.sqrt((y**2).mean(-1, keepdims=True) + np.longdouble(1e-5)) * layer.gain
        return y if getattr(layer, "shift", None) is None else y + layer.shift

    seen = norm(x, model.blocks[0].norm_attention) if config.norm == "pre" else x
    every = seen @ attention.qkv.weight
    if attention.qkv.bias is not None:
        every = every + attention.qkv.bias
    h, k = attention.heads, attention.key_dim
    query, key, value = np.split(every, [h * k, 2 * h * k], axis=-1)
    by_head = lambda y: np.stack(np.split(y, h, axis=-1))
    query, key, value = by_head(query), by_head(key), by_head(value)
    values = value @ np.stack(np.split(attention.output.weight, h, axis=0))[:, None]
    residual = x if config.residual else 0 * x
    if attention.output.bias is not None:
        residual = residual + attention.output.bias
    unembedding = model.embedding.T if config.tied else model.unembedding
    final = model.norm_final if config.norm == "pre" else model.blocks[0].norm_attention
    if final is not None:
        unembedding = unembedding * final.gain[:, None]
        if config.norm_kind == "layer":
            residual = residual - residual.mean(-1, keepdims=True)
            values = values - values.mean(-1, keepdims=True)
    scores = query[:, -1:] @ np.swapaxes(key, -1, -2) / np.sqrt(np.longdouble(k))
    return {
        "scores": scores,
        "values": values @ unembedding,
        "residual": (residual @ unembedding)[-1],
    }


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"layers": 2}, "layers"), ({"mlp_ratio": 2}, "mlp_ratio")],
)
def test_other_models_are_refused(fields, named):
    model = random_model(dataclasses.replace(BASE, **fields), 5, dtype=jnp.float32)
    with pytest.raises(lw.InputError, match=rf"theory covers.*{named}="):
        one_layer(model)


def test_begin_token_and_nan_are_refused():
    model = BASE.build(lw.SetComplement(4, begin_token=True).sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match="without begin token"):
        one_layer(model)
    model = random_model(BASE, 4, dtype=jnp.float32)
    broken = jax.tree.map(lambda x: x.at[(0,) * x.ndim].set(jnp.nan), model)
    with pytest.raises(lw.InputError, match="finite number"):
        one_layer(broken)
