"""The devices of a run: a batch's rows are spread over them, everything else is on each of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from .._core import require
from ._config import TrainingConfig


Tree = TypeVar("Tree", bound=PyTree)


@dataclasses.dataclass(frozen=True)
class Devices:
    """Devices of one process or of several, along the one axis `rows` of `mesh`.

    Weights, optimizer and averages are on all of them, and each computes with its own rows of a batch.
    Programs are those of one device (`jax.sharding`): XLA adds the sums over devices, so that losses,
    gradients and dropout are the same up to rounding.
    """

    mesh: Mesh

    def replicate(self, tree: Tree) -> Tree:
        """`tree` with its arrays on every device; each process gives the same ones."""
        return _placed(tree, NamedSharding(self.mesh, PartitionSpec()))

    def share_out(self, tree: Tree, axis: int) -> Tree:
        """`tree` with each array's rows, along `axis`, on their devices.

        Each process gives its own rows, that is its share of every array.
        """
        spec = PartitionSpec(*[None] * axis, "rows")
        return _placed(tree, NamedSharding(self.mesh, spec))

    def by_rows(self, tree: Tree) -> Tree:
        """In a program: the arrays' first axes are spread."""
        return jax.lax.with_sharding_constraint(
            tree, NamedSharding(self.mesh, PartitionSpec("rows"))
        )

    def alike(self, tree: Tree) -> Tree:
        """In a program: the arrays are whole on every device."""
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec()))

    def here(self, tree: Tree) -> Tree:
        """This process's own copy of what is on every device, without a transfer."""
        local = lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x
        return jax.tree.map(local, tree)


def choose_devices(config: TrainingConfig, given: Sequence[Any] | None) -> Devices | None:
    """The devices of a run; `None` for the default device alone, without any sharding.

    By default all devices of all processes. One process leaves out as many as it takes to divide the
    rows evenly (of a micro-batch, where gradients are accumulated), so that any config runs anywhere.

    **Arguments:**

    - `given`: the devices, in one process, in place of the default.

    **Raises:** `InputError` if several processes, or the devices `given`, do not divide the rows.
    """
    rows = config.batch_size // config.accumulate
    processes = jax.process_count()
    if given is not None and processes == 1 and list(given) == [_default_device()]:
        return None
    if given is None and processes == 1:
        if jax.config.jax_default_device is not None:  # pyright: ignore[reportAttributeAccessIssue]
            return None  # `jax.default_device` names one
        given = jax.devices()
        given = given[: max(n for n in range(1, len(given) + 1) if rows % n == 0)]
        if len(given) == 1:
            return None
    require(
        given is None or processes == 1,
        "`devices` None with several processes",
        "a run of several processes uses all devices of each",
        devices=given,
        processes=processes,
    )
    devices = sorted(jax.devices() if given is None else given, key=lambda d: d.process_index)
    require(
        len(devices) > 0 and rows % len(devices) == 0,
        "`batch_size / accumulate % devices == 0`",
        "choose a multiple as the batch size, or fewer devices or processes",
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        devices=len(devices),
    )
    counts = [sum(d.process_index == p for d in devices) for p in range(processes)]
    require(
        len(set(counts)) == 1,
        "As many devices in one process as in every other",
        "start the processes on equal machines, or hide some devices",
        devices=counts,
    )
    return Devices(Mesh(np.array(devices), ("rows",)))


def devices_in_words(devices: Devices | None, trained: Array) -> str:
    """How many devices of which kind, for `record.json`.

    **Arguments:**

    - `devices`: as of `choose_devices`.
    - `trained`: one of the run's arrays, which is where it was trained.
    """
    device = min(trained.devices(), key=lambda d: d.id)
    used, found, processes = 1, len(jax.devices(device.platform)), jax.process_count()
    if devices is not None:
        used = devices.mesh.size
    count = f"{used}" if used == found else f"{used} of {found}"
    several = f" in {processes} processes" if processes > 1 else ""
    return f"{count} x {device.device_kind} ({device.platform}){several}"


def _default_device() -> Any:
    named = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(named, str):  # a platform
        return jax.devices(named)[0]
    return jax.devices()[0] if named is None else named


def _placed(tree: Tree, sharding: NamedSharding) -> Tree:
    def put(x):
        if not eqx.is_array(x) and not isinstance(x, np.ndarray):
            return x
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jr.wrap_key_data(put(jr.key_data(x)), impl=jr.key_impl(x))
        # Not `jax.device_put`, which compares replicas by a message to the other processes: this is
        # also called by the thread that makes the next feed, whose order theirs need not have.
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    return jax.tree.map(put, tree)
