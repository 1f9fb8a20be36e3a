"""Numbers that carry a bound of their own rounding error: the forward analysis of sums of products."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


UNIT = 2.0**-53
"""Unit roundoff of float64, to nearest."""


def gamma(operations: int) -> float:
    r"""$\gamma_n = n u / (1 - n u)$: the relative error of n roundings (Higham 2002, section 3.1).

    Returned a little too large, so that the roundings of a bound's own formula are inside it.
    """
    return 1.01 * operations * UNIT / (1 - operations * UNIT)


class Rounded(NamedTuple):
    r"""A computed array, within `radius` of the exact one.

    A sum of products in which each term suffered at most n roundings has an error of at most
    $\gamma_n \sum |terms|$, in whatever order it was summed. So it is enough to carry the sum of the
    absolute terms (`magnitude`, itself computed and nonnegative) and the longest chain (`operations`).
    """

    value: Float[np.ndarray, "..."]
    magnitude: Float[np.ndarray, "..."]
    operations: int

    @staticmethod
    def exact(value: Float[np.ndarray, "..."]) -> "Rounded":
        """Stored numbers, such as weights: no error."""
        value = np.asarray(value, np.float64)
        return Rounded(value, np.abs(value), 0)

    @property
    def radius(self) -> Float[np.ndarray, "..."]:
        """The largest distance of `value` from the exact number."""
        # The magnitude is a sum of nonnegative terms by the same chain: its relative error is inside
        # the doubled count. An underflow adds at most the smallest normal number an operation.
        tiny = self.operations * np.finfo(np.float64).tiny
        return gamma(2 * self.operations) * self.magnitude + tiny

    def __matmul__(self, other: "Rounded") -> "Rounded":
        """The matrix product: n products, n - 1 additions."""
        n = self.value.shape[-1]
        return Rounded(
            self.value @ other.value,
            self.magnitude @ other.magnitude,
            self.operations + other.operations + n,
        )

    def plus(self, other: "Rounded") -> "Rounded":
        """The sum, broadcast."""
        return Rounded(
            self.value + other.value,
            self.magnitude + other.magnitude,
            max(self.operations, other.operations) + 1,
        )

    def scaled(self, factor: Float[np.ndarray, "..."], operations: int = 0) -> "Rounded":
        """Times a factor that is itself within `operations` roundings of exact."""
        return Rounded(
            self.value * factor,
            self.magnitude * np.abs(factor),
            self.operations + operations + 1,
        )

    def transposed(self) -> "Rounded":
        """The last two axes swapped."""
        return Rounded(
            np.swapaxes(self.value, -1, -2), np.swapaxes(self.magnitude, -1, -2), self.operations
        )

    def at(self, index: object) -> "Rounded":
        """Entries, as in `value[index]`."""
        return Rounded(self.value[index], self.magnitude[index], self.operations)  # pyright: ignore
