"""Random Othello games with legal sets: Numba against C, pgx and OpenSpiel; and what training waits for.

    python benchmarks/othello.py --peer-python .venv-peer/bin/python        # about two minutes

All in one run, in turns, the median of the rounds. Everything is per second of CPU time, which other
processes on the same cores disturb less than they do a clock on the wall: pgx may use all cores, and is
counted by the time that it takes on them together. The C kernel is compiled here, and unless it gives
the same bytes as ours no ratio is printed.
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import jax.random as jr
import numpy as np

import lengthwise as lw
from lengthwise.othello import _kernels as kernels
from lengthwise.tasks import OthelloTask
from lengthwise.training import init_state, make_chunk, make_feed, traced_hparams


HERE = pathlib.Path(__file__).parent
GAMES = 20_000
SEED, STREAM, FIRST = np.uint64(3), np.uint64(0), np.uint64(0)


def arrays():
    return (
        np.empty((GAMES, 60), np.int8),
        np.empty((GAMES, 60), np.uint64),
        np.empty(GAMES, np.int32),
    )


def ours(out):
    kernels.play_random(8, False, SEED, STREAM, FIRST, *out)


def compiled_c(folder, compiler):
    library = pathlib.Path(folder) / "kernel.so"
    source = HERE / "othello_kernel.c"
    command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source]
    subprocess.run(command, check=True)
    play = ctypes.CDLL(str(library)).play_random
    words, numbers = [ctypes.c_uint64] * 3, [ctypes.c_int64] * 2
    play.argtypes = [*words, *numbers, *[ctypes.c_void_p] * 3]

    def run(out):
        play(int(SEED), int(STREAM), int(FIRST), GAMES, 60, *(x.ctypes.data for x in out))

    return run


def rate(function, out):
    began = time.thread_time()
    function(out)
    return GAMES / (time.thread_time() - began)


def engines(rounds, peer_python, seconds, compiler):
    with tempfile.TemporaryDirectory() as folder:
        theirs = compiled_c(folder, compiler)
        mine, other = arrays(), arrays()
        ours(mine)
        theirs(other)
        same = all((a == b).all() for a, b in zip(mine, other, strict=True))
        if not same:
            raise SystemExit("The C kernel gives other games: no ratio is printed.")
        peer = None
        if peer_python:
            command = [peer_python, HERE / "othello_peer.py"]
            peer = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
        rates = {"numba": [], "c": []} | ({"pgx": [], "open_spiel": []} if peer else {})
        for _ in range(rounds):
            for _ in range(5):
                rates["numba"].append(rate(ours, mine))
                rates["c"].append(rate(theirs, other))
            if peer:
                for name in ("pgx", "open_spiel"):
                    print(name, seconds, file=peer.stdin, flush=True)
                    assert peer.stdout
                    answer = json.loads(peer.stdout.readline())
                    rates[name].append(answer["games"] / answer["cpu"])
        if peer:
            peer.communicate()  # ends its input
    return rates


def data_path(rounds):
    """CPU time of making a batch over that of a training step: (6x6, 4 layers, width 128, batch 64)."""
    task = OthelloTask(6)
    build = lw.TransformerConfig(layers=4, width=128, heads=4).build
    config = lw.TrainingConfig(
        steps=10 * 100, chunk_steps=10, batch_size=64, lengths=lw.FixedLength(16),
        evaluate_every=0, checkpoint_every=0,
    )  # fmt: skip
    hparams = traced_hparams(lw.Hparams())
    state = init_state(build(task.sizes, key=jr.key(0)), hparams, config)
    chunk = make_chunk(task, config)
    state, _ = chunk(state, hparams, make_feed(task, config, 0, key=jr.key(1)))
    shares = []
    for number in range(1, rounds + 1):
        began = time.process_time()
        feed = make_feed(task, config, 10 * number, key=jr.key(1))
        made = time.process_time()
        state, metrics = chunk(state, hparams, feed)
        np.asarray(metrics.loss)
        shares.append(((made - began) / 10, (time.process_time() - made) / 10))
    return [statistics.median(column) for column in zip(*shares, strict=True)]


def main():
    parser = argparse.ArgumentParser(description="Games per second, beside C and other engines.")
    parser.add_argument("--peer-python", help="interpreter with pgx and open_spiel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a peer in each round")
    parser.add_argument("--compiler", default="cc")
    options = parser.parse_args()
    rates = engines(options.rounds, options.peer_python, options.seconds, options.compiler)
    print(f"{'':12}  games/s of CPU time, median (range)")
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:12}  {middle[name]:10,.0f} ({min(values):,.0f} to {max(values):,.0f})")
    pairs = [a / b for a, b in zip(rates["numba"], rates["c"], strict=True)]
    print(f"Numba / C: {statistics.median(pairs):.2f} (target 0.9)")
    if options.peer_python:
        best = max(middle["pgx"], middle["open_spiel"])
        print(f"Numba / the better peer: {middle['numba'] / best:.0f} (target 30)")
    batch, step = data_path(options.rounds * 4)
    print(
        f"a batch of 64 games on 6x6: {batch * 1e3:.2f} ms of CPU time; a training step: "
        f"{step * 1e3:.1f} ms; share {batch / step:.2%} (target below 2%)"
    )


if __name__ == "__main__":
    main()
