"""AdamW with warm-up, an optional cosine, clipping and decay on matrices only, all traced."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from ._config import Hparams


def learning_rate(hparams: Hparams, steps: int, step: Int[ArrayLike, ""]) -> Float[Array, ""]:
    """The rate of step `step` (0-based): warm-up times the constant-to-cosine mix.

    `peak * min(1, (step + 1) / warmup) * (1 - cosine * (1 - cos(pi * step / steps)) / 2)`
    """
    t = jnp.asarray(step).astype(float)
    number = lambda x: jnp.asarray(x).astype(float)
    warmup = jnp.minimum(1.0, (t + 1) / jnp.maximum(number(hparams.warmup_steps), 1.0))
    fallen = (1 - jnp.cos(jnp.pi * t / max(steps, 1))) / 2
    return number(hparams.learning_rate) * warmup * (1 - number(hparams.cosine) * fallen)


def make_optimizer(hparams: Hparams, steps: int) -> optax.GradientTransformation:
    """The optimizer of a run; its state's structure does not depend on the (traced) `hparams`."""
    return optax.chain(
        optax.clip_by_global_norm(hparams.clip_norm),
        optax.adamw(
            lambda count: learning_rate(hparams, steps, count),
            b1=hparams.b1,
            b2=hparams.b2,
            eps=hparams.epsilon,
            weight_decay=hparams.weight_decay,
            mask=_is_matrix,
        ),
    )


def _is_matrix(params: PyTree[Any]) -> PyTree[bool]:
    # Biases, gains and shifts keep their scale: decaying them has no use and moves the norms.
    return jax.tree.map(lambda x: x.ndim >= 2, params)
