"""Optimised models of too few dimensions: their errors by loops, and how near to the floors they are."""

import itertools as it

import jaxtyping
import numpy as np
import pytest

from lengthwise import InputError
from lengthwise.theory import Shape, approach_floors, embedding_spread_floor, embedding_tv_floor


V = 5
SHAPES = [
    Shape(V - 2, V - 2, 1),
    Shape(V - 2, V - 2, 2),
    Shape(V, V - 3, 2),
    Shape(V - 1, V - 1, 2),
]


@pytest.fixture(scope="module", params=["spread / m_mid", "tv"])
def found(request):
    options = {"steps": 600, "random": 4, "constructed": 4, "seed": 1}
    return request.param, approach_floors(V, request.param, SHAPES, **options)


def worst(layer, longest, quantity):
    """The largest error over the inputs, by loops over tokens."""
    tvs, spreads, margins = [], [], []
    for length in range(1, longest + 1):
        for tokens in it.permutations(range(V), length):
            f = layer.logits(np.array([tokens]))[0]
            legal = [f[y] for y in range(V) if y not in tokens]
            illegal = max(f[x] for x in tokens)
            p = [np.exp(x - max(f)) for x in f]
            target = [0.0 if y in tokens else 1 / len(legal) for y in range(V)]
            tvs.append(sum(abs(a / sum(p) - b) for a, b in zip(p, target, strict=True)) / 2)
            spreads.append(max(legal) - min(legal))
            margins.append((max(legal) + min(legal)) / 2 - illegal)
    return max(tvs) if quantity == "tv" else max(spreads) / min(margins)


def test_error_of_the_best_is_that_of_its_layer(found):
    quantity, every = found
    for one in every:
        assert one.found == min(one.from_random, one.from_construction)
        assert worst(one.layer, one.shape.longest, quantity) == pytest.approx(one.found, rel=1e-6)


def test_dimensions_are_those_asked_for(found):
    for one in found[1]:
        logits = np.eye(V) - 1 / V  # constants do not count
        values = one.layer.values.value[0, 0] @ logits
        residual = one.layer.residual.value[0] @ logits
        rank = np.linalg.matrix_rank(np.vstack([residual, values]), tol=1e-6)
        assert rank <= one.shape.width
        assert np.linalg.matrix_rank(values, tol=1e-6) <= one.shape.value_dim


def test_floors_are_approached_and_not_passed(found):
    quantity, (*lacking, enough) = found
    first = lacking[0]
    floor = {"tv": embedding_tv_floor, "spread / m_mid": embedding_spread_floor}[quantity](V, V - 2)
    assert first.floor == floor
    assert 1 - 1e-9 <= first.ratio < 1.02  # this floor is attained
    for one in lacking:
        assert one.found >= one.floor * (1 - 1e-9) > 0
        assert one.ratio == one.found / one.floor
    assert (enough.floor, enough.ratio) == (0.0, None)
    assert enough.found < 0.1 * first.floor  # of one dimension less


@pytest.mark.parametrize("quantity", ["spread / m_mid", "tv"])
def test_construction_begins_nearer_than_random_weights(quantity):
    """After a single step, where nothing lacks: its error is of the noise alone."""
    (one,) = approach_floors(V, quantity, SHAPES[-1:], steps=1, random=4, constructed=4)
    assert one.from_construction < 0.5 * one.from_random


@pytest.mark.parametrize(
    ("vocab", "shape", "counts", "said"),
    [
        (3, Shape(1, 1, 1), {}, "vocab >= 4"),
        (5, Shape(6, 3, 1), {}, "Dimensions from 1"),
        (5, Shape(3, 0, 1), {}, "Dimensions from 1"),
        (5, Shape(3, 3, 3), {}, "up to length 1 or 2"),
        (5, Shape(3, 3, 1), {"random": 0}, "A model of each kind"),
    ],
)
def test_bad_input(vocab, shape, counts, said):
    with pytest.raises(InputError, match=said):
        approach_floors(vocab, "tv", [shape], **counts)


@pytest.mark.parametrize(
    ("quantity", "shapes", "steps", "said"),
    [
        ("kl", [Shape(3, 3, 1)], 20, "`quantity` in"),
        ("tv", [], 20, "A step and a shape"),
        ("tv", [Shape(3, 3, 1)], 0, "A step and a shape"),
    ],
)
def test_what_is_not_optimised_is_refused(quantity, shapes, steps, said, monkeypatch):
    monkeypatch.setitem(jaxtyping.config.__dict__, "jaxtyping_disable", True)  # as for users
    with pytest.raises(InputError, match=said):
        approach_floors(5, quantity, shapes, steps=steps)
