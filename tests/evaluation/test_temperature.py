"""The fitted factor: known answers, the same minimum by brute force, and what rescaling leaves."""

import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given, strategies as st

from lengthwise.evaluation import fit_inverse_temperature


ALL = np.ones((1, 64), bool)


def distribution(seed):
    """Logits and the distribution that they state exactly: the best factor is 1."""
    f = np.random.default_rng(seed).normal(size=(1, 64, 6))
    p = np.exp(f) / np.exp(f).sum(-1, keepdims=True)
    return f, p


@given(st.floats(0.01, 100), st.integers(0, 50))
def test_a_known_factor_is_recovered(factor, seed):
    f, p = distribution(seed)
    got = fit_inverse_temperature([factor * f], [p], [ALL])
    # The log of the factor is found to xatol = 1e-6, or to where the cross entropy (about 2, so
    # flat within 2 eps) cannot tell: sqrt(2 * 2 eps / curvature), curvature about 0.5.
    assert abs(math.log(got * factor)) < 1e-6 + math.sqrt(8 * 2.3e-16 / 0.5) * 10


def test_the_minimum_by_brute_force():
    rng = np.random.default_rng(1)
    right, p = distribution(2)
    f = right + rng.normal(size=right.shape)
    entropy = lambda b: np.mean(scipy.special.logsumexp(b * f, axis=-1) - (p * b * f).sum(-1))
    grid = np.exp(np.linspace(-6.9, 6.9, 2001))
    best = grid[np.argmin([entropy(b) for b in grid])]
    got = fit_inverse_temperature([f], [p], [ALL])
    assert entropy(got) <= entropy(best) + 1e-12
    assert abs(math.log(got / best)) < 13.8 / 2000 + 1e-6


def test_only_counted_predictions_matter():
    f, p = distribution(3)
    counted = np.arange(64)[None] < 32
    spoiled = np.where(counted[..., None], 2 * f, 1e3)
    got = fit_inverse_temperature([spoiled, 0 * f], [p, p], [counted, ~ALL])
    assert got == pytest.approx(
        fit_inverse_temperature([2 * f[:, :32]], [p[:, :32]], [ALL[:, :32]]), rel=1e-12
    )
    assert fit_inverse_temperature([f], [p], [~ALL]) == 1.0


@pytest.mark.parametrize(("sign", "end"), [(1.0, 1e3), (-1.0, 1e-3)])
def test_without_a_finite_minimum_it_is_the_bound(sign, end):
    p = np.zeros((1, 64, 6))
    p[..., 0] = 1
    got = fit_inverse_temperature([sign * p], [p], [ALL])
    # The bounded search stops within xatol of the end, or where the entropy is flat: exp(-b) < eps.
    assert got > 30 if sign > 0 else got == pytest.approx(end, rel=1e-4)
