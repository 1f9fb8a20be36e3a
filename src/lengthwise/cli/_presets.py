"""Experiments as Python objects: what `lengthwise train PRESET` starts from. No JAX."""

import dataclasses

from .._core import Component
from ..evaluation import EvaluationConfig
from ..models import (
    GPT_DROPOUT,
    DropoutRates,
    TransformerConfig,
    gpt1_config,
    mingpt_config,
    minimal_config,
)
from ..tasks import OthelloConfig, SetComplementConfig
from ..training import ExperimentConfig, Hparams, TrainingConfig


def _lengths(max_length: int) -> Component:
    return Component("lengthwise.tasks:FixedLength", f'{{"max_length": {max_length}}}')


def _othello(model: TransformerConfig, dropout: DropoutRates) -> ExperimentConfig:
    """6x6 games cut to the first 16 of their 32 moves, at a constant rate and with averages beside it."""
    return ExperimentConfig(
        OthelloConfig(6),
        model,
        TrainingConfig(
            steps=8000,
            batch_size=64,
            lengths=_lengths(16),
            evaluate_every=1000,
            checkpoint_every=1000,
            evaluation=EvaluationConfig(examples=2000),
        ),
        Hparams(
            dropout=dropout,
            averages=(
                Component("lengthwise.training:EMA", '{"decay": 0.998}'),
                Component("lengthwise.training:BEMA"),
            ),
        ),
    )


PRESETS: dict[str, ExperimentConfig] = {
    # A small batch at a high rate, so that the updates are noisy and an average has work to do.
    "demo": ExperimentConfig(
        SetComplementConfig(16),
        TransformerConfig(layers=1, heads=4, width=32),
        TrainingConfig(
            steps=5000, batch_size=16, lengths=_lengths(8), chunk_steps=100, checkpoint_every=1000
        ),
        Hparams(
            learning_rate=3e-3,
            averages=(
                Component("lengthwise.training:EMA", '{"decay": 0.998}'),
                Component("lengthwise.training:EMA", '{"decay": 0.99}'),
                Component("lengthwise.training:BEMA"),
            ),
        ),
    ),
    "minimal": ExperimentConfig(
        SetComplementConfig(16),
        minimal_config(16),
        TrainingConfig(lengths=_lengths(2)),
    ),
    # Every length up to v - 1 is solved, which `certify` proves: with no residual beside it, the norm
    # after attention undoes dispersion (`lengthwise reproduce C7`).
    "solved": ExperimentConfig(
        SetComplementConfig(16),
        TransformerConfig(
            layers=1,
            heads=1,
            width=32,
            mlp_ratio=None,
            norm="post",
            norm_kind="rms",
            residual=False,
            bias=False,
        ),
        TrainingConfig(steps=10000, batch_size=32, lengths=_lengths(8), evaluate_every=1000),
        Hparams(learning_rate=1e-2, cosine=1.0, exact_loss=1.0, weight_decay=0.0),
    ),
    # The shapes of GPT-1 and of OthelloGPT at a size for a CPU: see `--model.layers` and `--model.width`.
    "gpt1": ExperimentConfig(
        SetComplementConfig(16),
        gpt1_config(layers=2, heads=4, width=64),
        TrainingConfig(lengths=_lengths(8)),
        Hparams(dropout=GPT_DROPOUT),
    ),
    "mingpt": ExperimentConfig(
        SetComplementConfig(16),
        mingpt_config(layers=2, heads=4, width=64),
        TrainingConfig(lengths=_lengths(8)),
        Hparams(dropout=GPT_DROPOUT),
    ),
    # Rotary positions have a meaning beyond the training length; learned ones, as GPT-1 has, do not.
    "othello": _othello(
        TransformerConfig(
            layers=4,
            heads=4,
            width=128,
            positions=Component("lengthwise.models:RotaryPositions"),
        ),
        DropoutRates(),
    ),
    "othello-gpt1": _othello(gpt1_config(layers=4, heads=4, width=128), GPT_DROPOUT),
    # The published model's size, for GPUs (docs/othello.md, "Scale"), with positions that have a meaning
    # beyond the training length. A chunk's batches lie on the device twice, so chunks are short.
    "othello8": ExperimentConfig(
        OthelloConfig(8),
        dataclasses.replace(
            mingpt_config(),
            activations="bfloat16",
            positions=Component("lengthwise.models:RotaryPositions"),
        ),
        TrainingConfig(
            steps=4900,
            batch_size=4096,
            accumulate=8,
            lengths=_lengths(30),
            chunk_steps=10,
            evaluate_every=490,
            checkpoint_every=490,
            evaluation=EvaluationConfig(examples=2000),
        ),
        Hparams(learning_rate=5e-4, b2=0.95, weight_decay=0.1, dropout=GPT_DROPOUT),
    ),
    "tiny": ExperimentConfig(
        SetComplementConfig(6),
        TransformerConfig(layers=1, heads=2, width=8),
        TrainingConfig(
            steps=40,
            batch_size=16,
            lengths=_lengths(3),
            chunk_steps=10,
            evaluate_every=20,
            checkpoint_every=20,
            history_examples=32,
            evaluation=EvaluationConfig(examples=64, batch_size=64, exhaustive_inputs=64),
        ),
    ),
}
"""The experiments that `lengthwise train NAME` knows."""
