"""The loss: a traced mix of next-token prediction and the exact distribution."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..models import at_least_float32
from ..tasks import Batch


def mixed_loss(
    logits: Float[Array, "*batch len vocab"], batch: Batch, exact: Float[Array, ""]
) -> Float[Array, ""]:
    r"""Mean cross entropy over the masked positions, against a mix of two targets.

    $$q = (1 - m) \, onehot(y) + m \, p^*, \qquad loss = mean(\log \sum e^f - q \cdot f)$$

    Here `exact` is $m$: 0 is next-token prediction on the sampled token $y$, as in the paper, whose
    logit gradient $p - onehot(y)$ is noisy; 1 has the same expectation and no label noise. As the
    cross entropy is linear in its target, the mix of losses is the loss of the mix.
    """
    total, count = summed_loss(logits, batch, exact)
    return mean_loss(total, count)


def summed_loss(
    logits: Float[Array, "*batch len vocab"], batch: Batch, exact: Float[Array, ""]
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The sum of `mixed_loss` and the number of its positions: both add up over parts of a batch.

    The mean of parts' means would weigh positions of a part with short examples more. In float32 at
    least, whatever the logits are.
    """
    logits = logits.astype(at_least_float32(logits.dtype))
    vocab = logits.shape[-1]
    sampled = jax.nn.one_hot(batch.sampled, vocab, dtype=logits.dtype)
    m = jnp.asarray(exact).astype(logits.dtype)
    q = (1 - m) * sampled + m * jnp.asarray(batch.targets).astype(logits.dtype)
    cross = jax.nn.logsumexp(logits, axis=-1) - jnp.sum(q * logits, axis=-1)
    mask = jnp.asarray(batch.mask)
    return jnp.sum(jnp.where(mask, cross, 0.0)), jnp.sum(mask)


def mean_loss(total: Float[Array, "*shape"], count: Int[Array, ""]) -> Float[Array, "*shape"]:
    """The mean over the counted positions, of a loss or of its gradient; 0 where there are none."""
    return total / jnp.maximum(count, 1).astype(total.dtype)
