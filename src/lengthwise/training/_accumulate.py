"""The gradient of a batch, at once or in micro-batches one after the other, for less memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..tasks import Batch
from ._loss import mean_loss


Summed = Callable[[PyTree[Array], Batch, PRNGKeyArray], tuple[Float[Array, ""], Int[Array, ""]]]


def loss_and_gradient(
    summed: Summed,
    examples: Callable[[PyTree[Array]], Batch],
    params: PyTree[Array],
    seeds: PyTree[Array],
    parts: int,
    *,
    key: PRNGKeyArray,
) -> tuple[Any, Any]:
    """The mean loss over all counted positions of a batch, and its gradient.

    Parts are summed and divided at the end by the positions of all of them, so that how the batch is
    split changes rounding alone. Dropout is another matter: each part has a key of its own, since masks
    are drawn by the place of a number in what is computed at once, so that `parts` changes the masks.

    **Arguments:**

    - `summed`: `(params, examples, key) -> (sum of losses, positions)`.
    - `examples`: makes a part, or the whole batch if `parts` is 1, of what `seeds` holds of it.
    - `seeds`: of the whole if `parts` is 1, else with a first axis of parts.
    - `parts`: how many, static.
    - `key`: of dropout. (Keyword only argument.)
    """
    if parts == 1:
        batch = examples(seeds)
        return jax.value_and_grad(lambda params: mean_loss(*summed(params, batch, key)))(params)

    def add(sums, part):
        seed, key = part
        gradient = jax.value_and_grad(summed, has_aux=True)
        (total, count), grads = gradient(params, examples(seed), key)
        return jax.tree.map(lambda x, y: x + y.astype(x.dtype), sums, (total, count, grads)), None

    nothing = jnp.zeros((), float), jnp.zeros((), int), jax.tree.map(jnp.zeros_like, params)
    (total, count, grads), _ = jax.lax.scan(add, nothing, (seeds, jr.split(key, parts)))
    return mean_loss(total, count), jax.tree.map(lambda grad: mean_loss(grad, count), grads)
