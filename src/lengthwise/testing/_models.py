"""Conformance of a model: causal, the same alone, in a batch and in a population."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from .._core import Sizes
from ..evaluation import forward
from ..models import AbstractModel, DropoutRates
from ..training import tree_from_bytes, tree_to_bytes
from ._checks import (
    finite,
    hyperparameters_only,
    returns_from_json,
    same_bytes,
    same_up_to_rounding,
    stack,
)


OPERATIONS = 1000
"""Roundings between weights and a logit, counted generously for models of width up to 32."""


class ModelSuite:
    """Subclass it and supply the fixture `config`, whose `build(sizes, key=key)` makes the model.

    ```python
    class TestMyModel(ModelSuite):
        @pytest.fixture(params=[MyConfig(width=8)], ids=str)
        def config(self, request):
            return request.param
    ```

    Choose small configs (width up to 32, a few layers): tolerances are for these. Override `sizes`
    for a model that needs others.
    """

    @pytest.fixture
    def config(self) -> Any:
        """The frozen dataclass under test."""
        raise NotImplementedError("Supply the fixture `config` in a subclass.")

    @pytest.fixture
    def sizes(self) -> Sizes:
        """Five tokens, a begin token, up to six positions."""
        return Sizes(vocab=5, inputs=6, max_len=6)

    @pytest.fixture
    def model(self, config: Any, sizes: Sizes) -> AbstractModel:
        """A model with fresh weights."""
        return config.build(sizes, key=jr.key(0))

    @pytest.fixture
    def tokens(self, sizes: Sizes) -> np.ndarray:
        """Eight random inputs of the longest length."""
        rng = np.random.default_rng(1)
        return rng.integers(0, sizes.inputs, (8, sizes.max_len), dtype=np.int32)

    def test_config_returns_from_json(self, config, model):
        """A run directory can hold it, and the model knows it."""
        returns_from_json(config)
        hyperparameters_only(config)
        assert model.config == config

    def test_same_key_same_weights(self, config, sizes, model):
        """Weights are a function of the key, and use it."""
        same_bytes(config.build(sizes, key=jr.key(0)), model)
        other = config.build(sizes, key=jr.key(1))
        assert tree_to_bytes(other) != tree_to_bytes(model)

    def test_weights_return_from_bytes(self, config, sizes, model):
        """Every weight is a named array."""
        blank = config.build(sizes, key=jr.key(1))
        same_bytes(tree_from_bytes(tree_to_bytes(model), blank, source="test"), model)

    def test_logits_are_finite_numbers_of_the_right_shape(self, sizes, model, tokens):
        """One row for every position."""
        logits = forward(model, tokens)
        assert logits.shape == (*tokens.shape, sizes.vocab)
        assert logits.dtype == jnp.float32
        finite(logits)

    def test_future_tokens_leave_the_past_unchanged(self, sizes, model, tokens):
        """Causal, exactly: what is masked is multiplied by zero."""
        logits = np.asarray(forward(model, tokens))
        for end in range(1, sizes.max_len):
            other = tokens.copy()
            other[:, end:] = (tokens[:, end:] + 1) % sizes.inputs
            changed = np.asarray(forward(model, other))
            np.testing.assert_array_equal(changed[:, :end], logits[:, :end])
            assert (changed[:, end:] != logits[:, end:]).any(), "the model ignores its input"

    def test_right_padding_leaves_logits_unchanged(self, sizes, model, tokens):
        """An example alone, at its own length, gives what it gives inside a padded batch."""
        logits = np.asarray(forward(model, tokens))
        half = (sizes.max_len + 1) // 2
        alone = forward(model, tokens[:, :half])
        same_up_to_rounding(alone, logits[:, :half], operations=OPERATIONS)

    def test_any_leading_axes(self, model, tokens):
        """No batch axis, one, or several: the same examples, the same logits."""
        wanted = np.asarray(forward(model, tokens))
        several = _call(model, tokens.reshape(2, 4, -1), None, None)
        several = np.asarray(several).reshape(wanted.shape)
        same_up_to_rounding(several, wanted, operations=OPERATIONS)
        loop = np.stack([_call(model, x, None, None) for x in tokens])
        same_up_to_rounding(loop, wanted, operations=OPERATIONS)

    def test_population_equals_loop(self, config, sizes, model, tokens):
        """`vmap` over stacked weights gives what each member gives alone."""
        members = [model, config.build(sizes, key=jr.key(1))]
        population = eqx.filter_vmap(lambda m, x: m(x), in_axes=(eqx.if_array(0), None))
        got = eqx.filter_jit(population)(stack(members), jnp.asarray(tokens))
        wanted = np.stack([forward(member, tokens) for member in members])
        same_up_to_rounding(got, wanted, operations=OPERATIONS)

    def test_gradients_per_example_equal_loop(self, model, tokens):
        """`vmap` of `grad`, and every gradient finite."""
        params, static = eqx.partition(model, eqx.is_inexact_array)

        def loss(params, example):
            logits = eqx.combine(params, static)(example)
            return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - logits[:, 0])

        gradient = jax.jit(jax.grad(loss))
        got = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, tokens)
        wanted = stack([gradient(params, jnp.asarray(example)) for example in tokens])
        finite(got)
        same_up_to_rounding(got, wanted, operations=OPERATIONS)

    def test_no_key_is_deterministic_and_rate_zero_is_none(self, model, tokens):
        """Dropout acts only with a key, and not at the rate 0."""
        rate = lambda x: jnp.asarray(x, jnp.float32)
        same_up_to_rounding(
            _call(model, tokens, rate(0.5), None), forward(model, tokens), operations=OPERATIONS
        )
        zero = _call(model, tokens, rate(0.0), jr.key(2))
        same_up_to_rounding(zero, _call(model, tokens, None, jr.key(2)), operations=OPERATIONS)

    def test_dropout_rate_is_traced(self, model, tokens):
        """Another rate costs no compilation."""
        before = eqx.debug.get_num_traces(_call)
        for rate in (0.0, 0.3, 0.9):
            finite(_call(model, tokens, jnp.asarray(rate, jnp.float32), jr.key(2)))
        assert eqx.debug.get_num_traces(_call) <= before + 1, "each rate is compiled anew"


def _rates(rate: Any) -> DropoutRates:
    return DropoutRates(rate, rate, rate)


def _call_model(model: AbstractModel, tokens: Any, rate: Any, key: Any) -> jax.Array:
    return model(jnp.asarray(tokens), dropout=_rates(rate), key=key)


_call = eqx.filter_jit(eqx.debug.assert_max_traces(_call_model, max_traces=None))
