"""Named random streams of one key: no two uses of it share a random number."""

import jax.random as jr
from jaxtyping import PRNGKeyArray


STREAMS = ("train", "evaluation", "history", "model", "noise", "probes")
"""What the key of a run is split for."""


def stream(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    """The key of the stream `name`, one of `STREAMS`."""
    return jr.fold_in(key, STREAMS.index(name))
