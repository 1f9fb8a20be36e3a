"""Averages as explicit weighted sums: the coefficient of every theta_t, then one sum."""

import math
from collections.abc import Sequence


def ema_weights(steps: int, decay: float) -> list[float]:
    """Coefficients of theta_0 .. theta_steps: d^t, then (1 - d) d^(t - i)."""
    later = [(1 - decay) * decay ** (steps - i) for i in range(1, steps + 1)]
    return [decay**steps, *later]


def power_ema_weights(steps: int, gamma: float) -> list[float]:
    """Coefficients from beta_t = (1 - 1/t)^(gamma + 1).

    The product of beta_j over j = i+1 .. t telescopes to (i/t)^(gamma + 1), so theta_i has
    (i/t)^(gamma+1) - ((i-1)/t)^(gamma+1).
    """
    if steps == 0:
        return [1.0]
    power = lambda i: (i / steps) ** (gamma + 1)
    return [0.0] + [power(i) - power(i - 1) for i in range(1, steps + 1)]


def bema_paper_weights(
    steps: int, kappa: float, eta: float, gamma: float, rho: float, tau: int, phi: int
) -> tuple[list[float], list[float]]:
    """Coefficients of the average and of the value in the paper's convention (equations of
    theory.md section 6), kept as vectors over theta_0 .. theta_steps.
    """
    unit = lambda t: [float(i == t) for i in range(steps + 1)]
    anchor = average = value = unit(0)
    for t in range(1, steps + 1):
        if t <= tau:
            anchor = average = value = unit(t)
        elif (t - tau) % phi == 0:
            beta, alpha = (rho + gamma * t) ** -kappa, (rho + gamma * t) ** -eta
            average = [(1 - beta) * a + beta * u for a, u in zip(average, unit(t), strict=True)]
            value = [a + alpha * (u - z) for a, u, z in zip(average, unit(t), anchor, strict=True)]
    return average, value


def weighted_sum(weights: Sequence[float], thetas: Sequence[float]) -> float:
    """The sum, without rounding on the way."""
    return math.fsum(w * x for w, x in zip(weights, thetas, strict=True))
