"""bfloat16 activations: products really in bfloat16; weights, norms, softmax and loss in float32."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from test_transformer import filled

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import (
    ALiBi,
    LearnedPositions,
    RandomOffset,
    RotaryPositions,
    SinusoidalPositions,
    attention_weights,
    dropout,
)
from lengthwise.tasks import draw_batch
from lengthwise.training import (
    init_state,
    make_chunk,
    make_feed,
    mixed_loss,
    traced_hparams,
)


TASK = lw.SetComplement(6)
SMALL = lw.TransformerConfig(layers=1, heads=2, width=8, mlp_ratio=2, activations="bfloat16")
GRID = {
    "pre": SMALL,
    "post": dataclasses.replace(SMALL, norm="post"),
    "no-norm": dataclasses.replace(SMALL, norm="none", tied=True, gelu="exact"),
    "rms-learned": dataclasses.replace(
        SMALL, norm_kind="rms", bias=False, positions=LearnedPositions(0.5)
    ),
    "rotary": dataclasses.replace(SMALL, positions=RotaryPositions()),
    "alibi": dataclasses.replace(SMALL, positions=ALiBi()),
    "sinusoidal": dataclasses.replace(SMALL, positions=RandomOffset(3, SinusoidalPositions())),
}
CONFIG = lw.TrainingConfig(
    steps=4, chunk_steps=4, batch_size=4, lengths=lw.FixedLength(4), evaluate_every=0,
    checkpoint_every=0,
)  # fmt: skip
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(0.1, 0.1, 0.1))


def equations(jaxpr):
    """Every equation of a program, those of its loops and branches included."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from equations(inner)


def dtypes(variables):
    return {str(v.aval.dtype) for v in variables}


def chunk_equations(config):
    """The equations of a chunk of training steps, forward, backward, optimizer and averages."""
    hparams = traced_hparams(HPARAMS)
    state = init_state(config.build(TASK.sizes, key=jr.key(0)), hparams, CONFIG)
    arrays, static = eqx.partition(state, eqx.is_array)

    def function(arrays, hparams, feed):
        chunk = make_chunk(TASK, CONFIG)
        new, metrics = chunk(eqx.combine(arrays, static), hparams, feed)
        return eqx.filter(new, eqx.is_array), metrics

    feed = make_feed(TASK, CONFIG, 0, key=jr.key(1))
    return list(equations(jax.make_jaxpr(function)(arrays, hparams, feed).jaxpr))


def test_later_tokens_do_not_reach_earlier_logits():
    model = filled(SMALL, TASK.sizes)
    tokens = np.array([[0, 3, 1, 4, 2], [0, 3, 1, 5, 5]], np.int32)
    one, other = np.asarray(forward(model, tokens))
    np.testing.assert_array_equal(one[:3], other[:3])
    assert (one[3:] != other[3:]).all()


@pytest.mark.parametrize("name", ["pre", "post"])
def test_products_are_in_bfloat16_and_norms_softmax_and_loss_are_not(name):
    found = chunk_equations(GRID[name])
    by_name = lambda *names: [e for e in found if e.primitive.name in names]
    products = [dtypes(e.invars) for e in by_name("dot_general")]
    in_bfloat16 = sum(kinds == {"bfloat16"} for kinds in products)
    # Forward: queries-keys-values, scores, mixture, output, up, down. Backward: two for each, of which
    # the two of scores (in float32, as softmax is) are mixed. The rest is the unembedding, in float32.
    assert in_bfloat16 == 6 + 2 * 5
    assert len(products) == 6 + 2 * 6 + 3
    # Deviations of norms, exponentials and logarithms of softmax and loss, sums of the mean.
    for equation in by_name("rsqrt", "exp", "log", "reduce_max", "reduce_sum", "argmax"):
        inexact = {kind for kind in dtypes(equation.invars) if "float" in kind}
        if equation.primitive.name != "reduce_sum":
            assert inexact <= {"float32"}, equation
    plain = chunk_equations(dataclasses.replace(GRID[name], activations="float32"))
    assert not any("bfloat16" in dtypes((*e.invars, *e.outvars)) for e in plain)


def test_weights_optimizer_and_averages_stay_in_float32():
    hparams = traced_hparams(HPARAMS)
    state = init_state(SMALL.build(TASK.sizes, key=jr.key(0)), hparams, CONFIG)
    new, metrics = make_chunk(TASK, CONFIG)(
        state, hparams, make_feed(TASK, CONFIG, 0, key=jr.key(1))
    )
    inexact = jax.tree.leaves(eqx.filter((new, metrics), eqx.is_inexact_array))
    assert {str(x.dtype) for x in inexact} == {"float32"}
    moved = lambda a, b: bool(jnp.any(a != b))
    before, after = (eqx.filter(s.model, eqx.is_array) for s in (state, new))
    assert all(jax.tree.leaves(jax.tree.map(moved, before, after)))


@pytest.mark.parametrize("name", GRID)
def test_the_loss_is_that_of_float32_within_the_rounding_of_bfloat16(name):
    halves = lambda tree: jax.tree.map(lambda x: x / 2 if eqx.is_array(x) else x, tree)
    plain = dataclasses.replace(GRID[name], activations="float32")
    model, plain = (halves(filled(config, TASK.sizes)) for config in (GRID[name], plain))
    batch = draw_batch(TASK, lw.FixedLength(4), jnp.asarray(0), 16, key=jr.key(0))

    @eqx.filter_jit
    def value(model):
        logits = model(batch.tokens)
        return mixed_loss(logits, batch, jnp.zeros(())), logits

    (loss, logits), (wanted, exact) = value(model), value(plain)
    assert logits.dtype == exact.dtype == jnp.float32
    # 8 bits of significand: a number is off by at most 2^-8 of itself, and in these models some 25 are
    # rounded on the way to a logit (weights, products, biases, sums), each of about its size. The cross
    # entropy changes by at most twice the largest change of a logit.
    size = max(1.0, float(jnp.abs(exact).max()))
    assert 0 < float(jnp.abs(logits - exact).max()) < 25 * 2.0**-8 * size
    assert abs(float(loss) - float(wanted)) < 2 * 25 * 2.0**-8 * size


def test_attention_is_looked_at_in_float32():
    model = filled(SMALL, TASK.sizes)
    (weights,) = attention_weights(model, jnp.array([[3, 1, 2]]))
    assert weights.dtype == jnp.float32
    np.testing.assert_allclose(np.asarray(weights).sum(-1), 1, atol=1e-6)  # no bfloat16 sum is


def test_dropout_of_bfloat16_scales_as_it_should():
    # The scale 1 / 0.9 rounded to bfloat16 is 1.109375, 0.16 % too small: all kept numbers would be
    # smaller. Of 0.8984375 / 0.9 = 0.9983 the nearest in bfloat16 is 1, of 0.8984375 * 1.109375 =
    # 0.9967 it is 0.99609375.
    dropped = dropout(jnp.full((64, 64), 0.8984375, jnp.bfloat16), 0.1, key=jr.key(0))
    assert dropped.dtype == jnp.bfloat16
    assert np.unique(np.asarray(dropped, np.float32)).tolist() == [0.0, 1.0]


def test_theory_refuses_rounded_activations():
    config = dataclasses.replace(lw.minimal_config(4), activations="bfloat16")
    model = config.build(TASK.sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match="activations='bfloat16'"):
        lw.minimal_matrices(model)


def test_unknown_activations_are_refused():
    config = lw.TransformerConfig()
    object.__setattr__(config, "activations", "float16")  # past the type hook
    with pytest.raises(lw.InputError, match=r"`activations` in \(.*'float16'"):
        config.__post_init__()
