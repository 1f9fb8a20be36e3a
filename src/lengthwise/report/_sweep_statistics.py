"""Medians of paired differences: intervals, tests, corrections and power. Plain NumPy and SciPy."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats


MINIMUM = 6
"""Pairs below which nothing is tested: with 5, no two-sided Wilcoxon test reaches 0.05."""
RESAMPLES = 2000
SEED = 0
"""Of every bootstrap, so that equal trials give equal tables."""
LEVEL = 0.05
POWER = 0.8


def bootstrap_median(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a median; NaN below `MINIMUM` values.

    Percentile and not BCa: the jackknife of a median takes two or three values, so that BCa's
    acceleration says nothing, and it is undefined where they coincide. Measured coverage on 1000
    normal, t (3 degrees) and exponential samples each: 0.89 to 0.93 at n = 8, 0.93 to 0.94 at 12,
    0.95 at 25, 0.95 to 0.96 at 50.
    """
    if values.size < MINIMUM:
        return math.nan, math.nan
    return _interval((values,), lambda a, axis: np.median(a, axis=axis))


def bootstrap_difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of `median(ours) - median(theirs)`, unpaired."""
    if min(ours.size, theirs.size) < MINIMUM:
        return math.nan, math.nan
    return _interval(
        (ours, theirs), lambda a, b, axis: np.median(a, axis=axis) - np.median(b, axis=axis)
    )


def signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided Wilcoxon signed-rank p; 1 where all are zero, NaN below `MINIMUM` values.

    Its null is that the differences are symmetric about 0, as they are where the treatment does
    nothing: then the two sides of a pair may be swapped.
    """
    if differences.size < MINIMUM:
        return math.nan
    if not np.any(differences):
        return 1.0
    found: Any = scipy.stats.wilcoxon(differences)
    return float(found.pvalue)


def rank_sum_p(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Two-sided Mann-Whitney p; NaN if either has fewer than `MINIMUM` values."""
    if min(ours.size, theirs.size) < MINIMUM:
        return math.nan
    return float(scipy.stats.mannwhitneyu(ours, theirs, alternative="two-sided").pvalue)


def sign_p(better: int, worse: int) -> float:
    """Two-sided sign test; NaN without pairs."""
    if better + worse == 0:
        return math.nan
    return float(scipy.stats.binomtest(better, better + worse).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values of one family.

    The i-th smallest of m is multiplied by m - i + 1, and is at least the one before. What could
    not be tested (NaN) stays NaN but counts in m, since it was declared.
    """
    adjusted, largest = [math.nan] * len(p_values), 0.0
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for step, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(p_values) - step) * p))
        adjusted[i] = largest
    return adjusted


def detectable_shift(differences: np.ndarray, *, level: float) -> float:
    """The smallest true median that the signed-rank test finds with 80 % power at this n.

    1. The test at `level` rejects 0 just when 0 is outside the interval between the ordered Walsh
       averages (means of pairs i <= j) W_(k+1) and W_(M-k), M = n (n + 1) / 2, which is centred on
       the Hodges-Lehmann estimate h.
    2. h is asymptotically normal about the median of symmetric differences; half the width of
       that interval over its normal quantile is a consistent estimate of h's standard error e,
       whatever their distribution is (Lehmann, Ann. Math. Statist. 34, 1963). Here
       k = M / 2 - 1.96 sqrt(n (n + 1) (2 n + 1) / 24).
    3. So a median m is found with probability Phi(m / e - z_(1 - level / 2)), the other tail left
       out, and this is 0.8 at m = (z_(1 - level / 2) + z_0.8) e.

    NaN below `MINIMUM` values.
    """
    n = differences.size
    if n < MINIMUM:
        return math.nan
    row, column = np.triu_indices(n)
    walsh = np.sort((differences[row] + differences[column]) / 2)
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return _detectable(walsh, spread, level)


def detectable_difference(ours: np.ndarray, theirs: np.ndarray, *, level: float) -> float:
    """As `detectable_shift`, for the Mann-Whitney test of two samples.

    In place of the Walsh averages stand the m n differences between the samples, and the test's
    standard deviation is sqrt(m n (m + n + 1) / 12).
    """
    m, n = ours.size, theirs.size
    if min(m, n) < MINIMUM:
        return math.nan
    between = np.sort((ours[:, None] - theirs[None, :]).ravel())
    return _detectable(between, math.sqrt(m * n * (m + n + 1) / 12), level)


def _detectable(ordered: np.ndarray, spread: float, level: float) -> float:
    z = float(scipy.stats.norm.ppf(0.975))
    k = max(int(ordered.size / 2 - z * spread), 0)
    error = (ordered[-1 - k] - ordered[k]) / (2 * z)
    quantiles = scipy.stats.norm.ppf([1 - level / 2, POWER])
    return float(quantiles.sum() * error)


def _interval(data: tuple[np.ndarray, ...], statistic) -> tuple[float, float]:
    with warnings.catch_warnings():  # equal values have an interval of no width, and that is true
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        found = scipy.stats.bootstrap(
            data, statistic, vectorized=True, n_resamples=RESAMPLES, method="percentile", rng=SEED
        ).confidence_interval
    return float(found.low), float(found.high)
