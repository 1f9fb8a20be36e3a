"""A variant of an experiment, trained for a part of a claim."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..training import ExperimentConfig
from ._claim import Part


if TYPE_CHECKING:
    from ..training import RunResult


def train_variant(
    experiment: ExperimentConfig,
    part: Part,
    *,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    hparams: Mapping[str, Any] | None = None,
) -> "RunResult":
    """Train an experiment with the seed of a part, and measure its weights at the end alone.

    **Arguments:**

    - `experiment`: where it starts from.
    - `part`: its `seed`, and its `steps` if it has them, replace those of the experiment. Fewer steps
      than a chunk has are one chunk.
    - `model`, `training`, `hparams`: other values of fields of these. (Keyword only arguments.)

    **Example:** `train_variant(PRESETS["demo"], {"seed": 0}, hparams={"exact_loss": 1.0}).rows()`
    """
    from ..training import build_experiment, train

    changes: dict[str, Any] = {"evaluate_every": 0, "checkpoint_every": 0, **(training or {})}
    changes["steps"] = part.get("steps", changes.get("steps", experiment.training.steps))
    chunk = changes.get("chunk_steps", experiment.training.chunk_steps)
    changes["chunk_steps"] = min(chunk, max(changes["steps"], 1))
    experiment = dataclasses.replace(
        experiment,
        seed=part["seed"],
        model=dataclasses.replace(experiment.model, **model or {}),
        training=dataclasses.replace(experiment.training, **changes),
        hparams=experiment.hparams._replace(**hparams or {}),
    )
    task, built, key = build_experiment(experiment)
    return train(task, built, experiment.training, experiment.hparams, key=key)
