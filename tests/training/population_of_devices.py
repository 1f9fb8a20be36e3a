"""Populations on four devices and on one, against single runs, in float64: prints JSON.

A program of its own, as the number of devices and the precision are chosen before JAX starts.
"""

import json
import os
from typing import Any


os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

import lengthwise as lw
from lengthwise.training import chunk_traces, population_traces, train_population


TASK = lw.SetComplement(6)
CONFIG = lw.TrainingConfig(
    steps=20,
    chunk_steps=10,
    batch_size=4,
    lengths=lw.UniformLengths(3),
    evaluate_every=0,
    checkpoint_every=0,
    evaluation=lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0),
)
MODEL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=None, norm="none")
RATES = (1e-3, 3e-3, 1e-2, 2e-2, 5e-3)  # five members: they do not divide among four devices


def difference(one: lw.RunResult, other: lw.RunResult | lw.InputError) -> float:
    """The largest of all weights, averages and losses."""
    assert isinstance(other, lw.RunResult)
    numbers = lambda run: [
        *(row["loss"] for row in run.metrics),
        *run.initial_mass.values(),
        *jax.tree.leaves(eqx.filter(list(run.models.values()), eqx.is_inexact_array)),
    ]
    pairs = list(zip(numbers(one), numbers(other), strict=True))
    for x, y in pairs:
        assert np.asarray(x).dtype == np.asarray(y).dtype == np.float64
    return max(float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in pairs)


def main() -> None:
    models = [MODEL.build(TASK.sizes, key=jr.key(i)) for i in range(5)]
    keys = [jr.key(10 + i) for i in range(5)]
    hparams = [
        lw.Hparams(
            learning_rate=rate,
            averages=(lw.EMA(0.9), lw.BEMA()),
            dropout=lw.DropoutRates(residual=0.1 * (rate > 3e-3)),
        )
        for rate in RATES
    ]
    singles = [
        lw.train(TASK, model, CONFIG, numbers, key=key)
        for model, numbers, key in zip(models, hparams, keys, strict=True)
    ]
    found: dict[str, Any] = {"devices": len(jax.devices()), "single_traces": chunk_traces()}
    for name, devices in (("four", jax.devices()), ("one", jax.devices()[:1])):
        before = population_traces()
        population = train_population(TASK, models, CONFIG, hparams, keys=keys, devices=devices)
        found[name] = [difference(a, b) for a, b in zip(singles, population, strict=True)]
        found[f"{name}_traces"] = population_traces() - before
    found["apart"] = difference(singles[0], singles[1])
    print(json.dumps(found))


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)
    main()
