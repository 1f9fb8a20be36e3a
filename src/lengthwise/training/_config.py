"""What is asked of a training run: static `TrainingConfig`, traced `Hparams`. No JAX."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from .._core import Component, require
from ..evaluation import EvaluationConfig
from ..models import DropoutRates


@dataclass(frozen=True)
class TrainingConfig:
    """The static part of a training run: a change of it compiles anew."""

    steps: int = 3000
    """Training steps in all; the cosine schedule ends here."""
    batch_size: int = 64
    """Examples in a step."""
    lengths: Component = Component("lengthwise.tasks:FixedLength", '{"max_length": 8}')
    """The law of training lengths: an `AbstractLengths`, as instance or `module:Class {fields}`."""
    chunk_steps: int = 50
    """Steps in one compiled scan; `steps` and the intervals below are multiples of it."""
    evaluate_every: int = 250
    """Steps between evaluations of raw and averaged weights at all lengths; 0 for none."""
    checkpoint_every: int = 500
    """Steps between checkpoints; 0 for the first and last only."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints are kept; 2 survive a damaged one."""
    history_examples: int = 128
    """Examples of each evaluation during training."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """The final evaluation."""

    def __post_init__(self):
        object.__setattr__(self, "lengths", Component.of(self.lengths))
        for name in ("batch_size", "chunk_steps", "keep_checkpoints", "history_examples"):
            value = getattr(self, name)
            require(value >= 1, f"`{name} >= 1`", f"raise `{name}`", **{name: value})
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(
                value >= 0 and value % self.chunk_steps == 0,
                f"`{name} % chunk_steps == 0`",
                f"round `{name}` to a multiple of `chunk_steps`, or change that",
                **{name: value, "chunk_steps": self.chunk_steps},
            )


class Hparams(NamedTuple):
    """The traced part of a training run: values change without a compilation, and can be vmapped.

    - `learning_rate`: peak rate of AdamW.
    - `warmup_steps`: linear warm-up to the peak.
    - `cosine`: how much of the rate a half cosine takes away by the last step: 0 is a constant
      schedule, 1 a cosine to zero.
    - `weight_decay`: decoupled, on matrices only.
    - `b1`, `b2`, `epsilon`: of AdamW.
    - `clip_norm`: the gradient's global norm is clipped to this; `inf` for never.
    - `exact_loss`: the mix of losses: 0 is next-token prediction on sampled tokens (the paper), 1
      the cross entropy against the exact distribution, without label noise.
    - `dropout`: rates; which dropouts exist is static, see `DropoutRates`.
    - `averages`: weight averages tracked in the run, beside the raw weights (`AbstractAverage`
      instances or components).
    """

    learning_rate: Any = 1e-3
    warmup_steps: Any = 100
    cosine: Any = 0.0
    weight_decay: Any = 0.01
    b1: Any = 0.9
    b2: Any = 0.999
    epsilon: Any = 1e-8
    clip_norm: Any = 1.0
    exact_loss: Any = 0.0
    dropout: DropoutRates = DropoutRates()
    averages: tuple[Any, ...] = (
        Component("lengthwise.training:EMA", '{"decay": 0.998}'),
        Component("lengthwise.training:BEMA"),
    )


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
