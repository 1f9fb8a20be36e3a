r"""The metrics of one prediction against the exact distribution of the next token.

With logits $f$, probabilities $p$, exact distribution $p^*$, legal tokens $L = supp(p^*)$:

    itr             illegal token rate, sum of p outside L
    tv              total variation, sum |p - p*| / 2
    kl              KL(p* || p), nats
    top1_illegal    1 if the most probable token is illegal
    log_spread      log of the largest over the smallest probability of a legal token
    displacement    mean legal logit - mean illegal logit (logit displacement, averaged)
    separation      smallest legal logit - largest illegal logit
    separated       1 if the separation is above 0: whatever the scale, legal tokens come first
    coverage        share of legal tokens among the |L| most probable ones: 1 if separated, and graded

Displacement, separation and separated need an illegal token and are NaN where there is none. ITR falls
when all logits are multiplied by a constant above 1, without the model knowing more; top1_illegal,
separated and coverage look at the order of the tokens alone and do not move, and `separation` moves
only in its unit. (arXiv 2510.08341, sections 2 and 4.)

Where tokens tie, illegal ones come first: a tie is no knowledge.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


METRICS = (
    "itr",
    "tv",
    "kl",
    "top1_illegal",
    "log_spread",
    "displacement",
    "separation",
    "separated",
    "coverage",
)
"""The names of the metrics, in the order of the tables."""
CHANCE = ("itr", "tv", "kl", "top1_illegal", "coverage")
"""Metrics with a chance line, see `chance`."""
COUNTED = 32
"""Up to so many tokens, pairs are counted; more are sorted: on XLA:CPU a sort of 32 takes 14 times as long
as counting, and one of 60 less."""
PROPORTIONS = ("top1_illegal", "separated")
"""Metrics that are 0 or 1 on one example: their mean is a share."""


def measure(
    logits: Float[Array | np.ndarray, "*batch vocab"],
    targets: Float[Array | np.ndarray, "*batch vocab"],
    inverse_temperature: Float[Array, ""],
) -> dict[str, Float[Array, "*batch"]]:
    """Every metric of every prediction.

    **Arguments:**

    - `logits`: of the next token.
    - `targets`: its exact distribution.
    - `inverse_temperature`: multiplies the logits first.
    """
    logits = jnp.asarray(logits) * inverse_temperature
    legal = jnp.asarray(targets > 0)
    some_illegal = jnp.any(~legal, axis=-1)
    log_p = jax.nn.log_softmax(logits, axis=-1)
    p = jnp.exp(log_p)
    low, high = -jnp.inf, jnp.inf
    least_legal = jnp.min(jnp.where(legal, logits, high), axis=-1)
    most_legal = jnp.max(jnp.where(legal, logits, low), axis=-1)
    most_illegal = jnp.max(jnp.where(legal, low, logits), axis=-1)
    gap = jnp.mean(logits, axis=-1, where=legal) - jnp.mean(logits, axis=-1, where=~legal)
    entropy = -jnp.sum(jax.scipy.special.xlogy(targets, targets), axis=-1)
    cross = -jnp.sum(jnp.where(legal, targets * log_p, 0.0), axis=-1)
    nan = jnp.asarray(jnp.nan, logits.dtype)
    values = {
        "itr": jnp.sum(jnp.where(legal, 0.0, p), axis=-1),
        "tv": jnp.sum(jnp.abs(p - targets), axis=-1) / 2,
        "kl": jnp.maximum(cross - entropy, 0.0),
        "top1_illegal": (most_illegal >= most_legal).astype(logits.dtype),
        "log_spread": most_legal - least_legal,
        "displacement": jnp.where(some_illegal, gap, nan),
        "separation": jnp.where(some_illegal, least_legal - most_illegal, nan),
        "separated": jnp.where(
            some_illegal, (least_legal > most_illegal).astype(logits.dtype), nan
        ),
        "coverage": _coverage(logits, legal),
    }
    return {name: values[name] for name in METRICS}


def chance(
    targets: Float[Array | np.ndarray, "*batch vocab"],
) -> dict[str, Float[Array, "*batch"]]:
    """The metrics of `CHANCE` for a guess: every token equally probable, the order at random.

    A legal token is on top, and each of the |L| places is a legal one's, with probability |L| / v.

    **Arguments:** `targets`: the exact distribution of the next token.
    """
    targets = jnp.asarray(targets)
    values = measure(jnp.zeros_like(targets), targets, jnp.ones((), targets.dtype))
    share = jnp.mean((targets > 0).astype(targets.dtype), axis=-1)
    values |= {"top1_illegal": 1 - share, "coverage": share}
    return {name: values[name] for name in CHANCE}


def _coverage(
    logits: Float[Array, "*batch vocab"], legal: Bool[Array, "*batch vocab"]
) -> Float[Array, "*batch"]:
    """The share of the legal tokens among the first |L|, by falling logit and illegal before legal."""
    count = jnp.sum(legal, axis=-1)
    if logits.shape[-1] <= COUNTED:
        found = jnp.sum(legal & (_before(logits, legal) < count[..., None]), axis=-1)
    else:
        # Sorting by (-logit, legal) puts the illegal ones of a tie first.
        _, ordered = jax.lax.sort((-logits, legal.astype(count.dtype)), num_keys=2)
        place = jax.lax.broadcasted_iota(count.dtype, legal.shape, legal.ndim - 1)
        found = jnp.sum(jnp.where(place < count[..., None], ordered, 0), axis=-1)
    return found.astype(logits.dtype) / jnp.maximum(count, 1).astype(logits.dtype)


def _before(
    logits: Float[Array, "*batch vocab"], legal: Bool[Array, "*batch vocab"]
) -> Int[Array, "*batch vocab"]:
    """How many tokens come before each legal one; in a tie the illegal ones do, and smaller indices."""
    index = jnp.arange(logits.shape[-1])
    shape = (*logits.shape, logits.shape[-1])
    this, other = logits[..., :, None], logits[..., None, :]
    earlier = jnp.broadcast_to(index[None, :] < index[:, None], shape)
    first = jnp.where(jnp.broadcast_to(legal[..., None, :], shape), earlier, True)
    return jnp.sum((other > this) | ((other == this) & first), axis=-1)
