"""What is asked of a training run: static `TrainingConfig`, traced `Hparams`. No JAX."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from .._core import Component, ComponentLike, require
from ..evaluation import EvaluationConfig
from ..models import DropoutRates


@dataclass(frozen=True)
class TrainingConfig:
    """The static part of a training run: a change of it compiles anew."""

    steps: int = 3000
    """Training steps in all; the cosine schedule ends here."""
    batch_size: int = 64
    """Examples in a step, of all devices and micro-batches together."""
    lengths: ComponentLike = Component("lengthwise.tasks:FixedLength", '{"max_length": 8}')
    """The law of training lengths: an `AbstractLengths`, as instance or `module:Class {fields}`."""
    chunk_steps: int = 100
    """Steps in one compiled scan; `steps` and the intervals below are multiples of it."""
    evaluate_every: int = 500
    """Steps between evaluations of raw and averaged weights at all lengths; 0 for none."""
    checkpoint_every: int = 500
    """Steps between checkpoints; 0 for the first and last only."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints are kept; 2 survive a damaged one."""
    history_examples: int = 128
    """Examples of each evaluation during training."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """The final evaluation."""
    accumulate: int = 1
    """Micro-batches that a step's batch is split into, one after the other, for less memory."""

    def __post_init__(self):
        object.__setattr__(self, "lengths", Component.of(self.lengths))
        counts = ("batch_size", "chunk_steps", "keep_checkpoints", "history_examples", "accumulate")
        for name in counts:
            value = getattr(self, name)
            require(value >= 1, f"`{name} >= 1`", f"raise `{name}`", **{name: value})
        require(
            self.batch_size % self.accumulate == 0,
            "`batch_size % accumulate == 0`",
            "split the batch into equal micro-batches",
            batch_size=self.batch_size,
            accumulate=self.accumulate,
        )
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(
                value >= 0 and value % self.chunk_steps == 0,
                f"`{name} % chunk_steps == 0`",
                f"round `{name}` to a multiple of `chunk_steps`, or change that",
                **{name: value, "chunk_steps": self.chunk_steps},
            )


class Hparams(NamedTuple):
    """The traced part of a training run: its values change without a compilation, under vmap too."""

    learning_rate: Any = 1e-3
    """Peak rate of AdamW."""
    warmup_steps: Any = 100
    """Steps of linear warm-up to the peak."""
    cosine: Any = 0.0
    """Share of the rate that a half cosine takes away in the end: 0 is constant, 1 ends at 0."""
    weight_decay: Any = 0.01
    """Decoupled, on matrices only."""
    b1: Any = 0.9
    """AdamW's decay of the mean gradient."""
    b2: Any = 0.999
    """AdamW's decay of the mean squared gradient."""
    epsilon: Any = 1e-8
    """AdamW's epsilon."""
    clip_norm: Any = 1.0
    """The gradient's global norm is clipped to this; `inf` for never."""
    exact_loss: Any = 0.0
    """Mix of losses: 0 is sampled next tokens (the paper), 1 the exact distribution, noiseless."""
    dropout: DropoutRates = DropoutRates()
    """Rates; which dropouts exist is static, see `DropoutRates`."""
    averages: tuple[Any, ...] = (
        Component("lengthwise.training:EMA", '{"decay": 0.998}'),
        Component("lengthwise.training:BEMA"),
    )
    """Averages tracked beside the raw weights: `AbstractAverage` instances or components."""


def check_hparams(hparams: Hparams) -> None:
    """Refuse values that cannot be meant; called where they are still numbers.

    **Raises:** `InputError` naming the value.
    """
    for name in ("learning_rate", "warmup_steps", "weight_decay", "epsilon"):
        value = getattr(hparams, name)
        require(value >= 0, f"`{name} >= 0`", "give a rate that is not negative", **{name: value})
    for name in ("cosine", "exact_loss"):
        value = getattr(hparams, name)
        require(0 <= value <= 1, f"`0 <= {name} <= 1`", "it is a share", **{name: value})
    for name in ("b1", "b2"):
        value = getattr(hparams, name)
        require(0 <= value < 1, f"`0 <= {name} < 1`", "it is a decay", **{name: value})
    require(
        hparams.clip_norm > 0, "`clip_norm > 0`", "give inf for none", clip_norm=hparams.clip_norm
    )
    for name, rate in hparams.dropout._asdict().items():
        require(
            rate is None or 0 <= rate < 1,
            f"`0 <= dropout.{name} < 1`",
            "give None where there is to be no dropout",
            **{name: rate},
        )
