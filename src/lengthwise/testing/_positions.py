"""Conformance of positions: shapes at the three places where they act, and a causal model."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from .._core import Sizes
from ..evaluation import forward
from ..models import AbstractPositions, TransformerConfig
from ._checks import (
    finite,
    hyperparameters_only,
    returns_from_json,
    same_bytes,
    same_up_to_rounding,
)


MAX_LEN, WIDTH, HEADS, KEY_DIM = 6, 8, 2, 4


class PositionsSuite:
    """Subclass it and supply the fixture `positions`: an `AbstractPositions` instance.

    ```python
    class TestRotary(PositionsSuite):
        @pytest.fixture
        def positions(self):
            return RotaryPositions(base=10_000.0)
    ```
    """

    @pytest.fixture
    def positions(self) -> AbstractPositions:
        """The instance under test."""
        raise NotImplementedError("Supply the fixture `positions` in a subclass.")

    @pytest.fixture
    def params(self, positions: AbstractPositions) -> Any:
        """What it learns."""
        return positions.init(MAX_LEN, WIDTH, HEADS, KEY_DIM, key=jr.key(0))

    def test_returns_from_json(self, positions):
        """A model config can hold it, and it can be static."""
        returns_from_json(positions)
        hyperparameters_only(positions)

    def test_init_is_a_function_of_its_key(self, positions, params):
        """Learned parameters are arrays, finite, the same for the same key."""
        assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(params))
        finite(params)
        same_bytes(positions.init(MAX_LEN, WIDTH, HEADS, KEY_DIM, key=jr.key(0)), params)

    @pytest.mark.parametrize("shape", [(1,), (MAX_LEN,), (3, MAX_LEN)], ids=str)
    def test_places_are_increasing_integers(self, positions, shape):
        """One number for each token, or for each of all sequences, with a key and without."""
        for key in (None, jr.key(1)):
            places = positions.places(shape, key=key)
            assert places.shape in (shape, shape[-1:])
            assert places.dtype == jnp.int32
            assert bool(jnp.all(places >= 0))
            assert bool(jnp.all(jnp.diff(places) > 0)), "a later token must have a later place"

    def test_places_without_a_key_depend_on_nothing_else(self, positions):
        """A prefix alone has the places that it has in the whole, in any batch."""
        longest = positions.places((MAX_LEN,), key=None)
        for shape in [(1,), (4,), (3, 4)]:
            places = positions.places(shape, key=None)
            wanted = jnp.broadcast_to(longest[: shape[-1]], places.shape)
            np.testing.assert_array_equal(places, wanted)

    @pytest.mark.parametrize("key", [None, 1], ids=["evaluation", "training"])
    @pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
    def test_shapes_at_each_place(self, positions, params, batch, key):
        """Any leading axes; each example as it would be alone."""
        places = positions.places((*batch, MAX_LEN), key=key and jr.key(key))
        rng = np.random.default_rng(0)
        normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
        x = normal(*batch, MAX_LEN, WIDTH)
        q = normal(*batch, HEADS, MAX_LEN, KEY_DIM)
        for function, given in ((positions.embed, x), (positions.rotate, q)):
            got = function(params, given, places)
            assert got.shape == given.shape
            assert got.dtype == given.dtype
            if batch:
                first = (0,) * len(batch)
                # One rounding for each of at most 8 operations on an entry.
                own = places[first] if places.ndim > 1 else places
                same_up_to_rounding(got[first], function(params, given[first], own), operations=8)
        bias = positions.bias(params, HEADS, places)
        if bias is not None:
            assert bias.shape == (*places.shape[:-1], HEADS, MAX_LEN, MAX_LEN)
            causal = np.tril(np.ones((MAX_LEN, MAX_LEN), bool))
            finite(jnp.where(jnp.broadcast_to(causal, bias.shape), bias, 0.0))

    def test_inside_a_model(self, positions):
        """The model stays causal, in training too, keeps logits under padding, has finite gradients."""
        sizes = Sizes(vocab=5, inputs=5, max_len=MAX_LEN)
        config = TransformerConfig(
            1, HEADS, WIDTH, KEY_DIM, mlp_ratio=None, norm="none", positions=positions
        )
        model = config.build(sizes, key=jr.key(0))
        rng = np.random.default_rng(4)
        tokens = rng.integers(0, sizes.inputs, (8, MAX_LEN), dtype=np.int32)
        logits = np.asarray(forward(model, tokens))
        for end in range(1, MAX_LEN):
            other = tokens.copy()
            other[:, end:] = (tokens[:, end:] + 1) % sizes.inputs
            changed = np.asarray(forward(model, other))
            np.testing.assert_array_equal(changed[:, :end], logits[:, :end])
        alone = forward(model, tokens[:, :3])
        # About 100 roundings on the way to a logit of this model.
        same_up_to_rounding(alone, logits[:, :3], operations=100)
        params, static = eqx.partition(model, eqx.is_inexact_array)

        def loss(params, tokens):
            logits = eqx.combine(params, static)(tokens, key=jr.key(5))  # places may be random
            return jnp.mean(jax.nn.logsumexp(logits, axis=-1)), logits

        gradient = jax.jit(jax.grad(loss, has_aux=True))
        found, logits = gradient(params, jnp.asarray(tokens))
        finite(found)
        other = np.where(np.arange(MAX_LEN) < 3, tokens, (tokens + 1) % sizes.inputs)
        changed = gradient(params, jnp.asarray(other))[1]
        np.testing.assert_array_equal(changed[:, :3], logits[:, :3])
