"""Row by row on every core: NumPy releases the interpreter's lock in its loops."""

import functools as ft
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar


Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: bool
) -> list[Result]:
    """`function` of every item, in order; without `threads`, where the work is too small for them."""
    return list((_pool().map if threads else map)(function, items))


@ft.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="lengthwise-theory")
