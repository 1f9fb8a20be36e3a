"""How long a sweep will take: a rough guess, from one core of the machine it was fitted on. No JAX."""

import json

from ..models import TransformerConfig
from ..training import ExperimentConfig
from ._design import draw_row
from ._space import SearchSpace


COMPILE_S = 12.0
STEP_S = 1e-3
"""What a step costs beyond its weights."""
BYTES_PER_S = 10e9
FLOPS = 80e9


def predicted_seconds(space: SearchSpace, draws: int, *, twins: bool) -> float:
    """Core seconds of `draws` trials, twice as many with their twins, compilations included."""
    each = trial_seconds(space)[:draws]
    trials = draws * (1 + twins)
    return len(each) * COMPILE_S + trials * sum(each) / len(each)


def trial_seconds(space: SearchSpace) -> list[float]:
    """Core seconds of a trial of each static shape, without compilation."""
    rows = [draw_row(space, i, seed=0) for i in range(len(space.shapes()))]
    return [_seconds(row.experiment(space)) for row in rows]


def _seconds(experiment: ExperimentConfig) -> float:
    """Reading and writing AdamW's state and the averages, and the products with each token."""
    training, model = experiment.training, experiment.model
    weights = 0
    if isinstance(model, TransformerConfig):
        weights = model.layers * (4 + 2 * (model.mlp_ratio or 0)) * model.width**2
    length = json.loads(training.lengths.fields).get("max_length", 8)
    traffic = 4 * weights * (7 + 5.5 * len(experiment.hparams.averages)) / BYTES_PER_S
    products = 6 * weights * training.batch_size * length / FLOPS
    return training.steps * (STEP_S + traffic + products)
