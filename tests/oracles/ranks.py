"""Ranks of rational matrices, by elimination in exact arithmetic."""

from collections.abc import Sequence
from fractions import Fraction


def rank(matrix: Sequence[Sequence[Fraction]]) -> int:
    """The rank."""
    rows, found = [list(row) for row in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((row for row in rows[found:] if row[column] != 0), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        found += 1
        for row in rows[found:]:
            share = row[column] / pivot[column]
            row[:] = [a - share * b for a, b in zip(row, pivot, strict=True)]
    return found


def centred(matrix: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """Each row less its mean."""
    return [[a - Fraction(sum(row), len(row)) for a in row] for row in matrix]
