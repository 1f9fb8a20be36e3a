"""How much each hyperparameter matters, by Optuna, from the lines of a record. No JAX, no database."""

import functools as ft
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from ._distributions import distribution_of
from ._laws import Choice, Conditional
from ._recorded import recorded_row
from ._space import SearchSpace


QUANTILE = 0.25
"""Importance is for reaching the best quarter: with 100 draws, Optuna's tenth would be 10 trials."""
MINIMUM = 20
"""Draws below which nothing is said: Optuna advises 5 trials in the best quantile."""
PERMUTATIONS = 99
SEED = 0


def importances(
    space: SearchSpace, results: Sequence[Mapping[str, Any]], *, permutations: int = PERMUTATIONS
) -> list[dict[str, Any]]:
    """Optuna's importances of the hyperparameters for the primary endpoint of each set of weights.

    PED-ANOVA, the evaluator of Optuna that needs no scikit-learn: how far the density of a
    hyperparameter among the best quarter of trials is from that among all.

    **Arguments:**

    - `space`: of the search.
    - `results`: lines of `trials.jsonl`; twins are left out, as no law drew them. A trial without a
      value is in no best quarter.
    - `permutations`: of the null. (Keyword only argument.)

    **Returns:** plain rows with equal columns; none for fewer than 20 draws. `importance` sums to 1
    over the parameters of one set of weights, whether they matter or not; so `p` says how often a
    quarter drawn at random gives a parameter at least its divergence (uncorrected).

    **Example:** `importances(default_space(), read_trials("sweeps/default").trials)`
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it tells of every study in memory
    drawn = [result for result in results if not result["twin"]]
    names = [path for path, law in space.laws.items() if _varies(law)]
    if len(drawn) < MINIMUM or not names:
        return []
    trials = [_params(space, result, names) for result in drawn]
    divergences = ft.partial(_divergences, trials, names)

    @ft.cache
    def null(best: int) -> np.ndarray:
        """Divergences of `best` trials drawn at random, shape `(permutations, names)`."""
        rng, values = np.random.default_rng(SEED), (np.arange(len(drawn)) >= best).astype(float)
        return np.array([divergences(rng.permutation(values)) for _ in range(permutations)])

    rows = []
    for weights in dict.fromkeys(name for result in drawn for name in result["weights"]):
        values = np.array([_value(result, weights) for result in drawn])
        cut = np.sort(values)[int(np.ceil(QUANTILE * len(values))) - 1]
        best = int(np.sum(values <= cut))
        if best == len(values):
            continue
        found = divergences(values)
        p = (1 + np.sum(null(best) >= found, axis=0)) / (1 + permutations)
        total = found.sum()
        for name, divergence, one in zip(names, found, p, strict=True):
            row: dict[str, Any] = {"weights": weights, "parameter": name, "n": len(values)}
            row |= {"best": best, "importance": float(divergence / total) if total > 0 else 0.0}
            rows.append(row | {"divergence": float(divergence), "p": float(one)})
    return rows


def _varies(law: Any) -> bool:
    return isinstance(law, Conditional) or not isinstance(law, Choice) or len(law.values) > 1


def _params(space: SearchSpace, result: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Parameters and distributions; without those whose condition does not hold."""
    params = recorded_row(space, result).params
    laws = {name: space.laws[name] for name in names}
    drawn = [
        name
        for name, law in laws.items()
        if not isinstance(law, Conditional) or params[law.on] == law.equals
    ]
    return {n: params[n] for n in drawn}, {n: distribution_of(n, laws[n]) for n in drawn}


def _divergences(trials: Sequence[Any], names: Sequence[str], values: np.ndarray) -> np.ndarray:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(SEED))
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=float(value)
            )
            for (params, distributions), value in zip(trials, values, strict=True)
        ]
    )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a condition that held once: it is left out
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `normalize`
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return np.array([found.get(name, 0.0) for name in names])


def _value(result: Mapping[str, Any], weights: str) -> float:
    """The primary endpoint; log 1, the largest there is, for a trial without one."""
    if result["status"] != "completed":
        return 0.0
    value = result["weights"].get(weights, {}).get("log_tv_unseen")
    return 0.0 if value is None else float(value)
