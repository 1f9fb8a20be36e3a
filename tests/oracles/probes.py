"""One regularized multinomial logistic regression by Newton's method in float64, nothing whitened."""

import numpy as np


def newton(x: np.ndarray, classes: np.ndarray, ridge: float, count: int = 3):
    """The minimum of mean cross entropy + ridge / 2 (mean of |W (x - mean)|^2 + |b|^2).

    Returns the logits of every sample at the minimum, and the minimum.
    """
    z = np.concatenate([x - x.mean(0), np.ones((len(x), 1))], axis=1).astype(np.float64)
    n, d = z.shape
    penalty = np.zeros((d, d))
    penalty[:-1, :-1] = z[:, :-1].T @ z[:, :-1] / n
    penalty[-1, -1] = 1
    target = np.eye(count)[classes]
    w = np.zeros((d, count))

    def value(w):
        logits = z @ w
        top = logits.max(1, keepdims=True)
        log_p = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
        return -np.mean(np.sum(target * log_p, 1)) + ridge / 2 * np.sum(w * (penalty @ w)), log_p

    for _ in range(50):
        before, log_p = value(w)
        p = np.exp(log_p)
        gradient = z.T @ (p - target) / n + ridge * penalty @ w
        hessian = np.zeros((d, count, d, count))
        for a in range(count):
            for b in range(count):
                weight = p[:, a] * ((a == b) - p[:, b])
                hessian[:, a, :, b] = (z * weight[:, None]).T @ z / n
            hessian[:, a, :, a] += ridge * penalty
        flat = hessian.reshape(d * count, d * count)
        step = np.linalg.solve(flat, gradient.ravel()).reshape(d, count)
        size = 1.0
        while value(w - size * step)[0] > before and size > 1e-9:
            size /= 2
        w = w - size * step
        if np.abs(step).max() < 1e-13:
            break
    return z @ w, value(w)[0]
