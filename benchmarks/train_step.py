"""Our training step against an idiomatic PyTorch one, in one run on the same cores.

    make benchmark          # every size, about eight minutes on 2 cores

For each size the two start from equal weights and take 10 steps on equal batches: unless all losses
agree to 1e-5, no ratio is printed. Then each trains on batches that it draws itself, in turns, with
dropout, AdamW, clipping and two EMAs; PyTorch with 1 and 2 threads, eager and compiled, and its best
counts. Printed beside both: the floor, which is the time of the step's weight products alone. At the size
"othello" ours plays its 6x6 games too, as it trains, while PyTorch draws permutations as at the others.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import safetensors.numpy

import lengthwise as lw
from lengthwise.models import LearnedPositions
from lengthwise.tasks import Batch, OthelloTask, draw_batch
from lengthwise.training import (
    Feed,
    init_state,
    make_chunk,
    make_feed,
    traced_hparams,
    tree_to_bytes,
)


PEER = pathlib.Path(__file__).parent / "torch_peer.py"
SIZES = {
    "ordinary": {
        "vocab": 32, "length": 16, "batch": 64, "dropout": 0.1, "target": 1.5, "least": 1.25,
        "model": lw.TransformerConfig(layers=2, width=64, heads=4),
    },
    "tiny": {
        "vocab": 16, "length": 8, "batch": 32, "dropout": None, "target": 3.0, "least": 2.0,
        "model": lw.TransformerConfig(
            layers=1, width=32, heads=4, mlp_ratio=None, norm="none", bias=False
        ),
    },
    "othello": {
        "vocab": 32, "length": 16, "batch": 64, "dropout": 0.1, "target": 1.3, "least": 1.3,
        "task": OthelloTask(6), "chunk": 10,
        "model": lw.TransformerConfig(layers=4, width=128, heads=4, positions=LearnedPositions()),
    },
}  # fmt: skip
HPARAMS = lw.Hparams(averages=(lw.EMA(0.999), lw.EMA(0.99)))


def training_config(size, chunk_steps):
    return lw.TrainingConfig(
        steps=1000 * chunk_steps, chunk_steps=chunk_steps, batch_size=size["batch"],
        lengths=lw.FixedLength(size["length"]), evaluate_every=0, checkpoint_every=0,
    )  # fmt: skip


def write_peer_files(folder, size, task, model, batches):
    """The config, weights and batches of `torch_peer.py`."""
    config = {n: getattr(size["model"], n) for n in ("layers", "heads", "width", "mlp_ratio")}
    config |= {n: getattr(size["model"], n) for n in ("norm", "norm_kind", "tied", "bias")}
    config |= {"vocab_size": task.sizes.vocab, "input_size": task.sizes.inputs}
    learned = isinstance(model.positions, LearnedPositions)
    config |= {"max_len": task.sizes.max_len, "positions": "learned" if learned else "none"}
    h = HPARAMS
    config["optimizer"] = {
        "learning_rate": h.learning_rate, "b1": h.b1, "b2": h.b2, "eps": h.epsilon,
        "weight_decay": h.weight_decay, "clip_norm": h.clip_norm, "warmup_steps": h.warmup_steps,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    weights = safetensors.numpy.load(tree_to_bytes(model))
    names = {"position_params": "positions"}
    weights = {names.get(name, name): array for name, array in weights.items()}
    safetensors.numpy.save_file(weights, folder / "weights.safetensors")
    tokens, labels = (np.asarray(x, np.int64) for x in (batches.tokens, batches.sampled))
    safetensors.numpy.save_file(
        {"tokens": tokens, "labels": labels}, folder / "batches.safetensors"
    )


def our_losses(size, task, model, batches):
    config = training_config(size, chunk_steps=10)
    hparams = traced_hparams(HPARAMS)
    feed = Feed(jr.split(jr.key(0), 10), batches)
    _, metrics = make_chunk(task, config)(init_state(model, hparams, config), hparams, feed)
    return np.asarray(metrics.loss, float)


class OurStep:
    """Our training step, compiled and ready to be timed."""

    def __init__(self, size, task, model):
        self.task = size.get("task", task)
        self.config = training_config(size, chunk_steps=size.get("chunk", 50))
        rate = size["dropout"]
        dropout = lw.DropoutRates(rate, rate, rate)
        self.hparams = traced_hparams(HPARAMS._replace(dropout=dropout))
        self.state = init_state(model, self.hparams, self.config)
        self.chunk = make_chunk(task, self.config)
        self.seconds()

    def seconds(self):
        """Wall time of one step, over a chunk, its feed included."""
        started = time.perf_counter()
        feed = make_feed(self.task, self.config, 0, key=jr.key(1))
        self.state, metrics = self.chunk(self.state, self.hparams, feed)
        jax.block_until_ready(metrics)
        return (time.perf_counter() - started) / self.config.chunk_steps


def floor_seconds(size, task):
    """Wall time of the weight products of a step, forward and backward, and nothing else."""
    model, rows = size["model"], size["batch"] * size["length"]
    d = model.width
    shapes = [(d, 3 * d), (d, d)]
    if model.mlp_ratio is not None:
        shapes += [(d, model.mlp_ratio * d), (model.mlp_ratio * d, d)]
    shapes = shapes * model.layers + [(d, task.sizes.vocab)]
    keys = jr.split(jr.key(0), len(shapes))
    weights = [jr.normal(k, shape) for k, shape in zip(keys, shapes, strict=True)]
    inputs = [jr.normal(k, (rows, shape[0])) for k, shape in zip(keys, shapes, strict=True)]

    @jax.jit
    def products(weights, inputs):
        def body(carry, _):
            out = []
            for w, x in zip(weights, carry, strict=True):
                y = x @ w
                gradient = x.T @ y
                # Feed all three products into the next round, so that none can be dropped.
                out.append(1e-3 * (y @ w.T) + jnp.sum(gradient) * 1e-9)
            return out, None

        return jax.lax.scan(body, inputs, None, length=20)[0]

    jax.block_until_ready(products(weights, inputs))
    times = []
    for _ in range(5):
        started = time.perf_counter()
        jax.block_until_ready(products(weights, inputs))
        times.append((time.perf_counter() - started) / 20)
    return min(times)


def peer(python, folder, size, threads, steps, *options):
    arguments = [
        python, PEER, "time", "--config", folder / "config.json", "--batch", size["batch"],
        "--length", size["length"], "--dropout", size["dropout"] or 0.0, "--threads", threads,
        "--steps", steps, "--repetitions", 3, *options,
    ]  # fmt: skip
    done = subprocess.run([str(x) for x in arguments], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["variants"]
    return {
        f"{name}, {threads} threads": 1 / variant["steps_per_second"]["median"]
        for name, variant in found.items()
    }


def start(size):
    """The task, a model and 10 batches."""
    task = lw.SetComplement(size["vocab"])
    model = size["model"].build(task.sizes, key=jr.key(0))
    lengths = lw.FixedLength(size["length"])
    draw = lambda key: draw_batch(task, lengths, jnp.zeros((), int), size["batch"], key=key)
    batches: Batch = jax.vmap(draw)(jr.split(jr.key(2), 10))
    return task, model, batches


def loss_difference(size, python, folder, *options):
    """The largest difference of 10 losses of both steps from equal weights and batches."""
    task, model, batches = start(size)
    write_peer_files(folder, size, task, model, batches)
    names = ("config", "weights", "batches")
    files = [x for n in names for x in (f"--{n}", str(next(folder.glob(f"{n}.*"))))]
    command = [python, str(PEER), "losses", *files, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = np.array(json.loads(done.stdout)["losses"])
    return float(np.abs(theirs - our_losses(size, task, model, batches)).max())


def compare(name, size, python):
    task, model, _ = start(size)
    print(f"\n{name}: v={size['vocab']} T={size['length']} batch={size['batch']} {size['model']}")
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        difference = loss_difference(size, python, folder)
        print(f"  largest difference of 10 losses from equal weights and batches: {difference:.1e}")
        if not difference <= 1e-5:
            print("  above 1e-5: the two steps are not the same, no ratio is printed")
            return False
        ours = OurStep(size, task, model)
        times, floors, peers = [], [], {}
        steps = {"tiny": 400, "ordinary": 60, "othello": 15}[name]
        for threads in (1, 2):  # in turns, so that a busy moment of the machine hits both
            times += [ours.seconds() for _ in range(8)]
            floors.append(floor_seconds(size, task))
            peers |= peer(python, folder, size, threads, steps)
            times += [ours.seconds() for _ in range(8)]
    tokens = size["batch"] * size["length"]
    for variant, seconds in peers.items():
        print(f"  PyTorch {variant:32s} {1e3 * seconds:7.2f} ms  {tokens / seconds:9,.0f} tokens/s")
    mine, best, floor = statistics.median(times), min(peers.values()), min(floors)
    print(f"  lengthwise {'':29s} {1e3 * mine:7.2f} ms  {tokens / mine:9,.0f} tokens/s")
    print(
        f"  floor (weight products alone) {'':10s} {1e3 * floor:7.2f} ms  {mine / floor:.1f}x below us"
    )
    ratio = best / mine
    verdict = "met" if ratio >= size["target"] else "missed"
    print(f"  ratio {ratio:.2f} (target {size['target']}: {verdict}; at least {size['least']})")
    return ratio >= size["least"]


def main():
    parser = argparse.ArgumentParser(description="Our training step against PyTorch's.")
    parser.add_argument("--peer-python", required=True, help="an interpreter that has PyTorch")
    parser.add_argument("--size", choices=(*SIZES, "all"), default="all")
    options = parser.parse_args()
    chosen = SIZES if options.size == "all" else {options.size: SIZES[options.size]}
    fine = [compare(name, size, options.peer_python) for name, size in chosen.items()]
    raise SystemExit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
