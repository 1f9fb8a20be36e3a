"""Residual streams are those that the forward pass goes through."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.models import LearnedPositions, residual_streams


SIZES = lw.Sizes(vocab=5, inputs=6, max_len=6)
DEEP = lw.TransformerConfig(layers=2, heads=2, width=4, mlp_ratio=2)
GRID = {
    "pre": dataclasses.replace(DEEP, positions=LearnedPositions(0.5)),
    "post": dataclasses.replace(DEEP, norm="post"),
    "attention alone": dataclasses.replace(DEEP, norm="none", residual=False, mlp_ratio=None),
}


def filled(config):
    """A model with every weight random (from NumPy: nothing is compiled)."""
    rng = np.random.default_rng(0)
    model = eqx.filter_eval_shape(config.build, SIZES, key=jr.key(0))
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    fill = lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32) if is_shape(x) else x
    return jax.tree.map(fill, model, is_leaf=is_shape)


@pytest.mark.parametrize("name", GRID)
def test_each_stream_is_what_a_model_of_so_many_layers_unembeds(name):
    model = filled(GRID[name])
    tokens = jnp.asarray(np.random.default_rng(1).integers(0, 6, size=(2, 4)))
    found = residual_streams(model, tokens)
    assert len(found) == 3
    for layers, stream in enumerate(found):
        cut = eqx.tree_at(lambda m: m.blocks, model, model.blocks[:layers])
        read = stream if model.norm_final is None else model.norm_final(stream)
        wanted = np.asarray(cut(tokens))
        # One product of 4 numbers of the size of the logits, rounded otherwise.
        allowed = 16 * 2.0**-24 * max(1, np.abs(wanted).max())
        np.testing.assert_allclose(read @ model.unembedding, wanted, rtol=0, atol=allowed)
    assert np.abs(np.asarray(found[1]) - np.asarray(found[2])).max() > 0.1


def test_those_of_a_bfloat16_model_are_the_ones_that_it_computes_with():
    config = dataclasses.replace(GRID["post"], positions=LearnedPositions(0.5))
    model = filled(dataclasses.replace(config, activations="bfloat16"))
    tokens = jnp.asarray(np.random.default_rng(1).integers(0, 6, size=(2, 4)))
    found = residual_streams(model, tokens)
    assert [stream.dtype for stream in found] == [jnp.bfloat16] * 3
    # The last one, unembedded in float32 as the model does, is its logits to the last bit.
    logits = model(tokens)
    assert (found[-1].astype(jnp.float32) @ model.unembedding == logits).all()
    wide = residual_streams(filled(config), tokens)[-1]
    assert not (wide @ model.unembedding == logits).all()


def test_too_long_inputs_are_refused():
    with pytest.raises(lw.InputError, match="positions=7, max_len=6"):
        residual_streams(filled(GRID["post"]), jnp.zeros(7, jnp.int32))
