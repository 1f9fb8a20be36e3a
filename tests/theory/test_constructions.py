"""Constructions: the ordinary model does what the closed form says, and solves what it claims."""

import itertools as it
import math
from fractions import Fraction

import hypothesis as hp
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import EPSILON, minimal_matrices
from lengthwise.testing import ConstructionSuite
from lengthwise.theory import Balanced, Homogeneous, PostNorm, RationalModel, Tied


def uneven(vocab, seed=0):
    """A heterogeneous family with r of both signs and zero."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(2.0, 4.0, vocab)
    share = rng.uniform(-1.0, 1.5, vocab)
    share[0] = 0.0
    return Balanced(tuple(map(float, own)), tuple(map(float, share)))


CONSTRUCTIONS = [
    Homogeneous(2, 3.0, 1.0),
    Homogeneous(6, 3.0, 1.0, (3, 2)),
    Homogeneous(6, 3.0, -1.0),
    Homogeneous(32, 40.0, 20.0, (7, 14, 10)),
    Balanced((2.0,) * 4, (0.0,) * 4),
    uneven(17),
    Tied(6, 3.0, -1.0),
    PostNorm(6, gain=1.5),
    PostNorm(32),
    PostNorm(5, norm_kind="layer"),
    PostNorm(6, gain=2.0, norm_kind="layer", width=9, embedding_scale=1.0),
]


class TestConstructionsConform(ConstructionSuite):
    @pytest.fixture(params=CONSTRUCTIONS, ids=lambda c: f"{type(c).__name__}-{c.vocab}")
    def construction(self, request):
        return request.param


@pytest.mark.parametrize("vocab", [4, 7, 12])
@pytest.mark.parametrize("share", [1.0, 2.5, -0.5, -2.0])
def test_homogeneous_displacements_of_step_4(vocab, share):
    own = 3.0
    for s in range(2, vocab):
        found = Homogeneous(vocab, own, share).displacements(np.arange(s)[None])[0]
        below = s * own + (s - 2) * share
        earlier = own * (own + share) / below
        last = (own + share) * (own + (s - 2) * share) / below
        # Some 50 roundings of numbers below 10.
        np.testing.assert_allclose(found, [earlier] * (s - 1) + [last], rtol=0, atol=1e-13)


@pytest.mark.parametrize("dims", [None, (3, 2), (1, 1, 1, 1, 1)])
def test_homogeneous_has_the_least_dimensions(dims):
    with jax.enable_x64(True):
        construction = Homogeneous(6, 3.0, 1.0, dims)
        model = construction.build()
        found = [np.asarray(x) for x in minimal_matrices(model)]
    residual, _, values = found
    assert model.config.width == 5
    centring = np.eye(6) - 1 / 6
    # Step 2 of the proof; products of 5 terms below 4.
    np.testing.assert_allclose(residual, -1.0 * centring, atol=1e-14)
    np.testing.assert_allclose(np.sum(values, 0), -3.0 * centring, atol=1e-14)
    ranks = [np.linalg.matrix_rank(d) for d in values]
    assert ranks == list(dims or (5,))


@pytest.mark.parametrize("rate", [0.5, 0.1, 1e-3, 1e-9, 1e-200])
@pytest.mark.parametrize("vocab", [2, 3, 4, 9, 32, 100])
def test_for_precision_at_every_length(vocab, rate):
    """All inputs of one length are alike: the exact worst case, from the closed form of step 4."""
    construction = Homogeneous.for_precision(vocab, rate)
    own, share = construction.attention_displacement, construction.residual_displacement
    rates = []
    for s in range(1, vocab):
        below = s * own + (s - 2) * share
        earlier = own * (own + share) / below
        last = (own + share) * (own + (s - 2) * share) / below
        odds = ((s - 1) * math.exp(-earlier) + math.exp(-last)) / (vocab - s)
        rates.append(odds / (1 + odds))
    assert max(rates) <= rate
    if rate < 0.1:
        # The bound of step 1 gives away the last token's surplus only: a factor of at most 2 for s >= 2.
        assert max(rates) >= rate / 2.01


def test_for_precision_in_the_ordinary_evaluation(getkey):
    task = lw.SetComplement(8)
    model = Homogeneous.for_precision(8, 1e-3).build()
    found = lw.evaluate(task, model, seen=2, key=getkey())
    assert all(x <= 1e-3 * (1 + 1e-4) for x in found.column("itr_max").values())
    assert all(x == 1.0 for x in found.column("separated").values())


@pytest.mark.parametrize(
    ("own", "share", "vocab", "horizon"),
    [
        (3.0, -1.0, 7, 5),  # 2 + 3 / 1, where the last token ties
        (3.0, -1.0, 6, 5),
        (3.0, -1.0, 5, None),  # 5 is no length of v = 5
        (7.0, -2.0, 7, 6),  # 2 + 3.5
        (5.0, -2.0, 6, 5),  # 2 + 2.5
        (2.5, -2.0, 7, 4),  # 2 + 1.25
        (3.0, 1.0, 7, None),
    ],
)
def test_horizon_is_the_first_length_that_fails(own, share, vocab, horizon):
    families = [Homogeneous(vocab, own, share), Balanced((own,) * vocab, (share,) * vocab)]
    families += [Tied(vocab, own, share)] if share < 0 else []
    assert {f.horizon for f in families} == {horizon}
    exact = RationalModel.homogeneous(vocab, Fraction(own), Fraction(share))
    for s in range(1, vocab):
        # All inputs of one length are alike; v <= 6 is enumerated in test_rational.py.
        solved = exact.illegal_margin(range(s)) > 0
        assert solved == (horizon is None or s < horizon)


def test_horizon_beyond_the_last_length_is_none():
    assert Homogeneous(10**3, 3.0, -1e-3).horizon is None
    assert Homogeneous(10**3, 3.0, -0.25).horizon == 14
    # 0.1 is above a tenth: 0.3 / 0.1 is just below 3, and yet no length lies between.
    assert Homogeneous(9, 0.3, -0.1).horizon == 5


@st.composite
def displacement_pairs(draw, vocab=6):
    number = st.floats(0.25, 4.0)
    own = tuple(draw(number) for _ in range(vocab))
    share = []
    for q in range(vocab):
        least = min(own[:q] + own[q + 1 :])
        low, high = -own[q], least
        share.append(low + draw(st.floats(0.05, 0.95)) * (high - low))
    return own, tuple(share)


@hp.settings(max_examples=8, phases=[hp.Phase.explicit, hp.Phase.reuse, hp.Phase.generate])
@hp.given(displacement_pairs())
def test_every_balanced_family(pair):
    """Balanced at length 2, solved at s iff s < horizon: measured on every sequence of the model."""
    construction = Balanced(*pair)
    vocab = construction.vocab
    tokens = np.array(list(it.permutations(range(vocab), vocab - 1)), np.int32)
    with jax.enable_x64(True):
        logits = np.array(forward(construction.build(), tokens))
    for s in range(1, vocab):
        part, after = tokens[:, :s], logits[:, s - 1]
        own = np.take_along_axis(after, part, axis=1)
        np.put_along_axis(after, part, np.nan, axis=1)
        valid = np.nanmean(after, axis=1)
        # Some 200 roundings of logits below 5, with scores below 6.
        np.testing.assert_allclose(np.nanmax(after, axis=1), np.nanmin(after, axis=1), atol=1e-12)
        found = valid[:, None] - own
        np.testing.assert_allclose(construction.displacements(part), found, rtol=0, atol=1e-12)
        if s == 2:
            np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=0, atol=1e-12)
        smallest = float(np.min(found))
        if abs(smallest) > 1e-12:
            assert (smallest > 0) == (construction.horizon is None or s < construction.horizon)


@pytest.mark.parametrize(("kind", "width"), [("rms", None), ("layer", None), ("layer", 9)])
def test_post_norm_falls_and_rises_again(kind, width):
    construction = PostNorm(8, gain=1.5, norm_kind=kind, width=width)
    d = width or (7 if kind == "rms" else 8)
    found = [construction.displacement(s) for s in range(1, 8)]
    plain = [1.5 * math.sqrt(d * 8 / (s * (8 - s))) for s in range(1, 8)]
    # Step 6: the epsilon's share.
    np.testing.assert_allclose(found, plain, rtol=EPSILON * d * 8**2 / (2 * 1024**2))
    assert found[0] > found[1] > found[2] > found[3] < found[4] < found[5] < found[6]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Homogeneous(4, 3.0, 0.0), "residual_displacement=0.0"),
        (lambda: Homogeneous(4, 3.0, 3.0), "attention_displacement"),
        (lambda: Homogeneous(4, math.inf, 3.0), "finite"),
        (lambda: Homogeneous(1), "vocab=1"),
        (lambda: Homogeneous(4, value_dims=(2, 2)), r"vocab - 1 = 3.*value_dims=\(2, 2\)"),
        (lambda: Homogeneous(4, value_dims=(3, 0)), "value_dims"),
        (lambda: Homogeneous.for_precision(4, 0.0), "illegal_token_rate=0.0"),
        (lambda: Balanced((1.0, 2.0, 3.0), (0.5, 1.0, 0.0)), "token=1, residual_displacement=1.0"),
        (lambda: Balanced((1.0, 2.0, 3.0), (0.5, -2.0, 0.0)), "token=1"),
        (lambda: Balanced((1.0, 2.0), (0.5,)), "residual_displacements=1"),
        (lambda: Tied(4, 3.0, 1.0), "residual_displacement=1.0"),
        (lambda: PostNorm(4, norm_kind="layer", width=3), "width=3"),
        (lambda: PostNorm(4, width=2), "width=2"),
        (lambda: PostNorm(4, gain=0.0), "gain=0.0"),
        (lambda: PostNorm(4, norm_kind="batch"), "norm_kind='batch'"),
    ],
)
def test_impossible_families_are_refused(build, message):
    with pytest.raises(lw.InputError, match=message):
        build()
