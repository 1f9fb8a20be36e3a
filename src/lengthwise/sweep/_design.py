"""The design of a random search: a table, fixed before the first trial runs. No JAX."""

import dataclasses
from typing import Any

import numpy as np

from .._core import require
from ..training import ExperimentConfig
from ._laws import Conditional
from ._paths import DROPOUT
from ._space import SearchSpace


DESIGN = "design"
"""The name of the search that follows this table; others are samplers of Optuna."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One trial of the table.

    - `trial`: its number, `2 * draw`, one more for the twin.
    - `draw`, `twin`: which configuration was drawn; its twin is the same without dropout.
    - `shape`: index of its static shape in `SearchSpace.shapes()`.
    - `seed`: of weights, data and dropout.
    - `params`: the value of each field that has a law.
    """

    trial: int
    draw: int
    twin: bool
    shape: int
    seed: int
    params: dict[str, Any]

    def experiment(self, space: SearchSpace) -> ExperimentConfig:
        """What the trial trains; a twin keeps every dropout in the program, at the rate 0."""
        experiment = space.experiment(self.params, seed=self.seed)
        if not self.twin:
            return experiment
        rates = experiment.hparams.dropout
        off = rates._replace(**{n: 0.0 for n, rate in rates._asdict().items() if rate is not None})
        return dataclasses.replace(experiment, hparams=experiment.hparams._replace(dropout=off))


def draw_row(space: SearchSpace, draw: int, seed: int) -> Row:
    """The configuration number `draw`: a pure function of `(seed, draw)`."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, draw]))
    run_seed = int(rng.integers(2**32))
    shapes = space.shapes()
    shape = draw % len(shapes)  # equal shares
    drawn = dict(shapes[shape])
    for path, law in space.traced.items():
        value = law.draw(rng)  # also where a condition discards it: the other draws stay the same
        if isinstance(law, Conditional) and drawn[law.on] != law.equals:
            value = law.otherwise
        drawn[path] = value
    params = {path: drawn[path] for path in space.laws}
    return Row(2 * draw, draw, False, shape, run_seed, params)


def twin_of(row: Row) -> Row:
    """The same trial without dropout."""
    params = {p: 0.0 if p.startswith(DROPOUT) else value for p, value in row.params.items()}
    return dataclasses.replace(row, trial=row.trial + 1, twin=True, params=params)


def design(space: SearchSpace, draws: int, seed: int) -> list[Row]:
    """The table of a random search.

    **Arguments:**

    - `space`: what is drawn.
    - `draws`: how many configurations; the shapes take turns, so their shares are equal.
    - `seed`: of the table.

    **Returns:** the rows ordered by static shape, each drawn one followed by its twin. More draws
    add rows and change none.
    """
    require(draws >= 1, "`draws >= 1`", "draw a configuration", draws=draws)
    require(seed >= 0, "`seed >= 0`", "choose another seed", seed=seed)
    rows = []
    for row in sorted((draw_row(space, i, seed) for i in range(draws)), key=lambda r: r.shape):
        rows.append(row)
        if space.has_twins:
            rows.append(twin_of(row))
    return rows
