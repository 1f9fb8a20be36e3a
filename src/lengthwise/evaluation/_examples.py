"""What is evaluated: sampled examples, and all inputs of the lengths that have few."""

import functools as ft
from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from ..tasks import AbstractDeviceTask, AbstractHostTask, AbstractTask
from ._config import EvaluationConfig


class Examples(NamedTuple):
    """One batch of a fixed shape; `counted` says which predictions enter the statistics."""

    tokens: Int[np.ndarray, "batch len"]
    targets: Float[np.ndarray, "batch len vocab"]
    counted: Bool[np.ndarray, "batch len"]


def exhaustive_length(task: AbstractTask, config: EvaluationConfig) -> int | None:
    """The longest length whose inputs are all measured, if there is one."""
    few = [n for n in task.lengths() if task.count_inputs(n) <= config.exhaustive_inputs]
    return max(few, default=None)


def make_examples(
    task: AbstractTask, config: EvaluationConfig, *, key: PRNGKeyArray
) -> list[Examples]:
    """All batches of an evaluation, every one of shape `(batch_size, max_len)`.

    Every prefix of an enumerated input is enumerated too, equally often, so that one pass over the
    inputs of `exhaustive_length` makes all shorter lengths exact as well.
    """
    longest = exhaustive_length(task, config)
    exact = np.array([longest is not None and n <= longest for n in task.lengths()])
    size = config.batch_size  # the last batch is padded: one shape, one compilation
    batches = []
    if longest is not None:
        inputs = task.enumerate_inputs(longest)
        for start in range(0, len(inputs), size):
            part = inputs[start : start + size]
            tokens = np.zeros((size, task.sizes.max_len), np.int32)
            tokens[: len(part), : part.shape[1]] = part
            counted = (np.arange(size) < len(part))[:, None] & exact
            batches.append(Examples(tokens, _labels(task, tokens), counted))
    if not exact.all():
        for tokens, targets, counted in _sampled(task, config.examples, size, key=key):
            batches.append(Examples(tokens, targets, counted & ~exact))
    return batches


def _sampled(
    task: AbstractTask, examples: int, size: int, *, key: PRNGKeyArray
) -> Iterator[Examples]:
    positions = task.sizes.max_len
    for index, start in enumerate(range(0, examples, size)):
        wanted = (np.arange(size) < examples - start)[:, None]
        if isinstance(task, AbstractDeviceTask):
            tokens = np.asarray(_draw(task, size, jr.fold_in(key, index)))
            yield Examples(tokens, _labels(task, tokens), wanted & np.ones(positions, bool))
        else:
            assert isinstance(task, AbstractHostTask)
            seed = int(jr.bits(key, dtype=jnp.uint32))
            batch = task.batch(index, size, positions, stream="evaluation", seed=seed)
            tokens, targets = np.asarray(batch.tokens), np.asarray(batch.targets)
            yield Examples(tokens, targets, wanted & np.asarray(batch.mask))


@eqx.filter_jit
def _draw(task: AbstractDeviceTask, size: int, key: PRNGKeyArray):
    sample = ft.partial(task.sample, task.sizes.max_len)
    return jax.vmap(lambda key: sample(key=key)[0])(jr.split(key, size))


def _labels(task: AbstractTask, tokens: Int[np.ndarray, "batch len"]) -> np.ndarray:
    return np.asarray(_label(task, tokens))


@eqx.filter_jit
def _label(task: AbstractTask, tokens):
    return jax.vmap(task.label)(tokens)
