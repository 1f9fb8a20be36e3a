import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import safetensors.numpy


@pytest.fixture
def filled():
    """A function that makes a model of an Othello task, every weight random, gains and biases too."""
    from lengthwise.models import mingpt_config
    from lengthwise.tasks import OthelloTask

    def make(size=4, layers=2, heads=2, width=8, seed=0, **fields):
        task = OthelloTask(size)
        config = dataclasses.replace(mingpt_config(layers, heads, width), **fields)
        rng = np.random.default_rng(seed)
        model = eqx.filter_eval_shape(config.build, task.sizes, key=jr.key(0))
        fill = lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32)
        is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
        return jax.tree.map(lambda x: fill(x) if is_shape(x) else x, model, is_leaf=is_shape), task

    return make


@pytest.fixture
def read():
    """A function that gives the arrays of an exported directory."""
    return lambda folder: safetensors.numpy.load_file(folder / "weights.safetensors")


@pytest.fixture
def equal():
    """A function that says whether two models have the same config and, bit for bit, the same weights."""

    def same(one, other):
        leaves = [jax.tree.leaves(eqx.filter(x, eqx.is_array)) for x in (one, other)]
        pairs = zip(*leaves, strict=True)
        return one.config == other.config and all(
            np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs
        )

    return same
