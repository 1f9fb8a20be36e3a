"""The input of a chunk: keys, and the batches of tasks whose examples the host makes."""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key, PRNGKeyArray

from .._core import InputError
from ..tasks import AbstractHostTask, AbstractTask, Batch
from ._config import TrainingConfig
from ._devices import Devices


class Feed(eqx.Module):
    """The input of K steps: a key for each, and their batches where the host makes them.

    Batches have the axes `(steps, rows)`, or `(steps, micro-batches, rows)` where gradients are
    accumulated, before those of an example. Their masks end where examples do; the law of lengths is
    applied in the step.
    """

    keys: Key[Array, "*step"]
    batch: Batch | None


def make_feed(
    task: AbstractTask,
    config: TrainingConfig,
    first_step: int,
    *,
    devices: Devices | None = None,
    key: PRNGKeyArray,
) -> Feed:
    """The feed of the chunk that begins at `first_step`: a pure function of its arguments.

    With `devices` it is placed on them, and of a host's batches each process makes its own rows alone.
    """
    keys = _step_keys(key, first_step, config.chunk_steps)
    batch = None
    if isinstance(task, AbstractHostTask):
        seed = int(jr.bits(key, dtype=jnp.uint32))
        shares = (0, 1) if devices is None else (jax.process_index(), jax.process_count())
        batches = [
            _rows(task, config, step, *shares, seed)
            for step in range(first_step, first_step + config.chunk_steps)
        ]
        batch = jax.tree.map(lambda *xs: np.stack(xs), *batches)
    if devices is not None:
        keys = devices.replicate(keys)
        batch = devices.share_out(batch, axis=1 if config.accumulate == 1 else 2)
    return Feed(keys, batch)


def _rows(
    task: AbstractHostTask, config: TrainingConfig, step: int, share: int, shares: int, seed: int
) -> Batch:
    """Share number `share` of every micro-batch of a step."""
    positions = task.position(config.lengths.build().max_length) + 1
    parts = config.accumulate
    make = ft.partial(task.batch, positions=positions, stream="train", seed=seed)
    if shares == 1:
        whole = make(step, config.batch_size)
        if parts == 1:
            return whole
        return jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), whole)
    size = config.batch_size // parts // shares
    own = [make((step * parts + part) * shares + share, size) for part in range(parts)]
    return own[0] if parts == 1 else jax.tree.map(lambda *xs: np.stack(xs), *own)


def check_numbered(task: AbstractTask) -> None:
    """Refuse a host task of which several processes cannot each make their own rows.

    **Raises:** `InputError` if the batches 2 and 3 of size 1 are not batch 1 of size 2.
    """
    if not isinstance(task, AbstractHostTask):
        return
    make = ft.partial(task.batch, positions=1, stream="train", seed=0)
    ones = jax.tree.map(lambda *xs: np.concatenate(xs), make(2, 1), make(3, 1))
    if not eqx.tree_equal(ones, make(1, 2)):
        raise InputError(
            f"Batch 1 of size 2 must be the batches 2 and 3 of size 1 where several processes share "
            f"the work, but they differ for ({type(task).__name__}): number the examples, see "
            "`AbstractHostTask.batch`, or train in one process."
        )


@ft.partial(jax.jit, static_argnums=2)
def _step_keys(key: PRNGKeyArray, first_step: Int[Array, ""], count: int) -> Key[Array, " step"]:
    return jax.vmap(lambda step: jr.fold_in(key, step))(first_step + jnp.arange(count))
