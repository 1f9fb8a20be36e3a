"""The set complement task by Python sets and fractions."""

import math
from collections.abc import Sequence
from fractions import Fraction


def label(tokens: Sequence[int], vocab: int) -> list[list[float]]:
    """After each prefix: 1 / (number of absent tokens) for each absent token."""
    rows = []
    for end in range(1, len(tokens) + 1):
        absent = set(range(vocab)) - set(tokens[:end])
        share = Fraction(1, len(absent)) if absent else Fraction(0)
        rows.append([float(share) if y in absent else 0.0 for y in range(vocab)])
    return rows


def inputs(vocab: int, length: int) -> list[tuple[int, ...]]:
    """Every sequence of `length` distinct tokens, by trying one more token at a time."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(length):
        found = [(*t, y) for t in found for y in range(vocab) if y not in t]
    return found


def count(vocab: int, length: int) -> int:
    """v (v - 1) ... (v - s + 1)."""
    return math.prod(vocab - i for i in range(length))
