"""Runs of one static shape trained together: one vmapped program, a share of it on each device."""

import dataclasses
import functools as ft
import time
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from .._core import InputError, require
from ..models import AbstractModel
from ..tasks import AbstractDeviceTask, AbstractTask
from ._chunk import StepMetrics, TrainState, init_state, make_chunk
from ._config import Hparams, TrainingConfig, check_hparams
from ._feed import Feed, make_feed
from ._meter import Meter, divergence, metric_rows
from ._result import RunResult, Status
from ._streams import stream
from ._train import check_lengths


MEMBERS = PartitionSpec("pop")


@dataclasses.dataclass
class _Member:
    """A run of the population; one with an `error` or another status than "completed" has ended."""

    meter: Meter
    metrics: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    status: Status = "completed"
    message: str = ""
    error: InputError | None = None

    @property
    def goes_on(self) -> bool:
        return self.status == "completed" and self.error is None


def train_population(
    task: AbstractTask,
    models: Sequence[AbstractModel],
    config: TrainingConfig,
    hparams: Sequence[Hparams],
    *,
    keys: Sequence[PRNGKeyArray],
    size: int | None = None,
    devices: Sequence[Any] | None = None,
) -> list[RunResult | InputError]:
    """Train every model as `train` would, all of them in one program: equal up to rounding.

    A member whose loss is not finite keeps its last good weights, and the others go on. Nothing is
    written to disk, so an interrupted population is lost.

    **Arguments:**

    - `task`, `config`: as of `train`, and the same for all.
    - `models`, `hparams`, `keys`: of each member; shapes, averages and dropouts are those of the first.
    - `size`: pad to this many members, so that populations of several sizes share a program.
    - `devices`: over which the members are spread; by default all. (Keyword only arguments.)

    **Returns:** for each member what `train` returns, its `seconds` an equal share; or the
    `InputError` that it raises for this member, where weights cannot be measured.

    **Raises:** `InputError` if the members are not of one static shape.
    """
    require(len(models) >= 1, "`len(models) >= 1`", "give a member", models=len(models))
    check_lengths(task, config.lengths.build())
    members, states = [], []
    for model, numbers, key in zip(models, hparams, keys, strict=True):
        check_hparams(numbers)
        members.append(
            _Member(Meter(task, config, numbers, key=key), message=f"{config.steps} steps")
        )
        states.append(init_state(model, members[-1].meter.hparams, config))
    mesh = Mesh(np.array(jax.devices() if devices is None else devices), ("pop",))
    padded = -(-max(size or 0, len(members)) // mesh.size) * mesh.size
    split = [eqx.partition(state, eqx.is_array) for state in states]
    static = split[0][1]
    put = lambda tree: jax.device_put(tree, NamedSharding(mesh, MEMBERS))
    # With a leading axis `pop`; the members that fill it up are copies of the last one.
    arrays = put(_stacked([arrays for arrays, _ in split], padded))
    traced = put(_stacked([member.meter.hparams for member in members], padded))
    for _, other in split:
        require(
            bool(eqx.tree_equal(other, static)),
            "Members of one static shape",
            "train them in populations of their own",
        )

    def watch() -> None:
        for member, state in zip(members, _unstacked(arrays, static, len(members)), strict=True):
            if member.goes_on:
                try:
                    member.history.extend(member.meter.watch(state)[0])
                except InputError as error:  # finite weights so large that logits are not numbers
                    member.error = error

    done, seconds = 0, 0.0
    if config.evaluate_every:
        watch()
    train_keys = [stream(key, "train") for key in keys]
    while done < config.steps and any(member.goes_on for member in members):
        started = time.perf_counter()
        feed = put(_padded(_feed(task, config, done, train_keys), padded))
        active = [member.goes_on for member in members]
        active = put(np.array(active + [False] * (padded - len(members))))
        arrays, measured = _advance(task, config, mesh, static, arrays, active, traced, feed)
        measured = jax.device_get(measured)  # waits for the devices
        seconds += time.perf_counter() - started
        for i, member in enumerate(members):
            if member.goes_on:
                mine = jax.tree.map(lambda x, i=i: x[i], measured)
                if (problem := divergence(mine, done)) is not None:
                    member.status, member.message = "diverged", problem
                else:
                    member.metrics.extend(metric_rows(mine, done))
        done += config.chunk_steps
        if config.evaluate_every and done % config.evaluate_every == 0:
            watch()

    results: list[RunResult | InputError] = []
    for member, state in zip(members, _unstacked(arrays, static, len(members)), strict=True):
        try:
            if member.error is not None:
                raise member.error
            found = member.meter.result(
                state,
                status=member.status,
                message=member.message,
                metrics=member.metrics,
                history=member.history,
                seconds=seconds / len(members),
            )
        except InputError as error:
            found = error
        results.append(found)
    return results


def _chunk_of_members(
    task: AbstractTask,
    config: TrainingConfig,
    mesh: Mesh,
    static: TrainState,
    arrays: PyTree[Array],
    active: Bool[Array, " pop"],
    hparams: Hparams,
    feed: Feed,
) -> tuple[PyTree[Array], StepMetrics]:
    task_arrays, task_static = eqx.partition(task, eqx.is_array)

    # Members share nothing, so that each device runs its own: no program for them communicates.
    @ft.partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(PartitionSpec(), MEMBERS, MEMBERS, MEMBERS, MEMBERS),
        out_specs=MEMBERS,
        check_vma=False,
    )
    def on_device(task_arrays, arrays, active, hparams, feed):
        chunk = make_chunk(eqx.combine(task_arrays, task_static), config)

        def one(arrays, active, hparams, feed):
            new, metrics = chunk(eqx.combine(arrays, static), hparams, feed)
            good = jnp.all(jnp.isfinite(metrics.loss) & jnp.isfinite(metrics.grad_norm))
            kept = lambda new, old: jnp.where(active & good, new, old)
            return jax.tree.map(kept, eqx.filter(new, eqx.is_array), arrays), metrics

        return jax.vmap(one)(arrays, active, hparams, feed)

    return on_device(task_arrays, arrays, active, hparams, feed)


_advance = eqx.filter_jit(eqx.debug.assert_max_traces(_chunk_of_members, max_traces=None))


def population_traces() -> int:
    """How often a population has been traced here: once for each static shape and padded size."""
    return eqx.debug.get_num_traces(_advance)


def _feed(
    task: AbstractTask, config: TrainingConfig, first_step: int, keys: Sequence[PRNGKeyArray]
) -> Feed:
    """The feeds of all members, stacked."""
    if isinstance(task, AbstractDeviceTask):
        return jax.vmap(lambda key: make_feed(task, config, first_step, key=key))(jnp.stack(keys))
    feeds = [make_feed(task, config, first_step, key=key) for key in keys]
    batch = jax.tree.map(lambda *xs: np.stack(xs), *[feed.batch for feed in feeds])
    return Feed(jnp.stack([feed.keys for feed in feeds]), batch)


def _stacked(trees: Sequence[PyTree[Array]], size: int) -> PyTree[np.ndarray]:
    """The trees along a new first axis, on the host: no device need hold all of them."""
    stack = lambda *xs: np.stack([np.asarray(x) for x in xs])
    try:
        return _padded(jax.tree.map(stack, *trees), size)
    except ValueError as error:  # structures or shapes that differ
        raise InputError(
            f"Members of one static shape must be given, but they differ ({error}): train them in "
            "populations of their own."
        ) from None


def _padded(tree: PyTree[Array | np.ndarray], size: int) -> PyTree[Array | np.ndarray]:
    def pad(x):
        index = np.minimum(np.arange(size), x.shape[0] - 1)
        return x[index] if size > x.shape[0] else x

    return jax.tree.map(pad, tree)


def _unstacked(arrays: PyTree[Array], static: TrainState, count: int) -> list[TrainState]:
    """The states of the first `count` members, each on the default device."""
    host = jax.device_get(arrays)
    member = lambda i: jax.tree.map(lambda x: jnp.asarray(x[i]), host)
    return [eqx.combine(member(i), static) for i in range(count)]


def member_bytes(
    task: AbstractTask, model: AbstractModel, config: TrainingConfig, hparams: Hparams
) -> int:
    """About how much memory of a device a member of a population takes while it trains.

    Its state (weights, optimizer, averages) before and after a step, gradients and updates; what the
    backward pass remembers, twice; and its feed.
    """
    numbers = Meter(task, config, hparams, key=jax.random.key(0)).hparams
    state = eqx.filter_eval_shape(init_state, model, numbers, config)
    params, rest = eqx.partition(model, eqx.is_inexact_array)
    lengths = config.lengths.build()
    tokens = jnp.zeros((config.batch_size, task.position(lengths.max_length) + 1), jnp.int32)

    def remembered(params, key):
        forward = lambda params: eqx.combine(params, rest)(tokens, dropout=numbers.dropout, key=key)
        return jax.vjp(forward, params)

    activations = eqx.filter_eval_shape(remembered, params, jax.random.key(0))
    feed = make_feed(task, config, 0, key=jax.random.key(0)).batch
    return 2 * _bytes(state) + 2 * _bytes(params) + 2 * _bytes(activations) + _bytes(feed)


def _bytes(tree: PyTree) -> int:
    leaves = [x for x in jax.tree.leaves(tree) if hasattr(x, "dtype") and hasattr(x, "size")]
    return sum(x.size * x.dtype.itemsize for x in leaves)
