"""Agreement between the processes of one run (`jax.distributed`); with one process nothing happens.

Process 0 alone reads and writes the run directory. What it finds there, its refusals included, reaches
the others by broadcast, so that no file system need be shared and no process waits for one that ended.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import PyTree

from .._core import InputError, LengthwiseError, StorageError
from ._weights import tree_from_bytes, tree_to_bytes


Tree = TypeVar("Tree", bound=PyTree)

LONGEST_BLOCK = 2**24
"""Bytes of one broadcast; a long text or tree is sent in several, so that it needs little memory."""


def by_first(action: Callable[[], Any]) -> Any:
    """What `action` returns in process 0, in every process; all must call this at the same point.

    **Arguments:**

    - `action`: called in process 0 alone; returns JSON values.

    **Raises:** the `LengthwiseError` that `action` raises, in every process.
    """
    if jax.process_count() == 1:
        return action()
    own: LengthwiseError | None = None
    outcome: dict[str, Any] = {}
    if is_first():
        try:
            outcome = {"value": action()}
        except LengthwiseError as error:
            own = error
            outcome = {"storage": isinstance(error, StorageError), "text": str(error)}
    outcome = json.loads(_broadcast(json.dumps(outcome).encode()))
    if own is not None:
        raise own
    if "text" in outcome:
        raise (StorageError if outcome["storage"] else InputError)(outcome["text"])
    return outcome["value"]


def tree_of_first(tree: Tree) -> Tree:
    """The arrays of process 0's `tree`, to the byte, in every process; structures must agree."""
    if jax.process_count() == 1:
        return tree
    return tree_from_bytes(
        _broadcast(tree_to_bytes(tree) if is_first() else b""), tree, source="process 0"
    )


def in_any(flag: bool) -> bool:
    """Whether `flag` is set in any process, the same answer in every one."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def _broadcast(data: bytes) -> bytes:
    """`data` of process 0, in every process; what the others give is left unread."""
    from jax.experimental import multihost_utils

    send = multihost_utils.broadcast_one_to_all
    size = int(send(np.array([len(data)], np.uint32))[0])
    block = min(max(1024, 2 ** (size - 1).bit_length()), LONGEST_BLOCK)  # few shapes, few programs
    padded = np.zeros(-(-size // block) * block, np.uint8)
    if is_first():
        padded[:size] = np.frombuffer(data, np.uint8)
    blocks = [send(part) for part in np.split(padded, len(padded) // block)]
    return b"".join(part.tobytes() for part in blocks)[:size]
