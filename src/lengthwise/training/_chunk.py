"""The jitted unit of training: one scan of K steps, averages included."""

import functools as ft
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from .._core import Component, require
from ..models import AbstractModel
from ..tasks import (
    AbstractDeviceTask,
    AbstractHostTask,
    AbstractLengths,
    AbstractTask,
    Batch,
    cut_batch,
    draw_examples,
    draw_lengths,
)
from ._accumulate import loss_and_gradient
from ._average import AbstractAverage
from ._config import Hparams, TrainingConfig
from ._devices import Devices
from ._feed import Feed
from ._loss import summed_loss
from ._optimizer import learning_rate, make_optimizer


class TrainState(eqx.Module):
    """All that training changes: the whole of a checkpoint.

    - `step`: steps done.
    - `model`: the raw weights.
    - `optimizer`: Optax's state.
    - `averages`: one state for each average of the hyperparameters, each of the pair (weights, mass
      of the initial weights).
    """

    step: Int[Array, ""]
    model: PyTree
    optimizer: PyTree
    averages: tuple[PyTree, ...]


class StepMetrics(eqx.Module):
    """What each of K steps reports."""

    loss: Float[Array, "*step"]
    grad_norm: Float[Array, "*step"]
    learning_rate: Float[Array, "*step"]


Chunk = Callable[[TrainState, Hparams, Feed], tuple[TrainState, StepMetrics]]


def build_averages(hparams: Hparams) -> Hparams:
    """`hparams` with every average an instance."""
    built = [a.build() if isinstance(a, Component) else a for a in hparams.averages]
    for average in built:
        require(
            isinstance(average, AbstractAverage),
            "Every average is an `AbstractAverage`",
            "subclass it, or correct the name",
            average=average,
        )
    return hparams._replace(averages=tuple(built))


def traced_hparams(hparams: Hparams) -> Hparams:
    """`hparams` with averages built and every number an array, so that no value is static."""
    to_array = lambda x: jnp.asarray(x, float) if isinstance(x, int | float) else x
    return jax.tree.map(to_array, build_averages(hparams))


def init_state(model: AbstractModel, hparams: Hparams, config: TrainingConfig) -> TrainState:
    """The state before the first step; `hparams` are traced ones."""
    params = eqx.filter(model, eqx.is_inexact_array)
    pair = (params, jnp.ones(()))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        model=model,
        optimizer=make_optimizer(hparams, config.steps).init(params),
        averages=tuple(average.init(pair) for average in hparams.averages),
    )


def averaged_models(state: TrainState, hparams: Hparams) -> list[tuple[AbstractModel, Any]]:
    """For each average: the model with its weights, and the mass left on the initial weights."""
    static = eqx.filter(state.model, eqx.is_inexact_array, inverse=True)
    values = [a.value(s) for a, s in zip(hparams.averages, state.averages, strict=True)]
    return [(eqx.combine(params, static), mass) for params, mass in values]


def make_chunk(task: AbstractTask, config: TrainingConfig, devices: Devices | None = None) -> Chunk:
    """`chunk(state, hparams, feed) -> (state, metrics)`, compiled once for each static shape.

    With `devices`, its arguments are to be placed there. A population is `jax.vmap(chunk)` over
    stacked states, hyperparameters and feeds.
    """
    static = config.batch_size, config.accumulate, config.steps, devices
    return ft.partial(_chunk, task, config.lengths.build(), *static)


def _chunk_of_steps(
    task: AbstractTask,
    lengths: AbstractLengths,
    batch_size: int,
    parts: int,
    steps: int,
    devices: Devices | None,
    state: TrainState,
    hparams: Hparams,
    feed: Feed,
) -> tuple[TrainState, StepMetrics]:
    arrays, static = eqx.partition(state, eqx.is_array)

    def step(arrays, feed):
        state = eqx.combine(arrays, static)
        batch_key, dropout_key = jr.split(feed.keys)
        own, keys = draw_lengths(lengths, state.step, batch_size, key=batch_key)
        if parts > 1:
            own, keys = jnp.reshape(own, (parts, -1)), jnp.reshape(keys, (parts, -1))
        params, rest = eqx.partition(state.model, eqx.is_inexact_array)

        def examples(part):
            batch = _examples(task, lengths, *part)
            return batch if devices is None else devices.by_rows(batch)

        def summed(params, batch, key):
            logits = eqx.combine(params, rest)(batch.tokens, dropout=hparams.dropout, key=key)
            return summed_loss(logits, batch, hparams.exact_loss)

        loss, grads = loss_and_gradient(
            summed, examples, params, (own, keys, feed.batch), parts, key=dropout_key
        )
        optimizer = make_optimizer(hparams, steps)
        # Optax mixes dtypes in AdamW's bias correction, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer_state = optimizer.update(grads, state.optimizer, params)
        params = optax.apply_updates(params, updates)
        # A scalar rides along: 1 for the initial weights, 0 for all later ones. What an average
        # makes of it is the mass that it leaves on the initial weights.
        pair = (params, jnp.zeros(()))
        averages = tuple(
            average.update(average_state, pair)
            for average, average_state in zip(hparams.averages, state.averages, strict=True)
        )
        metrics = StepMetrics(
            loss, optax.tree.norm(grads), learning_rate(hparams, steps, state.step)
        )
        new = TrainState(state.step + 1, eqx.combine(params, rest), optimizer_state, averages)
        out = eqx.filter(new, eqx.is_array), metrics
        return out if devices is None else devices.alike(out)

    arrays, metrics = jax.lax.scan(step, arrays, feed)
    return eqx.combine(arrays, static), metrics


def _examples(
    task: AbstractTask,
    lengths: AbstractLengths,
    own: Int[Array, " batch"],
    keys: Key[Array, " batch"],
    made: Batch | None,
) -> Batch:
    """A batch of these lengths: drawn here, or `made` by the host and cut."""
    if made is None:
        assert isinstance(task, AbstractDeviceTask)
        return draw_examples(task, lengths, own, keys)
    return cut_batch(task, made, own) if isinstance(task, AbstractHostTask) else made


_chunk = eqx.filter_jit(eqx.debug.assert_max_traces(_chunk_of_steps, max_traces=None))


def chunk_traces() -> int:
    """How often a chunk has been traced in this process: once for each static shape."""
    return eqx.debug.get_num_traces(_chunk)
