"""Numbers as text for tables."""

import math
from collections.abc import Sequence
from typing import Any


MISSING = "\N{EN DASH}"


def format_value(value: Any, *, digits: int = 3) -> str:
    """A cell's text: short numbers, a dash for what is missing or NaN, words as they are."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if math.isnan(value):
            return MISSING
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        if value != 0 and not 1e-3 <= abs(value) < 1e5:
            return f"{value:.{digits - 2}e}".replace("e-0", "e-").replace("e+0", "e")
        if value == 0 or abs(value) >= 10 ** (digits - 1):
            return f"{value:.0f}"
        return f"{value:#.{digits}g}"
    return str(value)


def format_change(value: float) -> str:
    """A relative change in per cent, with its sign."""
    return MISSING if math.isnan(value) else f"{100 * value:+.1f} %"


def table_line(cells: Sequence[str], widths: Sequence[int], *, texts: int = 1) -> str:
    """A line of a table: the first `texts` cells to the left, the first of all cut; numbers right."""
    first = cells[0][: widths[0]]
    padded = [
        f"{cell:<{width}}" if place < texts else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip([first, *cells[1:]], widths, strict=True))
    ]
    return " ".join(padded)
