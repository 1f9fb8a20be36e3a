"""Least ratios over sets against every set in exact rationals; sound bounds are below them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lengthwise.theory._ratio import Ratios, least_ratios, least_set, sound_ratios
from oracles.margins import least_ratio


TOKENS = 5


def draw(seed, kind, places, with_costs, with_must):
    """A batch of three problems, with ties, huge weights or gains near zero by `kind`."""
    rng = np.random.default_rng(seed)
    shape = (3, TOKENS, places)
    gains = rng.normal(size=shape)
    weights = np.exp(rng.normal(size=(1, TOKENS, places)))
    if kind == "ties":
        gains, weights = np.round(gains), np.ones_like(weights)
    if kind == "huge":
        weights = np.exp(rng.uniform(-300, 300, size=weights.shape))
    if kind == "near zero":
        gains *= 1e-12
    own_gain, must = rng.normal(size=3), np.full(3, -1)
    free = np.ones((3, TOKENS), bool)
    if with_must:
        must = rng.integers(0, TOKENS, 3)
        free[np.arange(3), must] = False
    costs = own_cost = None
    if with_costs:
        costs = rng.uniform(0.1, 2, size=shape)
        own_cost = rng.uniform(0.1, 2, size=3)
    zero = np.zeros((1, 1, 1))
    return Ratios(weights, zero, gains, zero, own_gain, must, free, costs, 0.0, own_cost)


def exact(problem, row, count):
    costs = np.ones_like(problem.gains) if problem.costs is None else problem.costs
    own = (problem.own_gain[row], 1.0 if problem.own_cost is None else problem.own_cost[row])
    return least_ratio(
        problem.weights[0],
        problem.gains[row],
        costs[row],
        own,
        int(problem.must[row]),
        problem.free[row],
        count,
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["plain", "ties", "huge", "near zero"]),
    places=st.sampled_from([1, 2]),
    with_costs=st.booleans(),
    with_must=st.booleans(),
    count=st.integers(0, 3),
)
def test_equals_every_set(seed, kind, places, with_costs, with_must, count):
    problem = draw(seed, kind, places, with_costs, with_must)
    found = least_ratios(problem, count)
    sound = sound_ratios(problem, count, found)
    tokens, at = least_set(problem, count, found)
    for row in range(3):
        truth = exact(problem, row, count)
        # At most 40 roundings of a mean of these gains.
        size = max(1.0, float(np.max(np.abs(problem.gains[row]))), abs(problem.own_gain[row])) * 20
        assert abs(found[row] - float(truth)) <= 40 * 2.0**-53 * size
        assert sound[row] <= truth, "a bound must not be above the truth, not by one rounding"
        if kind != "huge":
            assert sound[row] >= float(truth) - 1e-13 * size * 20
        else:
            assert sound[row] >= float(truth) - 1e-9
        chosen = set(map(int, tokens[row]))
        assert len(chosen) == count + int(with_must)
        assert at.shape == tokens.shape


def test_warm_start_from_anywhere():
    problem = draw(3, "plain", 1, False, True)
    wanted = least_ratios(problem, 2)
    for start in (-1e6, 0.0, 1e6):
        np.testing.assert_array_equal(least_ratios(problem, 2, np.full(3, start)), wanted)


@pytest.mark.parametrize("raised", [1e-9, 1e-3])
def test_a_number_above_the_least_ratio_is_lowered(raised):
    """The check cannot be passed by a number that is too large."""
    problem = draw(4, "plain", 1, False, False)
    truth = [exact(problem, row, 3) for row in range(3)]
    sound = sound_ratios(problem, 3, np.array([float(t) + raised for t in truth]))
    assert all(bound <= t for bound, t in zip(sound, truth, strict=True))
    assert all(bound >= float(t) - 1e-12 for bound, t in zip(sound, truth, strict=True))


def test_errors_of_the_input_are_counted():
    """With a stated error the bound holds for every problem within it."""
    problem = draw(5, "plain", 1, False, True)
    wide = Ratios(
        problem.weights,
        np.full((1, 1, 1), 1e-6),
        problem.gains,
        np.full((1, 1, 1), 1e-6),
        problem.own_gain,
        problem.must,
        problem.free,
    )
    sound = sound_ratios(wide, 2, least_ratios(problem, 2))
    rng = np.random.default_rng(0)
    for _ in range(50):
        sign = rng.choice([-1, 1], size=problem.gains.shape)
        other = Ratios(
            problem.weights * (1 + 0.99e-6 * rng.choice([-1, 1], size=problem.weights.shape)),
            np.zeros((1, 1, 1)),
            problem.gains + 0.99e-6 * sign,
            np.zeros((1, 1, 1)),
            problem.own_gain - 0.99e-6,
            problem.must,
            problem.free,
        )
        assert all(sound[row] <= exact(other, row, 2) for row in range(3))
