"""Training, top to bottom: a plain loop over jitted chunks."""

import contextlib
import functools as ft
import pathlib
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from .._core import (
    SCHEMA,
    UNBEGUN,
    InputError,
    RunFiles,
    append_lines,
    construct,
    describe,
    new_directory,
    read_json,
    require,
    sole_writer,
    write_csv,
    write_json,
)
from ..evaluation import forward_traces
from ..loggers import AbstractLogger
from ..models import AbstractModel
from ..tasks import AbstractLengths, AbstractTask, prefetch
from ._checkpoint import save_checkpoint
from ._chunk import (
    TrainState,
    build_averages,
    chunk_traces,
    init_state,
    make_chunk,
)
from ._config import Hparams, TrainingConfig, check_hparams
from ._devices import Devices, choose_devices, devices_in_words
from ._directory import restored, write_result
from ._feed import check_numbered, make_feed
from ._interrupts import interrupts
from ._listeners import Listeners, listening
from ._meter import Meter, average_names, divergence, metric_rows
from ._processes import by_first, in_any, tree_of_first
from ._result import RunResult, Status
from ._streams import stream


def train(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    hparams: Hparams,
    *,
    directory: str | pathlib.Path | None = None,
    loggers: Sequence[AbstractLogger] = (),
    devices: Sequence[Any] | None = None,
    key: PRNGKeyArray,
) -> RunResult:
    """Train `model` on `task`, track averages of its weights, and measure all of them.

    With several processes (`jax.distributed.initialize`) each calls this with the same arguments, and
    each gets the result. The weights are those of process 0, which alone writes and logs.

    **Arguments:**

    - `task`: what to learn.
    - `model`: with its initial weights.
    - `config`: static: steps, batch, lengths, what is evaluated and saved when.
    - `hparams`: traced: rates, loss mix, dropout, averages.
    - `directory`: a new run directory; `None` to write nothing. (Keyword only argument.)
    - `loggers`: where progress is sent. (Keyword only argument.)
    - `devices`: over which the rows of a batch are spread; by default all, or as many as divide them
      evenly. Their number changes rounding alone. (Keyword only argument.)
    - `key`: randomness of data and dropout. (Keyword only argument.)

    **Returns:** a `RunResult`; a non-finite loss ends the run with the status "diverged", Ctrl-C with
    "interrupted", both with the last good weights.

    **Raises:** `InputError` for what cannot be run, `StorageError` if the directory cannot be written.
    """
    check_hparams(hparams)
    check_lengths(task, config.lengths.build())  # before there is a directory
    average_names(build_averages(hparams))
    spread = choose_devices(config, devices)
    if jax.process_count() > 1:
        check_numbered(task)
        _check_same(describe_run(task, model, config, hparams, key=key))
    files = None if directory is None else RunFiles(pathlib.Path(directory))
    with contextlib.ExitStack() as held:
        listeners = held.enter_context(listening(loggers))
        run = ft.partial(_run, task, model, config, hparams)
        if files is None:
            return run(None, {}, listeners, spread, key=key)

        def begin() -> dict[str, Any]:
            new_directory(files.path, may_hold=UNBEGUN)
            described = describe_run(task, model, config, hparams, key=key)
            held.enter_context(sole_writer(files.path))
            return described

        return run(files, by_first(begin), listeners, spread, key=key)


def resume(
    directory: str | pathlib.Path,
    *,
    loggers: Sequence[AbstractLogger] = (),
    devices: Sequence[Any] | None = None,
) -> RunResult:
    """Go on with a run that was interrupted or killed, from its newest whole checkpoint.

    The final weights are those of an uninterrupted run, byte for byte, on the same machine and
    versions; on other devices, or in another number of processes, up to rounding. A completed run is
    evaluated again and returned. Of several processes only the first reads the directory.

    **Raises:** `StorageError` if there is no run or no whole checkpoint: the weights that it began with
    are nowhere else.
    """
    files = RunFiles(pathlib.Path(directory))
    described = by_first(lambda: read_json(files.config))
    task, config, hparams, key = load_config(described)
    model = described_model(described, task)
    spread = choose_devices(config, devices)
    if jax.process_count() > 1:
        check_numbered(task)
    with contextlib.ExitStack() as held:
        listeners = held.enter_context(listening(loggers))
        by_first(lambda: held.enter_context(sole_writer(files.path)))
        run = ft.partial(_run, task, model, config, hparams, resumed=True)
        return run(files, described, listeners, spread, key=key)


def _run(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    hparams: Hparams,
    files: RunFiles | None,
    described: dict[str, Any],
    listeners: Listeners,
    devices: Devices | None,
    *,
    resumed: bool = False,
    key: PRNGKeyArray,
) -> RunResult:
    check_lengths(task, config.lengths.build())
    meter = Meter(task, config, hparams, key=key)
    state = init_state(model, meter.hparams, config)
    seconds = 0.0
    history: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []
    if files is not None and resumed:
        state, seconds, history, metrics = restored(files, state, described)
    state = tree_of_first(state)
    done = int(state.step)
    listeners.start(described, steps=config.steps, first_step=done)

    place, here = _same, _same  # put on all devices of the run, and take this process's own copy
    if devices is not None:
        place, here = devices.replicate, devices.here
    chunk = make_chunk(place(task), config, devices)
    state, traced = place((state, meter.hparams))
    train_key = stream(key, "train")

    def watch(state: TrainState) -> dict[str, float]:
        """Measure every set of weights at every length, into the history."""
        rows, values = meter.watch(here(state))
        history.extend(rows)
        if files is not None:
            by_first(ft.partial(write_csv, files.history, history))
        return values

    def save(state: TrainState) -> None:
        if files is not None:
            write = ft.partial(save_checkpoint, files, here(state), described, {"seconds": seconds})
            by_first(ft.partial(write, keep=config.keep_checkpoints))

    status: Status = "completed"
    message = f"{config.steps} steps"
    traces = {"chunk": chunk_traces(), "forward": forward_traces()}
    if files is not None and not resumed:
        save(state)
        # After the first checkpoint: what has a config can be resumed with the weights it began with.
        by_first(ft.partial(write_json, files.config, described))
    if done == 0 and config.evaluate_every and not history:
        watch(state)

    starts = range(done, config.steps, config.chunk_steps)
    make = lambda first: make_feed(task, config, first, devices=devices, key=train_key)
    feeds = prefetch(make, starts)
    with interrupts() as interrupted, contextlib.closing(feeds):
        while done < config.steps:
            started = time.perf_counter()
            feed = next(feeds)  # made while the chunk before it ran
            new, measured = chunk(state, traced, feed)
            measured = jax.tree.map(np.asarray, here(measured))  # waits for the device
            seconds += time.perf_counter() - started
            rows = metric_rows(measured, done)
            if (problem := divergence(measured, done)) is not None:
                status, message = "diverged", problem
                save(state)
                break
            state, done = new, done + config.chunk_steps
            metrics.extend(rows)
            if files is not None:
                by_first(ft.partial(append_lines, files.metrics, rows))
            values = {n: rows[-1][n] for n in ("grad_norm", "learning_rate")}
            values["loss"] = float(measured.loss.mean())
            if config.evaluate_every and done % config.evaluate_every == 0:
                values |= watch(state)
            last = done == config.steps
            if last or (config.checkpoint_every and done % config.checkpoint_every == 0):
                save(state)
            listeners.log(done, values)
            if in_any(interrupted.is_set()) and not last:
                save(state)
                status = "interrupted"
                message = f"stopped after {done} of {config.steps} steps; resume to go on"
                break

    result = meter.result(
        here(state),
        status=status,
        message=message,
        metrics=metrics,
        history=history,
        seconds=seconds,
        directory=None if files is None else files.path,
    )
    if files is not None:
        device = devices_in_words(devices, here(state).step)
        by_first(lambda: write_result(files, result, traces, device))
    listeners.finish({"status": status, "message": message, "steps": done})
    return result


def describe_run(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    hparams: Hparams,
    *,
    key: PRNGKeyArray,
) -> dict[str, Any]:
    """The `config.json` of a run: every component as `module:QualName` and fields."""
    return {
        "schema": SCHEMA,
        "task": describe(task),
        "model": describe(model.config),
        "training": describe(config),
        "hparams": describe(hparams),
        "key": [int(x) for x in jr.key_data(key)],
    }


def load_config(
    described: dict[str, Any],
) -> tuple[AbstractTask, TrainingConfig, Hparams, PRNGKeyArray]:
    """Task, config, hyperparameters and key of a `config.json`."""
    parts = [construct(described[name]) for name in ("task", "training", "hparams")]
    key = jr.wrap_key_data(jnp.asarray(described["key"], jnp.uint32))
    return parts[0], parts[1], parts[2], key


def described_model(described: dict[str, Any], task: AbstractTask) -> AbstractModel:
    """A model of the config's structure; its weights are to be loaded."""
    key = jr.wrap_key_data(jnp.asarray(described["key"], jnp.uint32))
    return construct(described["model"]).build(task.sizes, key=stream(key, "model"))


def check_lengths(task: AbstractTask, lengths: AbstractLengths) -> None:
    """Refuse a law of lengths that leaves the task."""
    require(
        isinstance(lengths, AbstractLengths) and lengths.max_length in task.lengths(),
        f"`{task.lengths()[0]} <= max_length <= {task.lengths()[-1]}`",
        "train on lengths of the task; longer ones cannot be asked for",
        lengths=lengths,
    )


Thing = TypeVar("Thing")


def _same(thing: Thing) -> Thing:
    return thing


def _check_same(described: dict[str, Any]) -> None:
    """Refuse processes that were asked for different runs."""
    first = by_first(lambda: described)
    different = sorted(name for name in first if first[name] != described[name])
    if in_any(bool(different)):
        raise InputError(
            "Every process must be given the same run, but theirs differ from that of process 0"
            f"{f' (here in {different})' if different else ''}: start all with the same command."
        )
