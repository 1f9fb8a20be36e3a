"""The spaces that have a name. No JAX."""

from .._core import Component, require
from ..evaluation import EvaluationConfig
from ..models import DropoutRates, TransformerConfig
from ..tasks import SetComplementConfig
from ..training import ExperimentConfig, Hparams, TrainingConfig
from ._laws import Choice, LogUniform, Uniform
from ._space import SearchSpace


def _average(name: str, fields: str) -> Component:
    return Component(f"lengthwise.training:{name}", fields)


AVERAGES = (
    _average("EMA", '{"decay": 0.99}'),
    _average("EMA", '{"decay": 0.998}'),
    _average("BEMA", "{}"),
    _average("BEMA", '{"eta": 0.4}'),
)
DROPOUT = DropoutRates(0.0, 0.0, 0.0)


def _training(steps: int, batch_size: int, max_length: int) -> TrainingConfig:
    return TrainingConfig(
        steps=steps,
        batch_size=batch_size,
        lengths=Component("lengthwise.tasks:FixedLength", f'{{"max_length": {max_length}}}'),
        evaluate_every=0,
        checkpoint_every=0,
        history_examples=1,
    )


_TRACED = {
    "hparams.learning_rate": LogUniform(1e-4, 1e-2),
    "hparams.weight_decay": LogUniform(1e-3, 0.3),
    "hparams.dropout": Uniform(0.0, 0.5),
    "hparams.cosine": Choice((0.0, 1.0)),
    "hparams.exact_loss": Choice((0.0, 1.0)),
}


def default_space() -> SearchSpace:
    """Eight shapes; `--dry-run` predicts 81 minutes for 100 draws and their twins on 2 cores."""
    base = ExperimentConfig(
        SetComplementConfig(16),
        TransformerConfig(layers=1, heads=4, width=64),
        _training(4000, 16, 5),
        Hparams(dropout=DROPOUT, averages=AVERAGES),
    )
    static = {
        "model.width": Choice((64, 256)),
        "model.layers": Choice((1, 2)),
        "model.norm": Choice(("pre", "post")),
    }
    return SearchSpace(base, static | _TRACED)


def wide_space() -> SearchSpace:
    """Batch, training length, heads and attention-only models too: 128 shapes."""
    space = default_space()
    static = {
        "model.heads": Choice((1, 4)),
        "model.mlp_ratio": Choice((None, 4)),
        "training.batch_size": Choice((16, 64)),
        "training.lengths.max_length": Choice((5, 8)),
    }
    return SearchSpace(space.base, space.static | static | _TRACED)


def attention_space() -> SearchSpace:
    """Attention-only models without norms, the theory's, by width and heads: 6 shapes."""
    base = ExperimentConfig(
        SetComplementConfig(16),
        TransformerConfig(layers=1, heads=1, width=16, mlp_ratio=None, norm="none", bias=False),
        _training(4000, 16, 5),
        Hparams(dropout=DROPOUT, averages=AVERAGES),
    )
    static = {"model.width": Choice((16, 64, 256)), "model.heads": Choice((1, 4))}
    return SearchSpace(base, static | _TRACED)


def tiny_space() -> SearchSpace:
    """Two shapes and a second a trial, for tries."""
    training = TrainingConfig(
        steps=40,
        batch_size=8,
        lengths=Component("lengthwise.tasks:FixedLength", '{"max_length": 3}'),
        chunk_steps=10,
        evaluate_every=0,
        checkpoint_every=0,
        history_examples=1,
        evaluation=EvaluationConfig(examples=32, batch_size=32, exhaustive_inputs=32),
    )
    base = ExperimentConfig(
        SetComplementConfig(6),
        TransformerConfig(layers=1, heads=2, width=8),
        training,
        Hparams(warmup_steps=5, dropout=DROPOUT, averages=(AVERAGES[0], AVERAGES[2])),
    )
    return SearchSpace(base, {"model.width": Choice((4, 8))} | _TRACED)


SPACES = {
    "default": default_space,
    "wide": wide_space,
    "attention-only": attention_space,
    "tiny": tiny_space,
}
"""The search spaces that have a name, by what makes them."""


def named_space(name: str) -> SearchSpace:
    """The space `name`, one of `SPACES`.

    **Raises:** `InputError` listing those that exist.
    """
    require(
        name in SPACES,
        f"`SPACE` in ({', '.join(SPACES)})",
        "name one of them, or a JSON file",
        SPACE=name,
    )
    return SPACES[name]()
