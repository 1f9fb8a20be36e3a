"""Rows of one static shape, trained as one population and measured one by one.

On an accelerator a group of rows is one vmapped program, sized to its memory and spread over its
devices; on a CPU, where that gains nothing, rows run one after the other unless a size is asked for.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from .._core import InputError, require
from ..training import (
    RunResult,
    build_experiment,
    member_bytes,
    population_traces,
    train_population,
)
from ._design import Row
from ._run_trial import measure_trial
from ._space import SearchSpace


SHARE = 0.6
"""The share of a device's free memory that is planned for; programs need room of their own."""
MOST = 256
"""Members on one device at most: a worker that is killed loses them all."""
UNKNOWN = 4 * 2**30
"""Bytes of a device that does not say how many it has."""


class Populations:
    """The populations of one worker: a size for each static shape, so that each is compiled once.

    **Arguments:**

    - `space`: whose rows are trained.
    - `size`: members of every population; `None` for as many as memory holds.
    """

    def __init__(self, space: SearchSpace, size: int | None = None):
        require(
            size is None or size >= 1, "`population >= 1`", "train one at least", population=size
        )
        self.space = space
        self.asked = size
        self.last: int | None = None
        """The shape of the newest population."""
        self._sizes: dict[int, int] = {}

    def size(self, shape: int, *, rows: int) -> int:
        """How many members a population of this shape has, at most `rows`; once chosen, it stays."""
        if shape not in self._sizes:
            fit = self.asked if self.asked is not None else self._fit(shape)
            self._sizes[shape] = max(1, min(fit, rows))
        return self._sizes[shape]

    def run(self, rows: Sequence[Row]) -> list[dict[str, Any] | Exception]:
        """For each row of one shape, its line of `trials.jsonl` as of `run_trial`, or why there is none.

        `seconds` is an equal share, and the compilations are those of the first one. Where memory
        does not suffice, the population is halved, and so are all later ones of this shape.
        """
        shape = self.last = rows[0].shape
        size = self.size(shape, rows=len(rows))
        found: list[dict[str, Any] | Exception] = []
        while len(found) < len(rows):
            part = rows[len(found) : len(found) + size]
            try:
                results = self._train(part, size)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or size <= len(jax.devices()):
                    raise
                results = []  # and again below, where the error no longer holds the arrays
            found += results
            if not results:
                size = self._sizes[shape] = size // 2
        return found

    def _train(self, rows: Sequence[Row], size: int) -> list[dict[str, Any] | Exception]:
        began, traces = time.perf_counter(), population_traces()
        found: dict[int, dict[str, Any] | Exception] = {}
        experiments, built = {}, {}
        for i, row in enumerate(rows):
            try:
                experiments[i] = row.experiment(self.space)
                built[i] = build_experiment(experiments[i])
            except Exception as error:  # of this row alone
                found[i] = error
        if built:
            task = next(iter(built.values()))[0]
            runs = train_population(
                task,
                [model for _, model, _ in built.values()],
                experiments[next(iter(built))].training,
                [experiments[i].hparams for i in built],
                keys=[key for _, _, key in built.values()],
                size=size,
            )
            for i, run in zip(built, runs, strict=True):
                try:
                    found[i] = measure_trial(rows[i], experiments[i], _returning(run))
                except Exception as error:
                    found[i] = error
        results = [found[i] for i in range(len(rows))]
        seconds, compiled = (time.perf_counter() - began) / len(rows), population_traces() - traces
        for result in results:
            if isinstance(result, dict):
                result |= {"seconds": seconds, "traces": compiled}
                compiled = 0
        return results

    def _fit(self, shape: int) -> int:
        """How many members of this shape the devices hold together."""
        experiment = self.space.experiment(self.space.shapes()[shape], seed=0)
        task, model, _ = build_experiment(experiment)
        each = member_bytes(task, model, experiment.training, experiment.hparams)
        free = []
        for device in jax.devices():
            known = device.memory_stats() or {}
            free.append(known.get("bytes_limit", UNKNOWN) - known.get("bytes_in_use", 0))
        return max(1, min(MOST, int(SHARE * min(free)) // each)) * len(free)


def _returning(run: RunResult | InputError) -> Callable[[], RunResult]:
    def result() -> RunResult:
        if isinstance(run, InputError):
            raise run
        return run

    return result
