"""Conformance of an attention: it obeys the mask, whatever stands there, in any batch."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from ..models import AbstractAttention
from ._checks import (
    finite,
    hyperparameters_only,
    returns_from_json,
    same_bytes,
    same_up_to_rounding,
)


HEADS, LENGTH, KEY_DIM = 2, 5, 4
OPERATIONS = 100
"""Roundings on the way to one weight: the product over `KEY_DIM`, the sum over `LENGTH`, an exp."""


class AttentionSuite:
    """Subclass it and supply the fixture `attention`: an `AbstractAttention` instance.

    ```python
    class TestSigmoid(AttentionSuite):
        @pytest.fixture
        def attention(self):
            return SigmoidAttention()
    ```

    The suite does not ask that weights are positive or sum to one: other attentions exist.
    """

    @pytest.fixture
    def attention(self) -> AbstractAttention:
        """The instance under test."""
        raise NotImplementedError("Supply the fixture `attention` in a subclass.")

    @pytest.fixture
    def params(self, attention: AbstractAttention) -> Any:
        """What it learns."""
        return attention.init(HEADS, KEY_DIM, key=jr.key(0))

    @pytest.fixture
    def weigh(self, attention: AbstractAttention, params: Any) -> Any:
        """The weights as a function of queries, keys and bias, causal."""
        causal = jnp.tril(jnp.ones((LENGTH, LENGTH), bool))
        return jax.jit(lambda q, k, bias=None: attention.weights(params, q, k, bias, causal))

    def test_returns_from_json(self, attention):
        """A model config can hold it, and it can be static."""
        returns_from_json(attention)
        hyperparameters_only(attention)

    def test_init_is_a_function_of_its_key(self, attention, params):
        """Learned parameters are finite arrays, the same for the same key."""
        finite(params)
        same_bytes(attention.init(HEADS, KEY_DIM, key=jr.key(0)), params)

    @pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
    def test_masked_weights_are_exactly_zero(self, weigh, scale):
        """And all are finite, for equal, usual and extreme scores."""
        q, k = scale * _queries(2), scale * _queries(3)
        weights = weigh(q, k)
        assert weights.shape == (3, HEADS, LENGTH, LENGTH)
        assert weights.dtype == q.dtype
        finite(weights)
        above = np.triu(np.ones((LENGTH, LENGTH), bool), 1)
        assert not np.asarray(weights)[..., above].any()

    def test_later_tokens_change_nothing(self, weigh):
        """No later key or query reaches an earlier one's weights through a normalization."""
        q, k = _queries(2), _queries(3)
        weights = np.asarray(weigh(q, k))
        for end in range(1, LENGTH):
            changed_q, changed_k = np.array(q), np.array(k)
            changed_q[..., end:, :] *= 3
            changed_k[..., end:, :] *= -7
            changed = np.asarray(weigh(jnp.asarray(changed_q), jnp.asarray(changed_k)))
            np.testing.assert_array_equal(changed[..., :end, :], weights[..., :end, :])

    def test_some_key_matters(self, weigh):
        """The weights depend on the keys that a query may see, or on the scores' bias."""
        q, k = _queries(2), _queries(3)
        bias = _normal(4, HEADS, LENGTH, LENGTH)
        weights = weigh(q, k)
        changed = [weigh(q, -k), weigh(q, k, bias)]
        assert any(bool(jnp.any(other != weights)) for other in changed)

    def test_zero_bias_is_no_bias(self, weigh):
        """`None` and zeros mean the same, shared by the sequences or one for each."""
        q, k = _queries(2), _queries(3)
        for shape in ((HEADS, LENGTH, LENGTH), (*q.shape[:-2], LENGTH, LENGTH)):
            zeros = jnp.zeros(shape)
            same_up_to_rounding(weigh(q, k, zeros), weigh(q, k), operations=OPERATIONS)

    def test_any_leading_axes(self, weigh):
        """Each example gives in a batch what it gives alone."""
        q, k = _queries(2), _queries(3)
        wanted = weigh(q, k)
        same_up_to_rounding(
            jnp.stack([weigh(a, b) for a, b in zip(q, k, strict=True)]),
            wanted,
            operations=OPERATIONS,
        )
        same_up_to_rounding(weigh(q[None], k[None]), wanted[None], operations=OPERATIONS)

    @pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
    def test_gradients_are_finite(self, attention, params, scale):
        """Also in the first row, where all keys but one are masked, and at extreme scores."""
        causal = jnp.tril(jnp.ones((LENGTH, LENGTH), bool))
        values = _normal(5, 3, HEADS, LENGTH, LENGTH)
        loss = lambda q, k, p: jnp.sum(values * attention.weights(p, q, k, None, causal))
        q, k = scale * _queries(2), scale * _queries(3)
        finite(jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(q, k, params))


def _queries(seed: int) -> jax.Array:
    return _normal(seed, 3, HEADS, LENGTH, KEY_DIM)


def _normal(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)
