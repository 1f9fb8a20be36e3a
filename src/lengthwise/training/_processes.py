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

from .._core import InputError, StorageError
from ._weights import tree_from_bytes, tree_to_bytes


Tree = TypeVar("Tree", bound=PyTree)

LONGEST_BLOCK = 2**24
"""Bytes of one broadcast; a long text or tree is sent in several, so that it needs little memory."""
REFUSALS = {"storage": StorageError, "input": InputError}
"""Errors that are raised again as what they are."""


def by_first(action: Callable[[], Any]) -> Any:
    """What `action` returns in process 0, in every process; all must call this at the same point.

    **Arguments:**

    - `action`: called in process 0 alone; returns JSON values.

    **Raises:** what `action` raises, in every process; in the others a `RuntimeError` that names it,
    if it is no `LengthwiseError`.
    """
    if jax.process_count() == 1:
        return action()
    own: Exception | None = None
    data = b""
    if is_first():
        try:
            data = json.dumps({"value": action()}).encode()
        except Exception as error:  # whatever it is, the others must not wait for what never comes
            own = error
            data = json.dumps({"kind": _kind(error), "text": str(error)}).encode()
    outcome = json.loads(_broadcast(data))
    if own is not None:
        raise own
    if "kind" in outcome:
        kind, text = outcome["kind"], outcome["text"]
        if kind in REFUSALS:
            raise REFUSALS[kind](text)
        raise RuntimeError(f"Process 0 failed ({kind}: {text}): see what it printed.")
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


def _kind(error: Exception) -> str:
    found = [name for name, kind in REFUSALS.items() if isinstance(error, kind)]
    return found[0] if found else type(error).__name__


def _halves(size: int) -> np.ndarray:
    """A size in two words, as JAX has no 64 bits by default."""
    return np.array([size % 2**32, size // 2**32], np.uint32)


def _whole(halves: np.ndarray) -> int:
    low, high = (int(half) for half in halves)
    return low + 2**32 * high


def _broadcast(data: bytes) -> bytes:
    """`data` of process 0, in every process; what the others give is left unread."""
    from jax.experimental import multihost_utils

    send = multihost_utils.broadcast_one_to_all
    size = _whole(np.asarray(send(_halves(len(data)))))
    block = min(max(1024, 2 ** (size - 1).bit_length()), LONGEST_BLOCK)  # few shapes, few programs
    padded = np.zeros(-(-size // block) * block, np.uint8)
    if is_first():
        padded[:size] = np.frombuffer(data, np.uint8)
    blocks = [send(part) for part in np.split(padded, len(padded) // block)]
    return b"".join(part.tobytes() for part in blocks)[:size]
