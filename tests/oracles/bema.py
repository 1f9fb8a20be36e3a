"""BEMA on scalars, as each convention is written in its source: one plain function each.

`thetas` holds theta_0, theta_1, ...; the result is the value after steps 1, 2, ...  The functions
were checked against the published code when they were written (see the golden values in
`test_bema.py`); they keep that code's order of operations, so that they can be compared with it.
"""

from collections.abc import Callable, Sequence


def paper(thetas: Sequence[float], *, kappa, eta, gamma, rho, tau, phi) -> list[float]:
    """Algorithm 1 of arXiv 2508.00180: the value follows theta_t in the first tau steps."""
    theta_0 = ema = out = thetas[0]
    values = []
    for t in range(1, len(thetas)):
        x = thetas[t]
        if t <= tau:
            theta_0 = ema = out = x
        elif (t - tau) % phi == 0:
            beta, alpha = (rho + gamma * t) ** -kappa, (rho + gamma * t) ** -eta
            ema = (1 - beta) * ema + beta * x
            out = ema + alpha * (x - theta_0)
        values.append(out)
    return values


def trl(thetas: Sequence[float], *, kappa, eta, gamma, rho, tau, phi) -> list[float]:
    """`BEMACallback` of TRL: a snapshot at t = tau, and no touch of the value before an update."""
    theta_0 = ema = out = thetas[0]
    values = []
    for t in range(1, len(thetas)):
        x = thetas[t]
        if t == tau:
            theta_0 = ema = x
        elif t > tau and (t - tau) % phi == 0:
            beta, alpha = (rho + gamma * t) ** -kappa, (rho + gamma * t) ** -eta
            ema = (1 - beta) * ema + beta * x
            out = ema + alpha * (x - theta_0)
        values.append(out)
    return values


def authors_2025_06(thetas: Sequence[float], *, kappa, eta, gamma, rho, tau, phi) -> list[float]:
    """The authors' online code of June 2025: it may snapshot and update in the same step."""
    theta_0 = ema = out = thetas[0]
    started = False
    values = []
    for t in range(1, len(thetas)):
        x = thetas[t]
        if not started and t >= tau:
            theta_0 = ema = x
            started = True
        if started and t % phi == 0:
            s = 1 + gamma * max(t - tau + rho, 1)
            ema = (1 - s**-kappa) * ema + s**-kappa * x
            out = ema + s**-eta * (x - theta_0)
        values.append(out)
    return values


def authors_2025_12(thetas: Sequence[float], *, kappa, eta, gamma, rho, tau, phi) -> list[float]:
    """The same file since December 2025: `last` starts at -1, rho is subtracted, gamma a factor.

    For kappa = 0 and eta = 0 that code branches; they are not reproduced here.
    """
    theta_0 = ema = out = thetas[0]
    last = -1
    values = []
    for t in range(1, len(thetas)):
        x = thetas[t]
        if t >= tau and t != last and (t - last) % phi == 0:
            s = 1 + max(0, t - rho)
            beta, alpha = gamma * s**-kappa, gamma * s**-eta
            ema = (1 - beta) * ema + beta * x
            out = ema + alpha * (x - theta_0)
            last = t
        values.append(out)
    return values


def authors_offline(thetas: Sequence[float], *, kappa, eta, gamma, rho, tau, phi) -> list[float]:
    """The authors' averaging of checkpoints, each t taken as one, for tau = 0 and 0 < kappa < 1."""
    assert tau == 0
    assert 0 < kappa < 1
    theta_0 = ema = out = thetas[0]
    previous = -phi
    values = []
    for t in range(1, len(thetas)):
        x = thetas[t]
        if t - previous >= phi:
            previous = t
            beta = max((1 + gamma * max(t + rho, 1)) ** -kappa, 1e-4)
            ema = (1 - beta) * ema + beta * x
            out = ema + (1 + max(t + rho, 1)) ** -eta * (x - theta_0)
        values.append(out)
    return values


REFERENCES: dict[str, Callable[..., list[float]]] = {
    "paper": paper,
    "trl": trl,
    "authors-2025-06": authors_2025_06,
    "authors-2025-12": authors_2025_12,
    "authors-offline": authors_offline,
}
