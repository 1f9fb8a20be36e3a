"""Rank correlations against SciPy, closed forms and every permutation."""

import itertools as it
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from lengthwise.report import _sweep_ranks, _sweep_statistics
from lengthwise.report._sweep_ranks import (
    Sample,
    bootstrap_correlation,
    detectable_correlation,
    permutation_p,
    rank_correlation,
)


def sample(n, *, strata=1, slope=0.0, given=False, seed=0, through=0.0):
    """`y` follows `x` by `slope`, and both follow what is held fixed by `through`."""
    rng = np.random.default_rng(seed)
    z, group = rng.normal(size=n), np.arange(n) % strata
    x = rng.normal(size=n) + through * z + group
    y = rng.normal(size=n) + slope * x + through * z - 3 * group
    return Sample(x, y, group, z if given else None)


def spearman(x, y):
    found: Any = scipy.stats.spearmanr(x, y)
    return float(found.statistic)


@pytest.fixture
def fewer(monkeypatch):
    monkeypatch.setattr(_sweep_ranks, "PERMUTATIONS", 499)
    monkeypatch.setattr(_sweep_statistics, "RESAMPLES", 300)


def test_one_stratum_is_spearmans_and_with_ties():
    for seed in range(5):
        one = sample(20, slope=0.5, seed=seed)
        assert rank_correlation(one) == pytest.approx(spearman(one.x, one.y))
        tied = Sample(np.round(one.x), np.round(one.y), one.strata)
        assert rank_correlation(tied) == pytest.approx(spearman(tied.x, tied.y))


def test_one_variable_held_fixed_is_the_partial_rank_correlation():
    one = sample(30, slope=0.4, given=True, through=1.0)
    assert one.given is not None
    xy, xz, yz = (
        spearman(*pair) for pair in ((one.x, one.y), (one.x, one.given), (one.y, one.given))
    )
    partial = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert rank_correlation(one) == pytest.approx(partial)


def test_equal_strata_give_the_mean_of_their_correlations_in_any_order():
    one = sample(40, strata=4, slope=0.5)
    groups = [one.strata == k for k in range(4)]
    by_hand = np.mean([spearman(one.x[g], one.y[g]) for g in groups])
    assert rank_correlation(one) == pytest.approx(by_hand)
    shuffled = np.random.default_rng(1).permutation(40)
    again = Sample(one.x[shuffled], one.y[shuffled], one.strata[shuffled])
    assert rank_correlation(again) == pytest.approx(by_hand)


def test_p_is_that_of_every_permutation():
    """Within two strata of 4 and 3: 4! 3! = 144 orders, each as likely."""
    rng, strata = np.random.default_rng(2), np.array([0, 0, 0, 0, 1, 1, 1])
    x, y = rng.normal(size=7), rng.normal(size=7)
    y = y + 1.2 * x
    one = Sample(x, y, strata)
    observed = abs(rank_correlation(one))
    orders = [[*a, *b] for a in it.permutations(range(4)) for b in it.permutations(range(4, 7))]
    found = [abs(rank_correlation(Sample(x, y[order], strata))) for order in orders]
    exact = np.mean(np.array(found) >= observed - 1e-12)
    four = 4 * math.sqrt(exact * (1 - exact) / _sweep_ranks.PERMUTATIONS)
    assert 0 < exact < 0.3
    assert permutation_p(one) == pytest.approx(exact, abs=four + 1e-4)


@pytest.mark.parametrize(("strata", "given"), [(1, False), (4, False), (2, True)])
def test_null_p_values_keep_their_level(strata, given, fewer):
    """Both follow the stratum, and what is held fixed: neither must look like an effect."""
    runs = 150
    p = np.array(
        [
            permutation_p(sample(32, strata=strata, given=given, through=given * 1.0, seed=seed))
            for seed in range(runs)
        ]
    )
    for level in (0.05, 0.3):
        low, high = scipy.stats.binom.interval(1 - 1e-4, runs, level)
        slack = 0.02 * runs if given else 0  # slopes are estimated: measured 0.06 to 0.07 at 0.05
        assert low <= np.sum(p <= level) <= high + slack


def test_intervals_cover_about_as_often_as_they_say(fewer):
    """The rank correlation of normals with correlation r is 6 / pi asin(r / 2)."""
    runs, r, covered = 150, 0.5, 0
    truth = 6 / math.pi * math.asin(r / 2)
    for seed in range(runs):
        one = sample(50, strata=2, slope=r / math.sqrt(1 - r * r), seed=seed)
        low, high = bootstrap_correlation(one)
        covered += low <= truth <= high
    low, high = (scipy.stats.binom.ppf(q, runs, c) for q, c in ((1e-4, 0.93), (1 - 1e-4, 0.97)))
    assert low <= covered <= high


def test_detectable_correlation_is_found_with_80_per_cent(fewer):
    runs, n = 200, 40
    truth = detectable_correlation(sample(n), level=0.05)
    assert truth == pytest.approx(math.tanh(2.8016 * math.sqrt(1.06 / (n - 3))), rel=1e-4)
    r = 2 * math.sin(math.pi * truth / 6)
    found = sum(
        permutation_p(sample(n, slope=r / math.sqrt(1 - r * r), seed=seed)) < 0.05
        for seed in range(runs)
    )
    low, high = scipy.stats.binom.interval(1 - 1e-4, runs, 0.8)
    assert low - 0.03 * runs <= found <= high + 0.03 * runs


def test_what_cannot_be_tested_is_nan():
    few, constant = sample(5), Sample(np.ones(9), np.arange(9.0), np.zeros(9, int))
    pairs = sample(8, strata=4)  # every observation but one of a pair is its mean: 4 are free
    for one in (few, constant, sample(8, strata=4, given=True)):
        assert math.isnan(rank_correlation(one))
        assert math.isnan(permutation_p(one))
        assert all(map(math.isnan, bootstrap_correlation(one)))
    assert math.isnan(detectable_correlation(few, level=0.05))
    assert not math.isnan(rank_correlation(pairs))
