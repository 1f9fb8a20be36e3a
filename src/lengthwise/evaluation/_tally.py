"""Mergeable statistics of one metric by position: batches and machines add up exactly."""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class Tally:
    """Count, sums and extremes of a metric at each position, in float64 on the host."""

    count: Int[np.ndarray, " len"]
    total: Float[np.ndarray, " len"]
    squares: Float[np.ndarray, " len"]
    minimum: Float[np.ndarray, " len"]
    maximum: Float[np.ndarray, " len"]

    @staticmethod
    def of(
        values: Float[np.ndarray, "batch len"], counted: Bool[np.ndarray, "batch len"]
    ) -> "Tally":
        """The tally of one batch; `NaN` is not counted, as where a metric is undefined."""
        values = np.asarray(values, np.float64)
        counted = counted & ~np.isnan(values)
        kept = np.where(counted, values, 0.0)
        return Tally(
            count=counted.sum(0),
            total=kept.sum(0),
            squares=(kept**2).sum(0),
            minimum=np.where(counted, values, np.inf).min(0),
            maximum=np.where(counted, values, -np.inf).max(0),
        )

    def merge(self, other: "Tally") -> "Tally":
        """The tally of both batches together."""
        return Tally(
            count=self.count + other.count,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
        )

    def summary(self, position: int, *, proportion: bool, exact: bool) -> dict[str, float]:
        """Mean with a 95 % interval, minimum and maximum at one position.

        The interval is Wilson's for a share, normal for other means, and the mean itself where
        every input was measured (`exact`). All are NaN where nothing was counted.
        """
        n = int(self.count[position])
        if n == 0:
            return dict.fromkeys(("mean", "low", "high", "min", "max"), math.nan)
        mean = self.total[position] / n
        low, high = mean, mean
        if not exact:
            z = 1.959963984540054
            if proportion:
                centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
                half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + (z / (2 * n)) ** 2)
                low, high = max(centre - half, 0.0), min(centre + half, 1.0)
            else:
                variance = max(self.squares[position] / n - mean**2, 0.0) * n / max(n - 1, 1)
                half = z * math.sqrt(variance / n) if n > 1 else math.inf
                low, high = mean - half, mean + half
        return {
            "mean": float(mean),
            "low": float(low),
            "high": float(high),
            "min": float(self.minimum[position]),
            "max": float(self.maximum[position]),
        }
