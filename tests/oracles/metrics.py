"""Every metric of one prediction by loops over Python floats (float64)."""

import math
from collections.abc import Sequence


def measure(
    logits: Sequence[float], targets: Sequence[float], inverse_temperature: float = 1.0
) -> dict[str, float]:
    """The definitions of `lengthwise.evaluation._metrics`, one token at a time."""
    f = [x * inverse_temperature for x in logits]
    vocab = range(len(f))
    legal = [y for y in vocab if targets[y] > 0]
    illegal = [y for y in vocab if not targets[y] > 0]
    top = max(f)
    log_z = math.log(math.fsum(math.exp(x - top) for x in f))
    log_p = [x - top - log_z for x in f]
    p = [math.exp(x) for x in log_p]
    legal_f, illegal_f = [f[y] for y in legal], [f[y] for y in illegal]
    nan = math.nan
    return {
        "itr": math.fsum(p[y] for y in illegal),
        "tv": math.fsum(abs(p[y] - targets[y]) for y in vocab) / 2,
        "kl": math.fsum(targets[y] * (math.log(targets[y]) - log_p[y]) for y in legal),
        "top1_illegal": float(any(f[y] >= max(legal_f) for y in illegal)),
        "log_spread": max(legal_f) - min(legal_f),
        "displacement": _mean(legal_f) - _mean(illegal_f) if illegal else nan,
        "separation": min(legal_f) - max(illegal_f) if illegal else nan,
        "separated": float(all(x > y for x in legal_f for y in illegal_f)) if illegal else nan,
        "coverage": coverage(f, legal),
    }


def coverage(f: Sequence[float], legal: Sequence[int]) -> float:
    """The |L| places are given away one by one, each to the best token left, an illegal one if it ties."""
    left, found = list(range(len(f))), 0
    for _ in legal:
        best = max(f[y] for y in left)
        tied = [y for y in left if f[y] == best]
        chosen = next((y for y in tied if y not in legal), tied[0])
        left.remove(chosen)
        found += chosen in legal
    return found / len(legal)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
