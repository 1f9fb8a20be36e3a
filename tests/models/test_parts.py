"""Shipped attention conforms, and dropout keeps what its rate says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from test_transformer import filled

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import dropout
from lengthwise.testing import AttentionSuite


class TestSoftmaxConforms(AttentionSuite):
    @pytest.fixture
    def attention(self):
        return lw.Softmax()


SHAPE = (64, 64)
CELLS = 4096


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_zeroes_its_share_and_scales_the_rest(rate):
    """4 standard errors of a binomial for one mask, and for each entry over 400 keys."""
    x = jnp.full(SHAPE, 3.0)
    keys = jr.split(jr.key(0), 400)
    many = np.asarray(jax.jit(jax.vmap(lambda key: dropout(x, jnp.float32(rate), key=key)))(keys))
    kept = many != 0
    np.testing.assert_allclose(many[kept], 3 / (1 - rate), rtol=4 * 2.0**-24 / (1 - rate))
    error = lambda n: np.sqrt(rate * (1 - rate) / n)
    shares = kept.mean((1, 2))
    # The largest of 400 and of 4096 normal deviates exceeds 6 once in 10^5 fixed keys.
    assert np.abs(shares - (1 - rate)).max() < 6 * error(CELLS)
    assert np.abs(kept.mean(0) - (1 - rate)).max() < 6 * error(400)
    assert np.abs(many.mean() - 3) < 6 * 3 / (1 - rate) * error(400 * CELLS)


def test_dropout_masks_are_independent():
    """Neighbouring entries, rows, keys: chi-square of the 2 x 2 table, level 1e-5, fixed keys."""
    x = jnp.ones((*SHAPE, 4))
    one, other = (np.asarray(dropout(x, 0.5, key=key)) != 0 for key in jr.split(jr.key(1)))
    pairs = {
        "entries": (one[:, :, 1:], one[:, :, :-1]),
        "rows": (one[1:], one[:-1]),
        "keys": (one, other),
        "far": (one.ravel()[4096:], one.ravel()[:-4096]),
    }
    for name, (a, b) in pairs.items():
        table = [[np.sum((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)]
        table = np.array(table)
        expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
        statistic = np.sum((table - expected) ** 2 / expected)
        assert statistic < scipy.stats.chi2.isf(1e-5, 1), name


def test_dropout_has_a_gradient_where_it_keeps():
    x = jr.normal(jr.key(0), SHAPE)
    drop = lambda x: dropout(x, 0.25, key=jr.key(1))
    gradient = jax.grad(lambda x: jnp.sum(drop(x)))(x)
    # The derivative of keeping is the scale, 4/3 to one rounding, and 0 of dropping.
    np.testing.assert_allclose(gradient, np.where(drop(x) != 0, 4 / 3, 0), rtol=2.0**-23)


def test_no_rate_or_no_key_is_no_dropout():
    x = jr.normal(jr.key(0), SHAPE)
    assert dropout(x, None, key=jr.key(1)) is x
    assert dropout(x, 0.5, key=None) is x
    np.testing.assert_array_equal(dropout(x, 0.0, key=jr.key(1)), x)
    program = lambda rate: str(jax.make_jaxpr(lambda x: dropout(x, rate, key=jr.key(1)))(x))
    assert "select" in program(0.5)
    assert "select" not in program(None), "a dropout that is absent must leave no trace"


@pytest.mark.parametrize("place", ["embedding", "attention", "residual"])
def test_each_dropout_acts_at_its_place(place):
    config = lw.TransformerConfig(1, 1, 8, mlp_ratio=1)
    model = filled(config, lw.Sizes(5, 5, 4))
    tokens = np.array([[0, 1, 2, 3]], np.int32)
    call = eqx.filter_jit(lambda rates: model(jnp.asarray(tokens), dropout=rates, key=jr.key(2)))
    plain = forward(model, tokens)
    rates = lambda rate: lw.DropoutRates()._replace(**{place: jnp.float32(rate)})
    assert np.abs(call(rates(0.5)) - plain).max() > 1e-3
    # The same program with nothing dropped: only fusion may differ, 100 roundings of numbers < 30.
    np.testing.assert_allclose(call(rates(0.0)), plain, rtol=0, atol=3000 * 2.0**-24)


class OnlyTheFirstKey(lw.Softmax):
    def weights(self, params, query, key, bias, mask):
        return super().weights(params, query, key, bias, mask)[..., :1]


def test_attention_weights_of_another_shape_are_refused_by_name():
    task = lw.SetComplement(8)
    config = lw.TransformerConfig(layers=1, width=8, heads=2, attention=OnlyTheFirstKey())
    model = config.build(task.sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match=r"OnlyTheFirstKey.*\(1, 2, 3, 1\).*\(1, 2, 3, 3\)"):
        model(jnp.array([[1, 2, 3]]))
