"""Exact arithmetic: no tolerance but where a square root is compared in 50 digits."""

import itertools as it
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.models import EPSILON
from lengthwise.theory import Balanced, Homogeneous, PostNorm, RationalModel, rank


def centring(vocab, factors):
    """diag(factors) P."""
    return tuple(
        tuple(factors[x] * ((x == y) - Fraction(1, vocab)) for y in range(vocab))
        for x in range(vocab)
    )


def plain_product(left, right):
    return tuple(
        tuple(sum(a * right[k][j] for k, a in enumerate(row)) for j in range(len(right[0])))
        for row in left
    )


@pytest.mark.parametrize("vocab", range(4, 9))
def test_factors_and_ranks_are_v_minus_1(vocab):
    model = RationalModel.homogeneous(vocab, 3, "1/2")
    factors = model.factors
    assert factors is not None
    assert len(factors.unembedding) == len(factors.values) == len(factors.embedding[0]) == vocab - 1
    assert model.residual == centring(vocab, [Fraction(-1, 2)] * vocab)
    assert model.values == centring(vocab, [Fraction(-3)] * vocab)
    through = plain_product(factors.embedding, factors.values)
    assert plain_product(factors.embedding, factors.unembedding) == model.residual
    assert plain_product(through, factors.unembedding) == model.values
    for matrix in (model.residual, model.values, *factors):
        assert rank(matrix) == vocab - 1


def test_rank():
    assert rank([]) == 0
    assert rank([[Fraction(0), Fraction(0)]]) == 0
    assert rank([[Fraction(0), Fraction(2)], [Fraction(0), Fraction(3)]]) == 1
    assert (
        rank([[Fraction(0), Fraction(1), Fraction(2)], [Fraction(3), Fraction(0), Fraction(1)]])
        == 2
    )
    # 1e-30 is not zero here.
    assert rank([[Fraction(1), Fraction(1)], [Fraction(1), 1 + Fraction(1, 10**30)]]) == 2


def test_rank_equals_that_of_random_products():
    rng = np.random.default_rng(0)
    for r in range(1, 6):
        product = rng.integers(-9, 10, (6, r)) @ rng.integers(-9, 10, (r, 7))
        rows = [[Fraction(int(x)) for x in row] for row in product]
        assert rank(rows) == np.linalg.matrix_rank(product) == r


FAMILIES = [
    (["3"] * 4, ["1"] * 4),
    (["3"] * 6, ["2"] * 6),
    (["3"] * 6, ["-1"] * 6),  # a tie at its horizon, 5
    (["2"] * 5, ["0"] * 5),
    (["2", "5/2", "3", "7/3", "4"], ["1", "-1/2", "0", "-2", "3/2"]),
    (["1", "2", "3", "4", "5", "6"], ["1/2", "-3/2", "-1/5", "0", "1/3", "-5"]),
]


@pytest.mark.parametrize(("own", "share"), FAMILIES)
def test_closed_form_and_horizon_exactly_by_enumeration(own, share):
    model = RationalModel.balanced(own, share)
    own, share = [Fraction(x) for x in own], [Fraction(x) for x in share]
    vocab = len(own)
    horizon = Balanced(tuple(map(float, own)), tuple(map(float, share))).horizon
    if own[0] == own[1] and share[0] != 0:
        same = RationalModel.homogeneous(vocab, own[0], share[0])
        assert (same.residual, same.attention, same.values) == (
            model.residual,
            model.attention,
            model.values,
        )
    for length in range(1, vocab):
        assert model.solves(length) == (horizon is None or length < horizon)
        for tokens in it.permutations(range(vocab), length):
            if length > 3 and tokens[0] > 1:
                continue  # a third of the long ones
            *earlier, q = tokens
            weights = [(own[q] + share[q]) / (own[x] - share[q]) for x in earlier]
            total = 1 + sum(weights)
            wanted = [own[x] * w / total for x, w in zip(earlier, weights, strict=True)]
            wanted.append(share[q] + own[q] / total)
            assert model.displacements(tokens) == tuple(wanted)
            assert model.illegal_margin(tokens) == min(wanted)
            if length <= 2:
                assert len(set(wanted)) == 1
                assert wanted[0] > 0


def test_the_rational_model_is_the_ordinary_one():
    exact, ordinary = RationalModel.homogeneous(5, 3, 1), Homogeneous(5, 3.0, 1.0)
    for tokens in it.permutations(range(5), 3):
        wanted = [float(x) for x in exact.displacements(tokens)]
        # Some 20 roundings of numbers below 4.
        found = ordinary.displacements(np.array([tokens]))[0]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("vocab", "kind", "scale"), [(6, "rms", 1024.0), (5, "layer", 1.0), (32, "rms", 1.0)]
)
def test_post_norm_against_50_digits(vocab, kind, scale):
    """The model written out in 50 digits, against the closed form in float64."""
    construction = PostNorm(vocab, gain=1.25, norm_kind=kind, embedding_scale=scale)
    with mpmath.workdps(50):
        # Helmert's basis; LayerNorm sees its product with its own transpose, P, which is centred.
        columns = vocab - 1 if kind == "rms" else vocab
        root = lambda k: mpmath.sqrt(k * (k + 1))
        helmert = lambda x, k: (1 if x < k else -k if x == k else 0) / root(k)
        centred = lambda x, y: mpmath.mpf(x == y) - mpmath.mpf(1) / vocab
        if kind == "rms":
            embedding = [[helmert(x, k) for k in range(1, vocab)] for x in range(vocab)]
        else:
            embedding = [[centred(x, y) for y in range(vocab)] for x in range(vocab)]
        for length in {1, 2, vocab // 2, vocab - 1}:
            hidden = [
                scale * sum(embedding[x][k] for x in range(length)) / length for k in range(columns)
            ]
            mean = sum(hidden) / columns if kind == "layer" else 0
            hidden = [h - mean for h in hidden]
            square = sum(h * h for h in hidden) / columns
            normed = [
                mpmath.mpf(1.25) * h / mpmath.sqrt(square + mpmath.mpf(EPSILON)) for h in hidden
            ]
            logits = [-sum(a * b for a, b in zip(normed, row, strict=True)) for row in embedding]
            for x in range(length):
                wanted = logits[vocab - 1] - logits[x]
                # Ten roundings of the closed form.
                assert abs(construction.displacement(length) / wanted - 1) <= 10 * 2.0**-53
            for y in range(length, vocab):
                assert abs(logits[y] - logits[vocab - 1]) <= 1e-45


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RationalModel.homogeneous(4, 3, 0), "residual_displacement='0'"),
        (lambda: RationalModel.homogeneous(4, 3, -3), "residual_displacement='-3'"),
        (lambda: RationalModel.balanced([3, 2, 2], [2, 0, 0]), "attention_displacements"),
        (
            lambda: RationalModel(((Fraction(1),),), ((Fraction(2),),), ((Fraction(1),),)),
            "diagonal",
        ),
        (lambda: RationalModel(((Fraction(1),),), (), ()), "one shape"),
    ],
)
def test_impossible_models_are_refused(build, message):
    with pytest.raises(lw.InputError, match=message):
        build()
