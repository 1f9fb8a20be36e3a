"""Positions against closed forms, and what a model knows of places that it never saw."""

import functools as ft
import math

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from test_transformer import filled

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import (
    ALiBi,
    LearnedPositions,
    NoPositions,
    RandomOffset,
    RotaryPositions,
    SinusoidalPositions,
    alibi_slopes,
)
from lengthwise.testing import PositionsSuite
from lengthwise.theory import one_layer
from lengthwise.training import init_state, make_chunk, make_feed, traced_hparams
from oracles import positions as oracle


ALL = {
    "none": NoPositions(),
    "learned": LearnedPositions(),
    "sinusoidal": SinusoidalPositions(),
    "rotary": RotaryPositions(),
    "alibi": ALiBi(),
    "learned, offset": RandomOffset(4),
    "alibi, offset": RandomOffset(4, ALiBi()),
}


class TestPositionsConform(PositionsSuite):
    @pytest.fixture(params=ALL.values(), ids=list(ALL))
    def positions(self, request):
        return request.param


places = st.integers(0, 1000)
TURN = jax.jit(ft.partial(RotaryPositions().rotate, None))


@hypothesis.settings(max_examples=30)
@hypothesis.given(places, places, places, st.integers(0, 2**32 - 1))
def test_rotary_scores_depend_on_the_distance(query, key, shift, seed):
    """q at m and k at n score as at m + s and n + s."""
    q, k = np.random.default_rng(seed).normal(size=(2, 1, 1, 8))
    rotate = lambda x, p: TURN(jnp.asarray(x), jnp.array([p]))[0, 0]
    with jax.enable_x64(True):
        score = lambda m, n: float(rotate(q, m) @ rotate(k, n))
        # An angle up to 2000 has an error of 2000 roundings, and so have its sine and cosine.
        atol = 8 * 2000 * 2.0**-53 * np.linalg.norm(q) * np.linalg.norm(k)
        assert abs(score(query, key) - score(query + shift, key + shift)) <= atol


@pytest.mark.parametrize("dim", [2, 8])
def test_rotary_is_a_complex_product(dim):
    x = np.random.default_rng(0).normal(size=(2, 60, dim))
    positions = RotaryPositions(100.0)
    with jax.enable_x64(True):
        turn = jax.jit(ft.partial(positions.rotate, None))
        got = np.asarray(turn(jnp.asarray(x), jnp.arange(60)))
    wanted = [[oracle.turned(positions, row, p) for p, row in enumerate(head)] for head in x]
    # Angles up to 60, entries below 5: 60 roundings of each.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=8 * 60 * 5 * 2.0**-53)


def test_rotary_is_the_papers_matrix_in_another_order():
    """Equation 15 of RoFormer pairs neighbours; ours are halves."""
    dim, place = 6, 7
    wanted = np.zeros((dim, dim))
    for i in range(dim // 2):
        turn = place * 10_000 ** (-2 * i / dim)
        block = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        wanted[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = block
    order = [0, 3, 1, 4, 2, 5]  # ours, where the paper has 0, 1, 2, ...
    with jax.enable_x64(True):
        places = jnp.full(dim, place)
        columns = TURN(jnp.eye(dim)[None], places)[0]
    got = np.asarray(columns).T[np.ix_(order, order)]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=8 * 7 * 2.0**-53)


def test_rotary_needs_pairs():
    config = lw.TransformerConfig(1, 2, 6, positions=RotaryPositions())
    with pytest.raises(lw.InputError, match=r"`key_dim % 2 == 0`.*key_dim=3.*choose an even"):
        filled(config)


def test_alibi_slopes_are_those_published():
    eight = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    np.testing.assert_array_equal(alibi_slopes(8), eight)
    more = [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    np.testing.assert_array_equal(alibi_slopes(12), eight + more)
    for heads in range(1, 40):
        np.testing.assert_allclose(alibi_slopes(heads), oracle.slopes(heads), rtol=1e-13)


@pytest.mark.parametrize("heads", [1, 8, 12])
def test_alibi_is_minus_slope_times_distance(heads):
    bias = np.asarray(ALiBi().bias(None, heads, jnp.arange(5)))
    wanted = lambda h, i, j: -oracle.slopes(heads)[h] * (i - j)
    for h in range(heads):
        for i in range(5):
            for j in range(i + 1):
                # The slope is rounded to float32, and its product again.
                np.testing.assert_allclose(bias[h, i, j], wanted(h, i, j), rtol=2 * 2.0**-24)


@pytest.mark.parametrize("positions", [SinusoidalPositions(), SinusoidalPositions(20.0, 1.0)])
@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_are_the_closed_form(positions, width):
    with jax.enable_x64(True):
        add = jax.jit(ft.partial(positions.embed, None))
        got = np.asarray(add(jnp.zeros((60, width)), jnp.arange(60)))
    wanted = [oracle.vector(positions, None, p, width) for p in range(60)]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=8 * 60 * 2.0**-53)


@pytest.mark.parametrize("kind", [RotaryPositions, SinusoidalPositions])
def test_bases_that_turn_nothing_are_refused(kind):
    with pytest.raises(lw.InputError, match=r"`base > 1`.*base=1"):
        kind(base=1.0)


SIZES = lw.Sizes(vocab=12, inputs=12, max_len=11)
TRAINED = 4  # the training length; places 4 to 10 are never seen


def trained(positions, decay):
    """The table before and after 10 steps, and the rates of the steps."""
    task = lw.SetComplement(12)
    model_config = lw.TransformerConfig(
        1, 1, 4, mlp_ratio=None, norm="none", bias=False, positions=positions
    )
    config = lw.TrainingConfig(
        steps=10, chunk_steps=10, batch_size=64, lengths=lw.FixedLength(TRAINED), evaluate_every=0,
        checkpoint_every=0,
    )  # fmt: skip
    hparams = traced_hparams(lw.Hparams(averages=(), weight_decay=decay, learning_rate=0.1))
    state = init_state(model_config.build(task.sizes, key=jr.key(0)), hparams, config)
    feed = make_feed(task, config, 0, key=jr.key(1))
    after, metrics = make_chunk(task, config)(state, hparams, feed)
    tables = (np.asarray(s.model.position_params, np.float64) for s in (state, after))
    return *tables, np.asarray(metrics.learning_rate, np.float64)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_learned_positions_beyond_training_stay_but_for_decay(decay):
    before, after, rates = trained(LearnedPositions(), decay)
    kept = np.prod(1 - decay * rates)
    # Three roundings in each of ten steps.
    np.testing.assert_allclose(after[TRAINED:], kept * before[TRAINED:], rtol=30 * 2.0**-24)
    if decay == 0:
        np.testing.assert_array_equal(after[TRAINED:], before[TRAINED:])
    assert np.all(after[:TRAINED] != kept * before[:TRAINED])


def test_a_random_offset_trains_all_places_that_it_reaches():
    config = lw.TransformerConfig(
        1, 1, 4, mlp_ratio=None, norm="none", bias=False, positions=RandomOffset(5)
    )
    model = filled(config, SIZES)
    assert model.position_params.shape == (SIZES.max_len + 5, 4)

    def loss(table):
        other = eqx.tree_at(lambda m: m.position_params, model, table)
        return jnp.sum(other(jnp.zeros((64, TRAINED), int), key=jr.key(0)) ** 2)

    gradient = np.asarray(jax.jit(jax.grad(loss))(model.position_params))
    reached = TRAINED + 5
    assert np.all(gradient[:reached] != 0)
    assert np.all(gradient[reached:] == 0)


def test_offsets_are_uniform_and_independent():
    """Chi-squares at level 1e-5, fixed keys."""
    largest = 6
    start = jax.jit(lambda key: RandomOffset(largest).places((500, 3), key=key))
    found = np.concatenate([start(key) for key in jr.split(jr.key(0), 14)])
    np.testing.assert_array_equal(np.diff(found, axis=1), 1)
    offsets = found[:, 0]
    counts = np.bincount(offsets)
    assert len(counts) == largest + 1
    assert scipy.stats.chisquare(counts).pvalue > 1e-5
    pairs = np.bincount(offsets[:-1] * (largest + 1) + offsets[1:], minlength=(largest + 1) ** 2)
    assert scipy.stats.chisquare(pairs).pvalue > 1e-5


def test_no_offset_without_a_key():
    np.testing.assert_array_equal(RandomOffset(6).places((2, 4), key=None), [0, 1, 2, 3])
    one, other = (RandomOffset(10**6).places((4,), key=jr.key(seed)) for seed in (0, 1))
    assert one[0] != other[0]


def test_the_last_place_with_an_offset_has_a_vector_of_its_own():
    """JAX reads the last row for one beyond the table, so a short table would show nowhere else."""
    positions = RandomOffset(3, LearnedPositions(1.0))
    table = positions.init(5, 2, 1, 2, key=jr.key(0))
    longest = jnp.arange(5) + 3
    got = positions.embed(table, jnp.zeros((5, 2)), longest)
    assert len(np.unique(np.asarray(got), axis=0)) == 5
    with pytest.raises(lw.InputError, match=r"`max_offset >= 0`"):
        RandomOffset(-1)


@pytest.mark.parametrize("name", ["rotary", "alibi", "learned"])
def test_an_offset_changes_only_what_knows_places(name):
    config = lw.TransformerConfig(1, 2, 8, mlp_ratio=1, positions=RandomOffset(7, ALL[name]))
    model = filled(config, SIZES)
    tokens = np.random.default_rng(0).integers(0, 12, (3, 6)).astype(np.int32)
    shifted = eqx.filter_jit(lambda model, x: model(x, key=jr.key(0)))
    gap = np.abs(shifted(model, jnp.asarray(tokens)) - forward(model, tokens)).max()
    if name in ("rotary", "alibi"):
        # 100 roundings of numbers below 30, with angles up to 13.
        assert gap < 13 * 3000 * 2.0**-24
    else:
        assert gap > 1e-2


@pytest.mark.parametrize("name", ["rotary", "alibi", "sinusoidal", "learned, offset"])
def test_the_theory_refuses_positions_that_it_does_not_know(name):
    config = lw.TransformerConfig(
        1, 1, 4, mlp_ratio=None, norm="none", bias=False, positions=ALL[name]
    )
    model = filled(config, SIZES)
    kind = type(ALL[name]).__name__
    words = (
        rf"theory covers .*no or learned positions.*positions='lengthwise.models:{kind}.*evaluate"
    )
    with pytest.raises(lw.InputError, match=words):
        one_layer(model)
    with pytest.raises(lw.InputError, match=rf"minimal model.*{kind}"):
        lw.minimal_matrices(model)


def test_positions_of_half_precision_turn_by_exact_places():
    """A place above 256 is no bfloat16 number: angles must be taken before rounding."""
    x = jnp.ones((1, 1, 8), jnp.bfloat16)
    got = TURN(x, jnp.array([257]))
    assert got.dtype == jnp.bfloat16
    wanted = TURN(x.astype(jnp.float32), jnp.array([257]))
    # Sine, cosine, two products and a sum of numbers up to 2, each rounded to 8 bits.
    np.testing.assert_allclose(got.astype(jnp.float32), wanted, rtol=0, atol=6 * 2.0**-8)
