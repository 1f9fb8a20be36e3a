"""How long certificates take, and how much memory: certificate.py [--quick].

    .venv/bin/python benchmarks/certificate.py

Prints seconds and the peak memory of the process for `exact` at v = 32, all lengths; `fast` at v = 512,
all lengths; `fast` at v = 4096, 32 lengths. Targets: seconds; 2 s; 5 minutes and 4 GB. The models are
homogeneous constructions with a small random perturbation, so that nothing is degenerate. (A refuted
model takes longer: each witness is replayed through it.)
"""

import argparse
import resource
import time
from typing import Literal

import equinox as eqx
import jax
import jax.random as jr

from lengthwise.theory import Homogeneous, certify


def model(vocab: int):
    """A construction that solves every length by far, each weight moved by about 0.01 %."""
    built = Homogeneous(
        vocab, attention_displacement=4.0 * vocab, residual_displacement=0.5 * vocab
    ).build()
    arrays, static = eqx.partition(built, eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(arrays)
    keys = jr.split(jr.key(0), len(leaves))
    moved = [x * (1 + 1e-4 * jr.normal(k, x.shape)) for x, k in zip(leaves, keys, strict=True)]
    return eqx.combine(jax.tree.unflatten(tree, moved), static)


def main() -> None:
    """Time each case once, after one length to warm up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="without v = 4096")
    quick = parser.parse_args().quick
    cases: list[tuple[Literal["exact", "fast"], int, range]] = [
        ("exact", 32, range(1, 32)),
        ("fast", 512, range(1, 512)),
    ]
    if not quick:
        cases.append(("fast", 4096, range(1, 4096, 128)))
    for method, vocab, lengths in cases:
        built = model(vocab)
        if vocab <= 512:
            certify(built, method=method, lengths=[1])
        start = time.perf_counter()
        certificate = certify(built, method=method, lengths=list(lengths))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{method:5s} v = {vocab:4d}, {len(lengths):3d} lengths: {seconds:6.2f} s, peak "
            f"{peak:.2f} GB; proved up to length {certificate.certified}",
            flush=True,
        )


if __name__ == "__main__":
    main()
