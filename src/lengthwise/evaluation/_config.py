"""How much is measured. No JAX."""

from dataclasses import dataclass

from .._core import require


@dataclass(frozen=True)
class EvaluationConfig:
    """How much is measured at each length."""

    examples: int = 512
    """Sampled examples, each measured at every length by one forward pass."""
    batch_size: int = 128
    """Examples in one forward pass."""
    exhaustive_inputs: int = 1024
    """Lengths with at most this many inputs are measured on all of them instead."""

    def __post_init__(self):
        for name in ("examples", "batch_size"):
            value = getattr(self, name)
            require(value >= 1, f"`{name} >= 1`", "measure at least one example", **{name: value})
        require(
            self.exhaustive_inputs >= 0,
            "`exhaustive_inputs >= 0`",
            "give 0 to sample at every length",
            exhaustive_inputs=self.exhaustive_inputs,
        )
