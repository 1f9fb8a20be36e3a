"""Parts of claims, each on a core of its own; what is kept is not run again."""

import concurrent.futures
import json
import multiprocessing
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._core import cores_for, end_with_parent, provenance, stay_on
from ._claim import Budget, Part
from ._git import stands_at
from ._load import Found, load_claim
from ._record import Done, keep, kept, part_hash


Show = Callable[[str, int, int, float], None]
"""Told the claim of the newest part, parts done, parts in all, and the seconds since the start."""


def run_claims(
    found: Mapping[str, Found],
    budget: Budget,
    folder: pathlib.Path,
    *,
    workers: int = 2,
    recorded: Mapping[str, list[Done]] | None = None,
    fresh: bool = False,
    start: Callable[[], None] | None = None,
    show: Show = lambda name, done, parts, seconds: None,
) -> tuple[dict[str, list[Done]], dict[str, list[str]]]:
    """Run every part of the claims that is not kept in `folder`, nor among `recorded`.

    Each worker is a process on one core, so that a part's sums are those of one thread and its programs
    are compiled once. On an accelerator there is one worker, whatever is given, on all cores. What is
    done is kept at once: a run that was stopped goes on.

    **Arguments:**

    - `found`: the claims by name.
    - `budget`: which parts.
    - `folder`: where parts are kept.
    - `workers`: number of processes. (Keyword only, as all that follow.)
    - `recorded`: parts of committed records, by claim.
    - `fresh`: take nothing of `recorded`; what is kept in `folder` counts, so that it can be stopped.
    - `start`: called in each worker before its first part, such as to set up JAX.
    - `show`: called after each part.

    **Returns:** the parts that are done, by claim and in the order of its own; and why others failed, by
    claim.
    """
    began, wanted = time.monotonic(), {n: f.claim.parts(budget) for n, f in found.items()}
    done: dict[str, dict[str, Done]] = {name: {} for name in found}
    waiting: list[tuple[str, Part]] = []
    for name, parts in wanted.items():
        claim = found[name].claim
        there = {one.hash: one for one in (recorded or {}).get(name, [])}
        for part in parts:
            mark = part_hash(claim, part)
            one = kept(folder, claim, part) or (None if fresh else there.get(mark))
            if one is None:
                waiting.append((name, part))
            else:
                done[name][mark] = one
    total, failed = sum(map(len, wanted.values())), dict[str, list[str]]()
    count = lambda: sum(map(len, done.values()))
    show("", count(), total, 0.0)
    jobs = [(found[name].path, part) for name, part in waiting]
    for index, one in run_parts(jobs, workers=workers, start=start):
        name, part = waiting[index]
        if isinstance(one, Done):
            keep(folder, found[name].claim, one)
            done[name][one.hash] = one
        else:
            failed.setdefault(name, []).append(f"{dict(part)}: {one!r}")
        show(name, count(), total, time.monotonic() - began)
    ordered = {}
    for name, parts in wanted.items():
        marks = [part_hash(found[name].claim, part) for part in parts]
        ordered[name] = [done[name][mark] for mark in marks if mark in done[name]]
    return ordered, failed


def run_parts(
    jobs: Sequence[tuple[pathlib.Path, Part]],
    *,
    workers: int = 2,
    start: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Done | Exception]]:
    """The number of each job as it ends, and what it found, or why it failed.

    **Arguments:**

    - `jobs`: the file of a claim, and a part of it.
    - `workers`, `start`: as of `run_claims`. (Keyword only arguments.)
    """
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:  # JAX starts there, not here
        accelerator = pool.submit(_has_accelerator).result()
    workers = 1 if accelerator else workers
    cores: Any = context.Queue()
    for core in [None] if accelerator else cores_for(workers):
        cores.put(core)
    with concurrent.futures.ProcessPoolExecutor(
        workers, context, initializer=_begin, initargs=(cores, start)
    ) as pool:
        futures = {pool.submit(_run, *job): index for index, job in enumerate(jobs)}
        try:
            for future in concurrent.futures.as_completed(futures):
                try:
                    one: Done | Exception = future.result()
                except Exception as error:
                    one = error
                yield futures[future], one
        except BaseException:  # what runs would hold the end back for minutes
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(cores: Any, start: Callable[[], None] | None) -> None:
    end_with_parent()  # a part takes minutes
    stay_on(cores.get())
    if start is not None:
        start()


def _run(path: pathlib.Path, part: Part) -> Done:
    began = time.monotonic()
    claim = load_claim(path)
    rows = json.loads(json.dumps(claim.run(part), sort_keys=True))  # as a record gives them back
    mark = part_hash(claim, part)
    about = provenance() | {"claim_commit": stands_at(path)}
    del about["command"]  # that of a record is in its header, without the folders of a machine
    return Done(dict(part), rows, time.monotonic() - began, about, mark)


def _has_accelerator() -> bool:
    import jax

    return jax.default_backend() != "cpu"
