"""How probes are fitted, and on how much. No JAX."""

from dataclasses import dataclass

from .._core import require


@dataclass(frozen=True)
class ProbeConfig:
    """How probes are fitted, and on how much."""

    fit_games: int = 1000
    """Games of the validation stream that probes are fitted on, at the moves of the training range."""
    test_games: int = 1000
    """Games of the test stream that probes are judged by, at every move."""
    batch_size: int = 128
    """Games in one forward pass."""
    ridge: float = 1e-4
    """Penalty on half the mean squared logits of a square, in nats: keeps them finite."""
    tolerance: float = 1e-3
    """The fit ends when its loss is proved to be this close to the optimum, in nats a square."""
    iterations: int = 1000
    """The fit ends after so many steps of L-BFGS at the latest."""

    def __post_init__(self):
        for name in ("fit_games", "test_games", "batch_size", "iterations"):
            value = getattr(self, name)
            require(value >= 1, f"`{name} >= 1`", "raise it", **{name: value})
        for name in ("ridge", "tolerance"):
            value = getattr(self, name)
            require(value > 0, f"`{name} > 0`", "raise it", **{name: value})
