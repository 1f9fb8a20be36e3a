"""The laws of hyperparameters: what a trial draws for one field. No JAX."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from .._core import require


if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A number uniform on `[low, high)`."""

    low: float
    high: float

    def __post_init__(self):
        _check_range(self.low, self.high)

    def draw(self, rng: "np.random.Generator") -> float:
        """One value."""
        return float(rng.uniform(self.low, self.high))


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """A number whose logarithm is uniform on `[log low, log high)`."""

    low: float
    high: float

    def __post_init__(self):
        _check_range(self.low, self.high)
        require(self.low > 0, "`low > 0`", "a logarithm needs it; or use `Uniform`", low=self.low)

    def draw(self, rng: "np.random.Generator") -> float:
        """One value."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)  # rounding must not leave the range


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of `values`, each as often as any other: numbers, text, booleans or None."""

    values: tuple[Any, ...]

    def __post_init__(self):
        object.__setattr__(self, "values", tuple(self.values))
        require(len(self.values) > 0, "`len(values) >= 1`", "name a value", values=self.values)
        require(
            len({repr(value) for value in self.values}) == len(self.values),
            "Values that differ",
            "drop one of them",
            values=self.values,
        )
        require(
            all(
                value is None or isinstance(value, bool | int | float | str)
                for value in self.values
            ),
            "Values that are numbers, text, booleans or None",
            "give the path of a field inside the component, such as `training.lengths.max_length`",
            values=self.values,
        )

    def draw(self, rng: "np.random.Generator") -> Any:
        """One value."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclasses.dataclass(frozen=True)
class Conditional:
    """The law `then` where the field at `on` equals `equals`, and the value `otherwise` elsewhere."""

    on: str
    equals: Any
    then: Uniform | LogUniform | Choice
    otherwise: Any

    def draw(self, rng: "np.random.Generator") -> Any:
        """One value of `then`."""
        return self.then.draw(rng)


Law = Uniform | LogUniform | Choice | Conditional


def _check_range(low: float, high: float) -> None:
    require(
        math.isfinite(low) and math.isfinite(high) and low < high,
        "`low < high`",
        "widen the range, or leave the field to the base experiment",
        low=low,
        high=high,
    )
