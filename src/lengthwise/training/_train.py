"""Training, top to bottom: a plain loop over jitted chunks."""

import contextlib
import pathlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray

from .._core import (
    SCHEMA,
    RunFiles,
    append_lines,
    construct,
    describe,
    new_directory,
    provenance,
    read_csv,
    read_json,
    read_lines,
    require,
    sole_writer,
    write_bytes,
    write_csv,
    write_json,
)
from ..evaluation import forward_traces
from ..loggers import AbstractLogger
from ..models import AbstractModel
from ..tasks import AbstractLengths, AbstractTask, prefetch
from ._checkpoint import load_checkpoint, save_checkpoint
from ._chunk import (
    TrainState,
    build_averages,
    chunk_traces,
    init_state,
    make_chunk,
    make_feed,
)
from ._config import Hparams, TrainingConfig, check_hparams
from ._meter import Meter, average_names, divergence, metric_rows
from ._result import RunResult, Status
from ._streams import stream
from ._weights import save_weights


def train(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    hparams: Hparams,
    *,
    directory: str | pathlib.Path | None = None,
    loggers: Sequence[AbstractLogger] = (),
    key: PRNGKeyArray,
) -> RunResult:
    """Train `model` on `task`, track averages of its weights, and measure all of them.

    **Arguments:**

    - `task`: what to learn.
    - `model`: with its initial weights.
    - `config`: static: steps, batch, lengths, what is evaluated and saved when.
    - `hparams`: traced: rates, loss mix, dropout, averages.
    - `directory`: a new run directory; `None` to write nothing. (Keyword only argument.)
    - `loggers`: where progress is sent. (Keyword only argument.)
    - `key`: randomness of data and dropout. (Keyword only argument.)

    **Returns:** a `RunResult`; a non-finite loss ends the run with the status "diverged", Ctrl-C with
    "interrupted", both with the last good weights.

    **Raises:** `InputError` for what cannot be run, `StorageError` if the directory cannot be written.
    """
    check_hparams(hparams)
    check_lengths(task, config.lengths.build())  # before there is a directory
    average_names(build_averages(hparams))
    if directory is None:
        return _run(task, model, config, hparams, None, {}, loggers, key=key)
    files = RunFiles(new_directory(pathlib.Path(directory)))
    described = describe_run(task, model, config, hparams, key=key)
    with sole_writer(files.path):
        write_json(files.config, described)
        return _run(task, model, config, hparams, files, described, loggers, key=key)


def resume(directory: str | pathlib.Path, *, loggers: Sequence[AbstractLogger] = ()) -> RunResult:
    """Go on with a run that was interrupted or killed, from its newest whole checkpoint.

    The final weights are those of an uninterrupted run, byte for byte, on the same machine and
    versions. A completed run is evaluated again and returned.
    """
    files = RunFiles(pathlib.Path(directory))
    described = read_json(files.config)
    task, config, hparams, key = load_config(described)
    model = described_model(described, task)
    with sole_writer(files.path):
        return _run(task, model, config, hparams, files, described, loggers, key=key)


def _run(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    hparams: Hparams,
    files: RunFiles | None,
    described: dict[str, Any],
    loggers: Sequence[AbstractLogger],
    *,
    key: PRNGKeyArray,
) -> RunResult:
    lengths = config.lengths.build()
    check_lengths(task, lengths)
    meter = Meter(task, config, hparams, key=key)
    traced = meter.hparams
    state = init_state(model, traced, config)
    seconds, history = 0.0, []
    if files is not None:
        files.checkpoints.mkdir(exist_ok=True)
        if any(files.checkpoints.glob("step-*.json")):
            state, extra = load_checkpoint(files, state, described)
            seconds = extra["seconds"]
        history = _rewind(files, int(state.step))
    done = int(state.step)
    for logger in loggers:
        logger.start(described, steps=config.steps, first_step=done)

    chunk = make_chunk(task, config)
    train_key = stream(key, "train")

    def watch(state: TrainState) -> dict[str, float]:
        """Measure every set of weights at every length, into the history."""
        rows, values = meter.watch(state)
        history.extend(rows)
        if files is not None:
            write_csv(files.history, history)
        return values

    def save(state: TrainState) -> None:
        if files is not None:
            save_checkpoint(
                files, state, described, {"seconds": seconds}, keep=config.keep_checkpoints
            )

    status: Status = "completed"
    message = f"{config.steps} steps"
    metrics: list[dict[str, Any]] = read_lines(files.metrics) if files is not None else []
    traces = {"chunk": chunk_traces(), "forward": forward_traces()}
    if done == 0:
        if config.evaluate_every:
            watch(state)
        save(state)

    starts = range(done, config.steps, config.chunk_steps)
    feeds = prefetch(lambda first: make_feed(task, config, first, key=train_key), starts)
    with _interrupts() as interrupted, contextlib.closing(feeds):
        while done < config.steps:
            started = time.perf_counter()
            feed = next(feeds)  # made while the chunk before it ran
            new, measured = chunk(state, traced, feed)
            measured = jax.tree.map(np.asarray, measured)  # waits for the device
            seconds += time.perf_counter() - started
            rows = metric_rows(measured, done)
            if (problem := divergence(measured, done)) is not None:
                status, message = "diverged", problem
                save(state)
                break
            state, done = new, done + config.chunk_steps
            metrics.extend(rows)
            if files is not None:
                append_lines(files.metrics, rows)
            values = {n: rows[-1][n] for n in ("grad_norm", "learning_rate")}
            values["loss"] = float(measured.loss.mean())
            if config.evaluate_every and done % config.evaluate_every == 0:
                values |= watch(state)
            last = done == config.steps
            if last or (config.checkpoint_every and done % config.checkpoint_every == 0):
                save(state)
            for logger in loggers:
                logger.log(done, values)
            if interrupted.is_set() and not last:
                save(state)
                status = "interrupted"
                message = f"stopped after {done} of {config.steps} steps; resume to go on"
                break

    result = meter.result(
        state,
        status=status,
        message=message,
        metrics=metrics,
        history=history,
        seconds=seconds,
        directory=None if files is None else files.path,
    )
    if files is not None:
        _write_result(files, result, traces)
    record = {"status": status, "message": message, "steps": done}
    for logger in loggers:
        logger.finish(record)
    return result


def _write_result(files: RunFiles, result: RunResult, traces: dict[str, int]) -> None:
    for name, weights in result.models.items():
        save_weights(files.weights(name), weights)
    if result.evaluations:
        write_csv(files.evaluation, result.rows())
    device = jax.devices()[0]
    count = sum(x.size for x in jax.tree.leaves(eqx.filter(result.models["raw"], eqx.is_array)))
    write_json(
        files.record,
        {
            "schema": SCHEMA,
            "status": result.status,
            "message": result.message,
            "steps": result.steps,
            "seen": result.seen,
            "parameters": count,
            "initial_mass": result.initial_mass,
            "summary": result.summary(),
            "training_seconds": result.seconds,
            "compilations": {
                "chunk": chunk_traces() - traces["chunk"],
                "forward": forward_traces() - traces["forward"],
            },
            "device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})",
        }
        | provenance(),
    )


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
    """A model of the config's structure; its weights are to be loaded.

    Until then they are drawn from the stream "model" of the run's key, as the command line does, so
    that a run of it that was killed before its first checkpoint begins again with the same ones.
    """
    key = jr.wrap_key_data(jnp.asarray(described["key"], jnp.uint32))
    return construct(described["model"]).build(task.sizes, key=stream(key, "model"))


def check_lengths(task: AbstractTask, lengths: AbstractLengths) -> None:
    """Refuse a law of lengths that leaves the task."""
    require(
        isinstance(lengths, AbstractLengths) and lengths.max_length in task.lengths(),
        f"`{task.lengths()[0]} <= max_length <= {task.lengths()[-1]}`",
        "train on lengths of the task (T < v), or enlarge the vocabulary",
        lengths=lengths,
    )


def _rewind(files: RunFiles, step: int) -> list[dict[str, Any]]:
    """Cut the tables back to the checkpoint at `step`; returns the history so far."""
    rows = [row for row in read_lines(files.metrics) if row["step"] <= step]
    write_bytes(files.metrics, b"")
    append_lines(files.metrics, rows)
    history = read_csv(files.history) if files.history.exists() else []
    return [row for row in history if row["step"] <= step]


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event that the loop looks at between chunks."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may set handlers; others are stopped by their owner
        return

    def handler(number, frame):
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
