"""The transformer against NumPy loops, and the symmetries that its definition has."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import (
    ALiBi,
    LearnedPositions,
    RandomOffset,
    RotaryPositions,
    SinusoidalPositions,
    gpt1_config,
    mingpt_config,
)
from lengthwise.testing import ModelSuite
from oracles import transformer as oracle


SIZES = lw.Sizes(vocab=5, inputs=6, max_len=6)
SMALL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=2)
GRID = {
    "pre": SMALL,
    "post": dataclasses.replace(SMALL, norm="post"),
    "no-norm": dataclasses.replace(SMALL, norm="none"),
    "pre-rms": dataclasses.replace(SMALL, norm_kind="rms"),
    "post-rms-bare": dataclasses.replace(SMALL, norm="post", norm_kind="rms", bias=False),
    "no-residual": dataclasses.replace(SMALL, residual=False),
    "post-no-residual": dataclasses.replace(SMALL, norm="post", residual=False, mlp_ratio=None),
    "tied": dataclasses.replace(SMALL, tied=True),
    "bare": dataclasses.replace(SMALL, bias=False),
    "dims": dataclasses.replace(SMALL, heads=3, key_dim=5, value_dim=1),
    "positions": dataclasses.replace(SMALL, positions=LearnedPositions(0.5)),
    "deep": dataclasses.replace(SMALL, layers=2, heads=1, positions=LearnedPositions(0.5)),
    "minimal": lw.minimal_config(4, key_dim=3, value_dim=2, heads=2),
    "offset": dataclasses.replace(SMALL, positions=RandomOffset(3, LearnedPositions(0.5))),
    "sinusoidal": dataclasses.replace(SMALL, width=6, positions=SinusoidalPositions(30.0)),
    "rotary": dataclasses.replace(SMALL, width=8, layers=2, positions=RotaryPositions(30.0)),
    "alibi": dataclasses.replace(SMALL, heads=3, width=6, positions=ALiBi()),
    "gpt1": gpt1_config(layers=2, heads=2, width=4),
    "mingpt": mingpt_config(layers=2, heads=2, width=4),
}


class TestTransformerConforms(ModelSuite):
    @pytest.fixture(
        params=[
            dataclasses.replace(SMALL, positions=LearnedPositions()),
            lw.TransformerConfig(
                2, 1, 4, 3, 2, mlp_ratio=None, norm="post", norm_kind="rms", tied=True
            ),
        ],
        ids=["pre", "post"],
    )
    def config(self, request):
        return request.param


def filled(config, sizes=SIZES, seed=0):
    """A model with every weight random, gains and biases too (from NumPy: nothing is compiled)."""
    rng = np.random.default_rng(seed)
    model = eqx.filter_eval_shape(config.build, sizes, key=jr.key(0))
    fill = lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    return jax.tree.map(lambda x: fill(x) if is_shape(x) else x, model, is_leaf=is_shape)


def doubled(model):
    """The same weights as float64 arrays; call inside `jax.enable_x64`."""
    wide = lambda x: jnp.asarray(np.asarray(x, np.float64)) if eqx.is_inexact_array(x) else x
    return jax.tree.map(wide, model)


@pytest.mark.parametrize("name", GRID)
def test_forward_equals_numpy_loops(name):
    model = filled(GRID[name])
    tokens = np.random.default_rng(1).integers(0, SIZES.inputs, size=(2, 5))
    wanted = np.array([oracle.forward(model, row) for row in tokens])
    size = max(1.0, np.abs(wanted).max())
    with jax.enable_x64(True):
        got = np.asarray(forward(doubled(model), tokens))
    assert got.dtype == np.float64
    # At most 100 roundings a block and 3 blocks lie on the way to a logit; norms divide by a
    # deviation that may be small, which multiplies their error by at most 30 here.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=300 * 30 * size * 2.0**-53)
    if name == "pre":
        single = np.asarray(forward(model, tokens.astype(np.int32)))
        np.testing.assert_allclose(single, wanted, rtol=0, atol=300 * 30 * size * 2.0**-24)


@pytest.mark.parametrize("tied", [False, True])
def test_equivariant_under_a_permutation_of_the_vocabulary(tied):
    """Renamed tokens with renamed rows and columns give renamed logits."""
    model = filled(dataclasses.replace(SMALL, tied=tied))
    order = np.array([3, 0, 4, 1, 2])  # new name -> old name
    renamed = np.argsort(order)  # old name -> new name
    rows = np.append(order, 5)  # the begin token keeps its place
    where = lambda m: (m.embedding, m.unembedding)
    columns = None if tied else model.unembedding[:, order]
    other = eqx.tree_at(where, model, (model.embedding[rows], columns), is_leaf=lambda x: x is None)
    tokens = np.random.default_rng(1).integers(0, 5, size=(8, 6)).astype(np.int32)
    got, wanted = forward(other, renamed[tokens].astype(np.int32)), forward(model, tokens)
    # The same products, possibly summed in another order: 100 roundings of numbers below 30.
    np.testing.assert_allclose(got, wanted[..., order], rtol=0, atol=3000 * 2.0**-24)


def test_one_layer_without_positions_reads_earlier_tokens_as_a_set():
    tokens = np.array([[0, 3, 1, 4, 2], [1, 0, 4, 3, 2]], np.int32)  # the last stays last
    one, other = np.asarray(forward(filled(SMALL), tokens))[:, -1]
    # Sums over the keys are taken in another order: 100 roundings of numbers below 30.
    np.testing.assert_allclose(one, other, rtol=0, atol=3000 * 2.0**-24)
    one, other = np.asarray(forward(filled(GRID["positions"]), tokens))[:, -1]
    assert np.abs(one - other).max() > 1e-2


def test_tied_unembedding_is_the_embedding():
    model = filled(GRID["tied"])
    assert model.unembedding is None
    np.testing.assert_array_equal(model.unembedding_matrix(), model.embedding[:5].T)
    params = eqx.filter(model, eqx.is_inexact_array)
    names = {jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(params)}
    assert ".embedding" in names
    assert not any("unembedding" in name for name in names)


def test_initial_scales():
    """Deviations of the docstrings: 1 / sqrt(in), and branches by 1 / sqrt(2 layers) more."""
    config = lw.TransformerConfig(1, 4, 128)
    model = eqx.filter_jit(config.build)(lw.Sizes(128, 128, 8), key=jr.key(0))
    block: Any = model.blocks[0]
    weights: list[tuple[Any, float]] = [
        (model.embedding, 128**-0.5),
        (model.unembedding, 128**-0.5),
        (block.attention.qkv.weight, 128**-0.5),
        (block.attention.output.weight, 256**-0.5),
        (block.mlp.up.weight, 128**-0.5),
        (block.mlp.down.weight, 1024**-0.5),
    ]
    for weight, deviation in weights:
        # 16384 normal numbers or more: their deviation is known to 4 / sqrt(2 * 16384) = 2.3 %.
        assert float(np.std(weight)) == pytest.approx(deviation, rel=0.023)


def test_too_long_inputs_are_refused():
    model = filled(SMALL)
    with pytest.raises(lw.InputError, match=r"`positions <= max_len`.*positions=7, max_len=6"):
        model(jnp.zeros(7, jnp.int32))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"layers": 0}, r"`layers >= 1` must hold, but got \(layers=0\)"),
        ({"heads": 0}, r"`heads >= 1`"),
        ({"width": -4}, r"`width >= 1`.*width=-4"),
        ({"key_dim": 0}, r"`key_dim >= 1`"),
        ({"value_dim": 0}, r"`value_dim >= 1`"),
        ({"mlp_ratio": 0}, r"`mlp_ratio >= 1`.*give None"),
        ({"init_deviation": 0.0}, r"`init_deviation > 0`.*give None"),
        ({"heads": 3}, r"`width % heads == 0`.*width=64, heads=3"),
        ({"heads": 3, "key_dim": 5}, r"`width % heads == 0`"),
        ({"attention": "Softmax"}, r"must be named `module:Class`"),
    ],
)
def test_bad_configs_are_refused(fields, words):
    with pytest.raises(lw.InputError, match=words):
        lw.TransformerConfig(**fields)


@pytest.mark.parametrize("name", ["norm", "norm_kind", "gelu"])
def test_unknown_kinds_are_refused(name):
    config = lw.TransformerConfig()
    object.__setattr__(config, name, "batch")  # past the type hook, which refuses it earlier
    with pytest.raises(lw.InputError, match=rf"`{name}` in \(.*{name}='batch'"):
        config.__post_init__()


def test_dims_free_the_heads_from_the_width():
    assert lw.TransformerConfig(heads=3, key_dim=5, value_dim=2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"attention": LearnedPositions()}, r"`attention` is an `AbstractAttention`"),
        ({"positions": lw.Softmax()}, r"`positions` is an `AbstractPositions`"),
        ({"attention": "my_package.attn:Mine"}, r"from my_package.attn import Mine"),
    ],
)
def test_components_of_another_kind_are_refused(fields, words):
    with pytest.raises(lw.InputError, match=words):
        lw.TransformerConfig(**fields).build(SIZES, key=jr.key(0))
