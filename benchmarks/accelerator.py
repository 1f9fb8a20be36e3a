"""On one GPU: the published OthelloGPT's training step against PyTorch's, and populations of small models.

    python benchmarks/accelerator.py --peer-python python3      # about three minutes

Three tables. The step of `train_step.py` at the published size (8 layers, width 512, 59 tokens), in TF32
and in bfloat16, beside PyTorch's eager and compiled on the same card, once 10 losses from equal weights
agree. The preset `othello8` end to end, its games played on the host meanwhile. And how many steps a second
the members of a population take together, which is what a sweep on a GPU rests on. The share of the card is
6 FLOP for each weight and token over what a large bfloat16 product reaches in the same run.
"""

import argparse
import dataclasses
import os
import pathlib
import statistics
import tempfile
import time


os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the peer is on the same card

import jax
import jax.numpy as jnp
import jax.random as jr

import lengthwise as lw
from lengthwise.cli import PRESETS
from lengthwise.loggers import AbstractLogger
from lengthwise.models import LearnedPositions
from lengthwise.training import build_experiment, train_population
from train_step import HPARAMS, OurStep, loss_difference, peer, start, write_peer_files


PUBLISHED = {
    "vocab": 61, "length": 59, "batch": 512, "dropout": 0.1, "chunk": 10,
    "model": lw.TransformerConfig(layers=8, width=512, heads=8, positions=LearnedPositions()),
}  # fmt: skip
SMALL = {
    "tiny": (lw.SetComplement(16), lw.TransformerConfig(layers=1, heads=4, width=32), 8, 32),
    "ordinary": (lw.SetComplement(32), lw.TransformerConfig(layers=2, heads=4, width=64), 16, 64),
}


def ceiling(size=8192, repeats=20):
    """FLOP a second of a large bfloat16 product."""
    a, b = (jr.normal(key, (size, size), jnp.bfloat16) for key in jr.split(jr.key(0)))
    product = jax.jit(jnp.matmul)
    product(a, b).block_until_ready()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        jax.block_until_ready([product(a, b) for _ in range(repeats)][-1])
        times.append((time.perf_counter() - started) / repeats)
    return 2 * size**3 / statistics.median(times)


def line(name, seconds, tokens, weights, most):
    share = 6 * weights * tokens / seconds / most
    print(f"  {name:34s} {1e3 * seconds:8.2f} ms  {tokens / seconds:12,.0f} tokens/s  {share:5.1%}")


def published(python, most):
    size = PUBLISHED
    task, model, _ = start(size)
    weights = sum(x.size for x in jax.tree.leaves(model) if x.ndim == 2)
    tokens = size["batch"] * size["length"]
    print(f"\npublished size: v=61 T=59 batch=512 {size['model']}")
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        with jax.default_matmul_precision("highest"):
            difference = loss_difference(size | {"batch": 64}, python, folder, "--device", "cuda")
        print(f"  largest difference of 10 losses, in full float32: {difference:.1e}")
        assert difference <= 1e-4, "the two steps are not the same"
        write_peer_files(folder, size, task, model, start(size)[2])
        for precision in ("float32", "bfloat16"):
            config = dataclasses.replace(size["model"], activations=precision)
            step = OurStep(size, task, config.build(task.sizes, key=jr.key(0)))
            ours = statistics.median(step.seconds() for _ in range(5))
            del step
            options = ["--device", "cuda", "--modes", "default"]
            options += ["--bfloat16"] if precision == "bfloat16" else []
            found = peer(python, folder, size, 1, 10, *options)
            for name, seconds in found.items():
                line(f"{precision}: PyTorch {name.split(',')[0]}", seconds, tokens, weights, most)
            line(f"{precision}: lengthwise", ours, tokens, weights, most)
            print(f"  {precision}: ratio {min(found.values()) / ours:.2f}")


class Clock(AbstractLogger):
    """When each chunk ended."""

    def __init__(self):
        self.at = []

    def start(self, config, *, steps, first_step):
        pass

    def log(self, step, values):
        self.at.append((step, time.perf_counter()))

    def finish(self, record):
        pass


def othello8(most, steps=40):
    experiment = PRESETS["othello8"]
    few = lw.EvaluationConfig(examples=64, batch_size=64)
    training = dataclasses.replace(
        experiment.training, steps=steps, evaluate_every=0, checkpoint_every=0, evaluation=few
    )
    task, model, key = build_experiment(experiment)
    weights = sum(x.size for x in jax.tree.leaves(model) if x.ndim == 2)
    clock = Clock()
    result = lw.train(task, model, training, experiment.hparams, loggers=[clock], key=key)
    (first, began), (last, ended) = clock.at[1], clock.at[-1]  # the first chunk compiles
    tokens = training.batch_size * training.lengths.build().max_length
    print(f"\nothello8, as trained: batch {training.batch_size}, {steps} steps, {result.status}")
    line("step, games included", (ended - began) / (last - first), tokens, weights, most)
    stats = jax.devices()[0].memory_stats() or {}
    print(f"  peak memory of this process {stats.get('peak_bytes_in_use', 0) / 2**30:.1f} GiB")


def populations(sizes=(1, 16, 64), steps=400):
    print("\npopulations: steps of all members together, a second")
    for name, (task, model, length, batch) in SMALL.items():
        config = lw.TrainingConfig(
            steps=steps, chunk_steps=100, batch_size=batch, lengths=lw.FixedLength(length),
            evaluate_every=0, checkpoint_every=0,
            evaluation=lw.EvaluationConfig(examples=64, batch_size=64),
        )  # fmt: skip
        alone = None
        for members in sizes:
            keys = list(jr.split(jr.key(0), members))
            rates = []
            for _ in range(2):  # the first compiles
                models = [model.build(task.sizes, key=key) for key in keys]
                runs = train_population(
                    task, models, config, [HPARAMS] * members, keys=keys, devices=jax.devices()[:1]
                )
                done = [run for run in runs if isinstance(run, lw.RunResult)]
                rates.append(len(done) * steps / sum(run.seconds for run in done))
            alone = alone or rates[-1]
            print(
                f"  {name:9s} {members:4d}: {rates[-1]:10,.0f}  {rates[-1] / alone:6.1f} times one"
            )


def main():
    parser = argparse.ArgumentParser(description="Training on one GPU.")
    parser.add_argument("--peer-python", help="an interpreter that has PyTorch with CUDA")
    options = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}")
    most = ceiling()
    print(f"bfloat16 product of 8192: {most / 1e12:.0f} TFLOP/s")
    othello8(most)
    if options.peer_python:
        published(options.peer_python, most)
    populations()


if __name__ == "__main__":
    main()
