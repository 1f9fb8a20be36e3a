"""Worst margins, spread, illegal token rate and total variation by trying every sequence."""

import itertools as it
import math
from fractions import Fraction

import numpy as np


def worst(logits, vocab: int, length: int) -> dict:
    """What a function from a tuple of tokens to a list of logits does at worst at a length."""
    margins: dict[tuple[int, int, int], float] = {}
    spread = dict.fromkeys(range(vocab), 0.0)
    found = {"itr": 0.0, "tv": 0.0, "margin": math.inf, "sequence": ()}
    for tokens in it.permutations(range(vocab), length):
        f, q = logits(tokens), tokens[-1]
        legal = [y for y in range(vocab) if y not in tokens]
        low = min(f[y] for y in legal)
        spread[q] = max(spread[q], max(f[y] for y in legal) - low)
        for x in tokens:
            for y in legal:
                name = (q, x, y)
                margins[name] = min(margins.get(name, math.inf), f[y] - f[x])
            if low - f[x] < found["margin"]:
                found |= {"margin": low - f[x], "sequence": tokens}
        top = max(f)
        p = [math.exp(value - top) for value in f]
        total = math.fsum(p)
        p = [value / total for value in p]
        found["itr"] = max(found["itr"], math.fsum(p[x] for x in tokens))
        share = [1 / len(legal) if y in legal else 0.0 for y in range(vocab)]
        tv = math.fsum(abs(a - b) for a, b in zip(p, share, strict=True)) / 2
        found["tv"] = max(found["tv"], tv)
    return found | {"margins": margins, "spread": spread}


def plain_logits(residual, scores, values, tokens) -> list[float]:
    """B[q] + sum over heads of the softmax-weighted rows of D, term by term."""
    q = tokens[-1]
    f = list(map(float, residual[q]))
    for c, d in zip(scores, values, strict=True):
        top = max(c[q][t] for t in tokens)
        w = [math.exp(c[q][t] - top) for t in tokens]
        total = math.fsum(w)
        for y in range(len(f)):
            f[y] += math.fsum(a / total * d[t][y] for a, t in zip(w, tokens, strict=True))
    return f


def least_ratio(weights, gains, costs, own, must: int, free, count: int) -> Fraction:
    """The least (sum of w g) / (sum of w kappa) over all sets, in exact rationals of the floats."""
    exact = lambda x: Fraction(float(x))
    best = None
    for chosen in it.combinations([i for i in range(len(weights)) if free[i]], count):
        tokens = [*chosen, must] if must >= 0 else list(chosen)
        options = [range(np.shape(gains)[1])] * len(tokens)
        for places in it.product(*options):
            pairs = list(zip(tokens, places, strict=True))
            n = exact(own[0]) + sum(exact(weights[i][p]) * exact(gains[i][p]) for i, p in pairs)
            m = exact(own[1]) + sum(exact(weights[i][p]) * exact(costs[i][p]) for i, p in pairs)
            best = n / m if best is None else min(best, n / m)
    assert best is not None
    return best
