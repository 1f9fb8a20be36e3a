r"""Gradient noise: how much one batch's gradient scatters, and which part comes from sampled labels.

With $g$ the gradient of one batch's loss at fixed weights, without dropout, and batches drawn as
training draws them:

    noise    E|g - E g|^2
    label    E|g_sampled - g_exact|^2 on the same tokens: what sampling the next token adds
    signal   |E g|^2

At a length $s$ the label part begins at the logits, where a model that is exact has the trace
$1 - 1/(v - s)$ for each example: nearly 1 where many tokens are valid.

Two independent batches $g, g'$ give unbiased estimates, $|g - g'|^2 / 2$ and $g \cdot g'$, and several
pairs of them a standard error.
"""

import dataclasses
import functools as ft
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import require
from ..models import AbstractModel
from ..tasks import (
    AbstractDeviceTask,
    AbstractHostTask,
    AbstractTask,
    Batch,
    cut_batch,
    draw_batch,
    draw_lengths,
)
from ._config import TrainingConfig
from ._loss import mixed_loss


NOISE = ("noise", "label", "signal")
"""What is measured of the gradient of each position's loss, and of the whole."""


@dataclasses.dataclass(frozen=True)
class GradientNoise:
    """The noise of the gradient of the whole loss, and of the mean loss at each length.

    `rows` holds one dictionary for each training length, and one for the whole with the `length`
    None, with `m` and its standard error `m_se` for each `m` of `NOISE`. `signal` may come out below
    0, as an unbiased estimate of a square can.
    """

    rows: list[dict[str, Any]]

    @property
    def whole(self) -> dict[str, Any]:
        """The row of the whole loss."""
        return self.rows[-1]


def gradient_noise(
    task: AbstractTask,
    model: AbstractModel,
    config: TrainingConfig,
    *,
    exact_loss: float = 0.0,
    pairs: int = 16,
    key: PRNGKeyArray,
) -> GradientNoise:
    """The noise of the training gradient at the weights of `model`.

    **Arguments:**

    - `task`, `config`: as of `train`; lengths and batch size are those of its last step.
    - `model`: with the weights at which the gradient is taken.
    - `exact_loss`: the loss whose `noise` and `signal` are measured, as in `Hparams`. (Keyword only
      argument.)
    - `pairs`: number of pairs of batches. (Keyword only argument.)
    - `key`: randomness of the batches. (Keyword only argument.)

    **Raises:** `InputError` for fewer than 2 pairs, which leave no standard error.
    """
    require(pairs >= 2, "`pairs >= 2`", "draw two pairs of batches at least", pairs=pairs)
    lengths = config.lengths.build()
    positions = task.position(lengths.max_length) + 1
    found = []
    for pair in range(pairs):
        ours, theirs = (_batch(task, config, 2 * pair + i, key=key) for i in (0, 1))
        found.append(np.asarray(_measured(model, ours, theirs, jnp.asarray(exact_loss, float))))
    values = np.stack(found)  # (pairs, positions + 1, measures)
    error = values.std(axis=0, ddof=1) / np.sqrt(pairs)
    rows = []
    for place, mean in enumerate(values.mean(axis=0)):
        row: dict[str, Any] = {"length": place + task.first_length if place < positions else None}
        for measure, name in enumerate(NOISE):
            row |= {name: float(mean[measure]), f"{name}_se": float(error[place, measure])}
        rows.append(row)
    return GradientNoise(rows)


def _batch(task: AbstractTask, config: TrainingConfig, index: int, *, key: PRNGKeyArray) -> Batch:
    lengths = config.lengths.build()
    if isinstance(task, AbstractDeviceTask):
        return _draw(task, lengths, config.steps, config.batch_size, jr.fold_in(key, index))
    assert isinstance(task, AbstractHostTask)
    positions = task.position(lengths.max_length) + 1
    seed = int(jr.bits(key, dtype=jnp.uint32))
    step = config.steps + index
    batch = task.batch(step, config.batch_size, positions, stream="train", seed=seed)
    own = _own(lengths, config.steps, config.batch_size, jr.fold_in(key, index))
    return cut_batch(task, batch, own)


@ft.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _draw(task: Any, lengths: Any, step: int, size: int, key: PRNGKeyArray) -> Batch:
    return draw_batch(task, lengths, jnp.asarray(step), size, key=key)


@ft.partial(jax.jit, static_argnums=(0, 1, 2))
def _own(lengths: Any, step: int, size: int, key: PRNGKeyArray) -> Int[Array, " batch"]:
    return draw_lengths(lengths, jnp.asarray(step), size, key=key)[0]


@eqx.filter_jit
def _measured(
    model: AbstractModel, ours: Batch, theirs: Batch, exact: Float[Array, ""]
) -> Float[Array, "places measures"]:
    params, rest = eqx.partition(model, eqx.is_inexact_array)

    def losses(params, batch, target):
        """The mean loss at each position."""
        logits = eqx.combine(params, rest)(batch.tokens, key=None)
        at = jax.vmap(mixed_loss, in_axes=(1, 1, None))
        return at(logits, batch, target)

    mask = jnp.asarray(ours.mask), jnp.asarray(theirs.mask)
    ends = [jnp.asarray(e, float) for e in (0.0, 1.0)]
    pullbacks = [
        [jax.vjp(lambda p, b=batch, e=end: losses(p, b, e), params)[1] for end in ends]
        for batch in (ours, theirs)
    ]
    # The whole loss weighs each position by how many examples reach it.
    whole = [jnp.sum(m, 0) / jnp.maximum(jnp.sum(m), 1) for m in mask]
    each = jnp.eye(mask[0].shape[1])
    cotangents = [jnp.concatenate([each, w[None].astype(each.dtype)]) for w in whole]

    def at_place(weights):
        pairs = [
            [pull(w)[0] for pull in pulls] for w, pulls in zip(weights, pullbacks, strict=True)
        ]
        mixed = [
            jax.tree.map(lambda s, e: (1 - exact) * s + exact * e, sampled, full)
            for sampled, full in pairs
        ]
        labels = [_squares(jax.tree.map(jnp.subtract, *pair)) for pair in pairs]
        noise = _squares(jax.tree.map(jnp.subtract, *mixed)) / 2
        signal = sum(jnp.sum(a * b) for a, b in zip(*map(jax.tree.leaves, mixed), strict=True))
        return jnp.stack([noise, (labels[0] + labels[1]) / 2, signal])

    return jax.lax.map(at_place, tuple(cotangents))


def _squares(tree: Any) -> Float[Array, ""]:
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))
