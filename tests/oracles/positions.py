"""What each kind of positions does, one number at a time, in plain Python (and complex numbers)."""

import cmath
import math
from typing import Any

import numpy as np


def kind(positions: Any) -> str:
    """The class's name; that of what is shifted, as nothing is in evaluation."""
    inner = positions.positions if hasattr(positions, "max_offset") else positions
    return type(inner).__name__


def vector(positions: Any, params: Any, place: int, width: int) -> np.ndarray:
    """What is added to an embedding."""
    if kind(positions) == "LearnedPositions":
        return np.asarray(params[place], np.float64)
    if kind(positions) != "SinusoidalPositions":
        return np.zeros(width)
    scale = width**-0.5 if positions.scale is None else positions.scale
    wave = lambda i: math.cos if i % 2 else math.sin
    turn = lambda i: place / positions.base ** ((i - i % 2) / width)
    return np.array([scale * wave(i)(turn(i)) for i in range(width)])


def turned(positions: Any, x: np.ndarray, place: int) -> np.ndarray:
    """A query or key at its place."""
    if kind(positions) != "RotaryPositions":
        return x
    half = len(x) // 2
    pairs = [complex(x[i], x[i + half]) for i in range(half)]
    pairs = [z * cmath.exp(1j * place * positions.base ** (-i / half)) for i, z in enumerate(pairs)]
    return np.array([z.real for z in pairs] + [z.imag for z in pairs])


def penalty(positions: Any, head: int, heads: int, distance: int) -> float:
    """What is taken from a score."""
    return slopes(heads)[head] * distance if kind(positions) == "ALiBi" else 0.0


def slopes(heads: int) -> list[float]:
    """By the recursion of the paper's repository (ofirpress/attention_with_linear_biases)."""
    if math.log2(heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [start * start**i for i in range(heads)]
    below = 2 ** math.floor(math.log2(heads))
    return slopes(below) + slopes(2 * below)[0::2][: heads - below]
