"""From one key to a batch: lengths by a law, examples by a task, labels by its definition."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key, PRNGKeyArray

from .._core import require
from ._base import AbstractDeviceTask, AbstractTask, Batch
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
    own, keys = draw_lengths(lengths, step, size, key=key)
    return draw_examples(task, lengths, own, keys)


def draw_lengths(
    lengths: AbstractLengths, step: Int[Array, ""], size: int, *, key: PRNGKeyArray
) -> tuple[Int[Array, " batch"], Key[Array, " batch"]]:
    """The length of each example of a batch, and the key of its tokens; arguments as of `draw_batch`."""
    length_key, example_key = jr.split(key)
    return lengths.sample(step, size, key=length_key), jr.split(example_key, size)


def draw_examples(
    task: AbstractDeviceTask,
    lengths: AbstractLengths,
    own: Int[Array, " batch"],
    keys: Key[Array, " batch"],
) -> Batch:
    """The examples of these lengths and keys, or of some rows of them."""
    positions = task.position(lengths.max_length) + 1
    sample = lambda key: task.sample(positions, key=key)
    name, count = type(task).__name__, len(keys)
    drawn = jax.vmap(sample)(keys)
    require(
        isinstance(drawn, tuple) and len(drawn) == 2,
        f"`{name}.sample` gives `(tokens, sampled)`",
        "return the inputs, and a next token for each position",
        type=type(drawn).__name__,
    )
    tokens, sampled = drawn
    _check_shape(f"`{name}.sample`'s tokens", tokens, (count, positions), "(len,)")
    _check_shape(f"`{name}.sample`'s next tokens", sampled, (count, positions), "(len,)")
    targets = jax.vmap(task.label)(tokens)
    wanted = (count, positions, task.sizes.vocab)
    _check_shape(f"`{name}.label`", targets, wanted, "(len, vocab)")
    return cut_batch(task, Batch(tokens, sampled, targets, jnp.ones(tokens.shape, bool)), own)


def cut_batch(task: AbstractTask, batch: Batch, own: Int[Array, " batch"]) -> Batch:
    """`batch` with a mask that ends each example at its own length at the latest.

    What a law of lengths makes of a host's batch: its examples all have T tokens, unless they ended
    early.
    """
    reached = jnp.arange(batch.tokens.shape[-1]) + task.first_length
    within = reached[None, :] <= own[:, None]
    return eqx.tree_at(lambda b: b.mask, batch, jnp.asarray(batch.mask) & within)


def _check_shape(what: str, array: object, wanted: tuple[int, ...], form: str) -> None:
    """Refuse what a task of the user's gives in another shape; axis 0 is that of the batch."""
    shape = getattr(array, "shape", None)
    require(
        shape == wanted,
        f"{what} of shape `{form}`",
        f"return {wanted[1:]} for an example of {wanted[1]} positions",
        shape=type(array).__name__ if shape is None else shape[1:],
    )
