"""The one temperature that fits the seen lengths best."""

from collections.abc import Sequence

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float


BOUND = 1e3
"""The inverse temperature is sought in [1 / BOUND, BOUND]."""


def fit_inverse_temperature(
    logits: Sequence[Float[np.ndarray, "batch len vocab"]],
    targets: Sequence[Float[np.ndarray, "batch len vocab"]],
    counted: Sequence[Bool[np.ndarray, "batch len"]],
) -> float:
    """The factor that minimizes the mean cross entropy over the counted predictions.

    A remedy that only multiplies all logits is undone by it: compare fitted metrics, and see what
    is left. The cross entropy is convex in the factor, so the minimum is the only one; it is clipped
    to `BOUND`, as separated logits have no finite best factor only if one token is legal.
    """
    f = np.concatenate([x[keep] for x, keep in zip(logits, counted, strict=True)]).astype(float)
    p = np.concatenate([x[keep] for x, keep in zip(targets, counted, strict=True)]).astype(float)
    if f.size == 0:
        return 1.0
    wanted = np.sum(p * f) / len(f)

    def cross_entropy(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(np.mean(scipy.special.logsumexp(factor * f, axis=-1)) - factor * wanted)

    bounds = (-np.log(BOUND), np.log(BOUND))
    best = scipy.optimize.minimize_scalar(
        cross_entropy, bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(best.x))
