"""From one key to a batch: lengths by a law, examples by a task, labels by its definition."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from ._base import AbstractDeviceTask, Batch
from ._lengths import AbstractLengths


def draw_batch(
    task: AbstractDeviceTask,
    lengths: AbstractLengths,
    step: Int[Array, ""],
    size: int,
    *,
    key: PRNGKeyArray,
) -> Batch:
    """Draw a batch of `size` examples with `T + 1 - first_length` positions each.

    **Arguments:**

    - `task`: what to draw.
    - `lengths`: the law of the examples' lengths; `T` is its `max_length`.
    - `step`: the training step, traced, for laws that change with it.
    - `size`: number of examples, static.
    - `key`: randomness. (Keyword only argument.)
    """
    length_key, example_key = jr.split(key)
    positions = task.position(lengths.max_length) + 1
    sample = lambda key: task.sample(positions, key=key)
    tokens, sampled = jax.vmap(sample)(jr.split(example_key, size))
    targets = jax.vmap(task.label)(tokens)
    own = lengths.sample(step, size, key=length_key)
    reached = jnp.arange(positions) + task.first_length
    mask = reached[None, :] <= own[:, None]
    return Batch(tokens, sampled, targets, mask)
