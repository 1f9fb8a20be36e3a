"""A whole experiment as data, and its task, model and key. No JAX until it is built."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core import InputError, class_name, require
from ._config import Hparams, TrainingConfig, check_hparams


if TYPE_CHECKING:
    from jaxtyping import PRNGKeyArray

    from ..models import AbstractModel
    from ..tasks import AbstractTask


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything that determines a run: the run directory's name is a hash of it.

    `task` is a task, or a config whose `build()` makes one; `model` a config whose
    `build(sizes, key=)` makes a model.
    """

    task: Any
    model: Any
    training: TrainingConfig = TrainingConfig()
    hparams: Hparams = Hparams()
    seed: int = 0
    """Seed of the initial weights, the data and the dropout."""

    def __post_init__(self):
        require(
            0 <= self.seed < 2**32, "`0 <= seed < 2**32`", "choose another seed", seed=self.seed
        )


def build_experiment(
    experiment: ExperimentConfig,
) -> tuple["AbstractTask", "AbstractModel", "PRNGKeyArray"]:
    """Task, freshly initialized model and key of an experiment."""
    import jax.random as jr

    from ..models import AbstractModel
    from ._streams import stream

    check_hparams(experiment.hparams)
    task = build_task(experiment)
    key = jr.key(experiment.seed)
    model = experiment.model.build(task.sizes, key=stream(key, "model"))
    _expect(model, AbstractModel, "model", experiment.model)
    return task, model, key


def build_task(experiment: ExperimentConfig) -> "AbstractTask":
    """The task of an experiment."""
    from ..tasks import AbstractTask

    task = experiment.task.build() if hasattr(experiment.task, "build") else experiment.task
    _expect(task, AbstractTask, "task", experiment.task)
    return task


def _expect(thing: Any, contract: type, name: str, config: Any) -> None:
    if not isinstance(thing, contract):
        raise InputError(
            f"`--{name}` must give an `{contract.__name__}`, but got ({type(thing).__name__}) from "
            f"({class_name(type(config))}): subclass it, or correct the name."
        )
