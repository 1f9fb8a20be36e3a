"""Make the next thing while the last one is used."""

import concurrent.futures
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar


Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetch(make: Callable[[Item], Made], items: Iterable[Item]) -> Generator[Made, None, None]:
    """`make(item)` for every item in order, each made by a thread while the one before is used.

    What comes out depends on `items` alone: `make` is to be a pure function, as the batches of an
    `AbstractHostTask` are. Close the generator (`contextlib.closing`) where it may be left early.
    """
    with concurrent.futures.ThreadPoolExecutor(1, "lengthwise-prefetch") as pool:
        ahead = None
        for item in items:
            made, ahead = ahead, pool.submit(make, item)
            if made is not None:
                yield made.result()
        if ahead is not None:
            yield ahead.result()
