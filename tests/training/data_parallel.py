"""One run on one device, on four, and resumed, in float64 with dropout: prints JSON.

A program of its own, as the number of devices and the precision are chosen before JAX starts.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import sys
from typing import Any


os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import lengthwise as lw
from lengthwise.tasks import OthelloTask
from lengthwise.training import (
    choose_devices,
    chunk_traces,
    devices_in_words,
    init_state,
    make_chunk,
    make_feed,
    traced_hparams,
)


TASKS: dict[str, Any] = {"device": lw.SetComplement(7), "host": OthelloTask(4)}
CONFIG = lw.TrainingConfig(
    steps=20,
    chunk_steps=10,
    batch_size=8,
    lengths=lw.UniformLengths(5),
    evaluate_every=0,
    checkpoint_every=10,
    evaluation=lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0),
)
CONFIGS = {"device": CONFIG, "host": dataclasses.replace(CONFIG, accumulate=2)}
MODEL = lw.TransformerConfig(layers=1, heads=2, width=4, mlp_ratio=1)
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(0.1, 0.1, 0.1))


def train(task: Any, config: lw.TrainingConfig, **given: Any) -> lw.RunResult:
    return lw.train(
        task, MODEL.build(task.sizes, key=jr.key(0)), config, HPARAMS, key=jr.key(1), **given
    )


def numbers(run: lw.RunResult) -> list[np.ndarray]:
    """All weights, averages, losses and evaluations of a run."""
    return [
        np.array([row["loss"] for row in run.metrics]),
        np.array([[row["itr"], row["tv"]] for row in run.rows()]),
        np.array(list(run.initial_mass.values())),
        *map(np.asarray, jax.tree.leaves(eqx.filter(list(run.models.values()), eqx.is_array))),
    ]


def difference(one: lw.RunResult, other: lw.RunResult) -> float:
    """The largest of all of them."""
    pairs = list(zip(numbers(one), numbers(other), strict=True))
    assert all(x.dtype == y.dtype == np.float64 for x, y in pairs)
    return max(float(np.max(np.abs(x - y))) for x, y in pairs)


def alone(task: Any, config: lw.TrainingConfig) -> lw.RunResult:
    with jax.default_device(jax.devices()[0]):  # no sharding at all
        return train(task, config)


def program(task: Any, config: lw.TrainingConfig) -> dict[str, Any]:
    """What the compiled step of four devices sends, and the rows that each multiplies."""
    devices = choose_devices(config, None)
    assert devices is not None
    hparams = traced_hparams(HPARAMS)
    state = init_state(MODEL.build(task.sizes, key=jr.key(0)), hparams, config)
    state, hparams = devices.replicate((state, hparams))
    feed = make_feed(task, config, 0, devices=devices, key=jr.key(1))
    chunk: Any = make_chunk(task, config, devices)
    compiled = chunk.func.lower(*chunk.args, state, hparams, feed).compile()
    text = compiled.compiled.as_text()
    after, _ = compiled(*chunk.args, state, hparams, feed)
    sends = set(re.findall(r"\b(all-gather|all-to-all|collective-permute|all-reduce)\(", text))
    tokens: Any = feed.batch and feed.batch.tokens
    placed = lambda tree: [x.sharding for x in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]
    return {
        "sends": sorted(sends),
        "rows": [int(n) for n in re.findall(r"f64\[(\d+),4\]\S* dot\(", text)],
        "feed_shards": tokens.addressable_shards[0].data.shape if feed.batch else None,
        "same_placing": placed(after) == placed(state),
    }


def resumed(whole: pathlib.Path, cut: pathlib.Path) -> list[bool]:
    """A run whose last checkpoint and results are lost goes on to the same bytes."""
    shutil.copytree(whole, cut)
    for path in [*cut.glob("checkpoints/step-000000020.*"), *cut.glob("weights/*")]:
        path.unlink()
    lw.resume(cut)
    names = [p.relative_to(whole) for p in [*whole.glob("weights/*"), whole / "metrics.jsonl"]]
    return [(whole / n).read_bytes() == (cut / n).read_bytes() for n in names]


def main(folder: pathlib.Path) -> None:
    found: dict[str, Any] = {"devices": len(jax.devices())}
    for name, task in TASKS.items():
        config = CONFIGS[name]
        one = alone(task, config)
        before = chunk_traces()
        found[name] = difference(one, train(task, config, directory=folder / name))
        found[f"{name}_traces"] = chunk_traces() - before
        found[f"{name}_program"] = program(task, config)
    found["resumed"] = resumed(folder / "device", folder / "cut")
    found["record"] = lw.read_run(folder / "device").record["device"]
    for rows in (6, 7):
        few = choose_devices(dataclasses.replace(CONFIG, batch_size=rows), None)
        found[f"{rows} rows"] = devices_in_words(few, jnp.zeros(()))
    for words, given in (("three", jax.devices()[:3]), ("none", [])):
        try:
            choose_devices(CONFIG, given)
        except lw.InputError as error:
            found[words] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)
    main(pathlib.Path(sys.argv[1]))
