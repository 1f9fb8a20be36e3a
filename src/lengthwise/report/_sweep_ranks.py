"""Rank correlation within strata, with another variable held fixed or not: Spearman's, generalized.

One stratum and nothing held fixed is Spearman's correlation; one stratum and one variable held
fixed is the partial rank correlation.
"""

import dataclasses
import math

import numpy as np
import scipy.stats

from . import _sweep_statistics
from ._sweep_statistics import LEVEL, MINIMUM, POWER, SEED


PERMUTATIONS = 9999
FREE = 4
"""Degrees of freedom below which nothing is tested."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Observations of `x` and `y`, each of shape `(n,)`, in groups that are not to be compared.

    - `strata`: the group of each observation, shape `(n,)`.
    - `given`: what is held fixed, shape `(n,)`, or `None`.
    """

    x: np.ndarray
    y: np.ndarray
    strata: np.ndarray
    given: np.ndarray | None = None

    @property
    def free(self) -> int:
        """Observations less the means, and the slopes on `given`, that are fitted per stratum."""
        return len(self.x) - len(np.unique(self.strata)) * (1 if self.given is None else 2)

    @property
    def testable(self) -> bool:
        """Whether there are enough observations."""
        return len(self.x) >= MINIMUM and self.free >= FREE

    def take(self, index: np.ndarray) -> "Sample":
        """Resamples: `index` of shape `(..., n)` gives fields of that shape."""
        given = None if self.given is None else self.given[index]
        return Sample(self.x[index], self.y[index], self.strata, given)

    def in_order(self) -> "Sample":
        """Each stratum in one piece, numbered from 0."""
        _, strata = np.unique(self.strata, return_inverse=True)
        order = np.argsort(strata, kind="stable")
        return dataclasses.replace(self.take(order), strata=strata[order])


def rank_correlation(sample: Sample) -> float:
    """The correlation of ranks within strata; NaN without enough observations, or if all are equal.

    1. In each stratum, x, y and `given` are replaced by average ranks over n + 1, so that every
       observation weighs the same.
    2. In each stratum the ranks of x and y lose their mean, and their least squares slope on the
       ranks of `given`.
    3. The result is sum(x y) / sqrt(sum(x^2) sum(y^2)) of what is left, over all strata.
    """
    if not sample.testable:
        return math.nan
    return float(_correlation(*_residuals(sample.in_order())))


def permutation_p(sample: Sample) -> float:
    """Two-sided p of `rank_correlation`, from permutations within the strata.

    Nothing held fixed, it is the permutation test (Monte Carlo, the observed order included, so its
    level is exact): under the null any order of y within its stratum is as likely as any other. With
    `given`, what is permuted is what is left of y, and the slope is fitted anew (Freedman and Lane,
    J. Bus. Econ. Stat. 1, 1983): approximate, as those slopes are estimated.
    """
    observed = rank_correlation(sample)
    if math.isnan(observed):
        return math.nan
    sample = sample.in_order()
    x, y = _residuals(sample)
    rng = np.random.default_rng(SEED)
    order = np.argsort(sample.strata + rng.random((PERMUTATIONS, len(x))), axis=-1)
    permuted = y[order]
    if sample.given is not None:
        permuted = _without(permuted, sample.strata, _scores(sample.given, sample.strata))
    extreme = np.abs(_correlation(x, permuted)) >= abs(observed) - 1e-12
    return float((1 + extreme.sum()) / (1 + PERMUTATIONS))


def bootstrap_correlation(sample: Sample) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of `rank_correlation`; strata keep their sizes."""
    if math.isnan(rank_correlation(sample)):
        return math.nan, math.nan
    sample = sample.in_order()
    rng = np.random.default_rng(SEED)
    shape, index = (_sweep_statistics.RESAMPLES,), []
    for one in np.unique(sample.strata):
        members = np.flatnonzero(sample.strata == one)
        index.append(members[rng.integers(len(members), size=(*shape, len(members)))])
    found = _correlation(*_residuals(sample.take(np.concatenate(index, axis=-1))))
    low, high = np.nanquantile(found, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def detectable_correlation(sample: Sample, *, level: float) -> float:
    """The smallest true correlation that is found with 80 % power: by Fisher's z.

    atanh(r) is about normal with variance 1.06 / (f - 2) for Spearman's r at f = n - 1 degrees of
    freedom (Fieller, Hartley and Pearson, Biometrika 44, 1957); each mean or slope that is fitted
    besides costs one more.
    """
    if not sample.testable:
        return math.nan
    quantiles = scipy.stats.norm.ppf([1 - level / 2, POWER])
    return math.tanh(float(quantiles.sum()) * math.sqrt(1.06 / (sample.free - 2)))


def _residuals(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    given = None if sample.given is None else _scores(sample.given, sample.strata)
    x, y = (_scores(values, sample.strata) for values in (sample.x, sample.y))
    return _without(x, sample.strata, given), _without(y, sample.strata, given)


def _scores(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Ranks within each stratum over its size plus one, along the last axis."""
    scores = np.empty(values.shape)
    for one in np.unique(strata):
        mine = strata == one
        scores[..., mine] = scipy.stats.rankdata(values[..., mine], axis=-1) / (mine.sum() + 1)
    return scores


def _without(values: np.ndarray, strata: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    left = np.empty(values.shape)
    for one in np.unique(strata):
        mine = strata == one
        y = values[..., mine] - values[..., mine].mean(axis=-1, keepdims=True)
        if given is not None:
            z = given[..., mine] - given[..., mine].mean(axis=-1, keepdims=True)
            square = (z * z).sum(axis=-1, keepdims=True)
            slope = (z * y).sum(axis=-1, keepdims=True) / np.where(square > 0, square, 1)
            y = y - slope * z
        left[..., mine] = y
    return left


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of centred values along the last axis; NaN where one of them does not vary."""
    size = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.where(size > 1e-12, (x * y).sum(axis=-1) / np.where(size > 1e-12, size, 1), np.nan)
