r"""How near to the floors models of too few dimensions come: many of them, optimised at once.

The models of `_floors`, on the inputs of lengths 1 and 2: after x and the last token q,
$f = B[q] + a D[x] + (1 - a) D[q]$ with B = E U and D = X Y U. E has d columns, U has d rows, and the
product X Y goes through $d_v$ dimensions into d. The share a(x, q) is a free number in (0, 1), as keys
of dimension v give it: so every model of one head without positions is covered.

Weights are optimised by Adam on smoothed maxima, in float32, and then measured exactly, in float64. What is
found is an upper bound of the least error, beside the floor, which is a lower bound.
"""

import dataclasses
import itertools as it
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._core import require
from ._floors import floor_table
from ._from_matrices import from_matrices
from ._one_layer import OneLayer


Quantity = Literal["spread / m_mid", "tv"]
Weights = dict[str, Any]
LOST = 3
"""Directions that the weakest start from the construction loses first."""


class Shape(NamedTuple):
    """Dimensions d and d_v of a model, and up to which length its inputs count: 1 or 2."""

    width: int
    value_dim: int
    longest: int


@dataclasses.dataclass(frozen=True)
class Approach:
    """The least error that was found of models of one shape.

    - `floor`: the largest floor of these inputs; 0 where the dimensions suffice.
    - `from_random`, `from_construction`: the least error by how the models began; infinite where none
      has a legal logit above all illegal ones.
    - `layer`: the best model of all, to certify or take apart.
    """

    shape: Shape
    floor: float
    from_random: float
    from_construction: float
    layer: OneLayer = dataclasses.field(repr=False)

    @property
    def found(self) -> float:
        """The least error of all."""
        return min(self.from_random, self.from_construction)

    @property
    def ratio(self) -> float | None:
        """The least error over the floor; None where that is 0."""
        return self.found / self.floor if self.floor else None


def approach_floors(
    vocab: int,
    quantity: Quantity,
    shapes: Sequence[Shape],
    *,
    steps: int = 1500,
    random: int = 16,
    constructed: int = 8,
    seed: int = 0,
) -> list[Approach]:
    """The least error of optimised models of each shape, all in one program.

    **Arguments:**

    - `vocab`: v, at least 4.
    - `quantity`: the error, one of these of `floor_table`, the largest over the inputs.
    - `shapes`: of one head; d and d_v at most v.
    - `steps`: of Adam. (Keyword only, as all that follow.)
    - `random`, `constructed`: how many models of each shape begin at random weights, and at those of the
      construction without some of its directions.
    - `seed`: of all starts.

    **Example:** `approach_floors(5, "tv", [Shape(3, 3, longest=1)])[0].ratio`
    """
    require(vocab >= 4, "`vocab >= 4`", "there are no floors below", vocab=vocab)
    known = get_args(Quantity)
    require(quantity in known, f"`quantity` in {known}", "choose one", quantity=quantity)
    require(
        steps >= 1 and len(shapes) >= 1,
        "A step and a shape at least",
        "give some",
        steps=steps,
        shapes=len(shapes),
    )
    for shape in shapes:
        require(
            1 <= shape.width <= vocab and 1 <= shape.value_dim <= vocab and shape.longest in (1, 2),
            "Dimensions from 1 to `vocab`, and inputs up to length 1 or 2",
            "choose such a shape",
            vocab=vocab,
            shape=tuple(shape),
        )
    require(
        random >= 1 and constructed >= 1,
        "A model of each kind",
        "start some",
        random=random,
        constructed=constructed,
    )
    rng, each = np.random.default_rng(seed), random + constructed
    starts, masks = [], []
    for shape in shapes:
        for i in range(each):
            starts.append(_start(vocab, i >= random, rng))
            masks.append(_mask(vocab, shape))
    longest = np.repeat([shape.longest for shape in shapes], each)
    weights = _optimised(_stack(starts), _stack(masks), longest, vocab, quantity, steps)
    members = [{name: value[i] for name, value in weights.items()} for i in range(len(longest))]
    errors = [_error(one, vocab, int(n), quantity) for one, n in zip(members, longest, strict=True)]
    found = []
    for i, shape in enumerate(shapes):
        own = errors[i * each : (i + 1) * each]
        best = _layer(members[i * each + int(np.argmin(own))])
        least = min(own[:random]), min(own[random:])
        found.append(Approach(shape, _floor(vocab, shape, quantity), *least, best))
    return found


def _inputs(vocab: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of every input of length 1 (they are the same) and 2."""
    pairs = [(x, x) for x in range(vocab)] + list(it.permutations(range(vocab), 2))
    first, last = np.array(pairs).T
    return first, last


def _logits(weights: Weights, vocab: int, xp: Any) -> Any:
    """`(inputs, v)`, by NumPy or by JAX."""
    first, last = _inputs(vocab)
    b = weights["E"] @ weights["U"]
    d = weights["X"] @ weights["Y"] @ weights["U"]
    a = (1 / (1 + xp.exp(-weights["A"])))[first, last][:, None]
    return b[last] + a * d[first] + (1 - a) * d[last]


def _measures(f: Any, vocab: int, highest: Callable[[Any], Any], xp: Any) -> tuple[Any, Any, Any]:
    """Spread, m_mid and TV of each input; `highest` is the maximum over tokens, or a smooth one."""
    first, last = _inputs(vocab)
    given = (np.eye(vocab)[first] + np.eye(vocab)[last]) > 0
    invalid = xp.asarray(given)
    low = -highest(xp.where(invalid, -1e9, -f))
    high = highest(xp.where(invalid, -1e9, f))
    margin = (low + high) / 2 - highest(xp.where(invalid, f, -1e9))
    p = xp.exp(f - xp.max(f, axis=1, keepdims=True))
    p = p / xp.sum(p, axis=1, keepdims=True)
    target = xp.asarray(~given / np.sum(~given, axis=1, keepdims=True))
    return high - low, margin, xp.sum(xp.abs(p - target), axis=1) / 2


def _start(vocab: int, constructed: bool, rng: np.random.Generator) -> Weights:
    """Weights at random, or the construction (B = -P / 2, D = -P) on fewer directions, perturbed."""
    noise = {name: rng.normal(size=(vocab, vocab)) for name in "EUXYA"}
    if not constructed:
        return {name: value / np.sqrt(vocab) for name, value in noise.items()}
    signs = rng.permuted(np.resize([1.0, -1.0], (LOST, vocab)), axis=1)
    signs = signs + 0.1 * rng.normal(size=(LOST, vocab))
    lost = signs if rng.random() < 0.5 else rng.normal(size=(LOST, vocab))
    # Columns: what stays of the centred space, then the directions lost first, then the constants.
    rows = np.vstack([np.ones(vocab), lost, rng.normal(size=(vocab, vocab))])
    q = np.linalg.qr(rows.T)[0][:, :vocab][:, ::-1]
    weights = {"E": -0.5 * q, "U": 3 * q.T, "X": -q, "Y": np.eye(vocab)}
    weights["A"] = np.ones((vocab, vocab))
    return {name: weights[name] + 0.03 * noise[name] for name in weights}


def _mask(vocab: int, shape: Shape) -> Weights:
    """1 where a model of this shape has weights."""
    keep, values = (np.arange(vocab) < n for n in (shape.width, shape.value_dim))
    mask = {"E": keep[None], "U": keep[:, None], "X": values[None], "A": np.array(True)}
    mask["Y"] = values[:, None] & keep[None]
    return {name: np.broadcast_to(one, (vocab, vocab)) for name, one in mask.items()}


def _optimised(
    starts: Weights, masks: Weights, longest: np.ndarray, vocab: int, quantity: str, steps: int
) -> Weights:
    """Every model at once, in float64, without what the masks take away."""
    first, last = _inputs(vocab)
    counted = jnp.asarray((first == last)[None] | (longest == 2)[:, None])
    sharp, sharpest = (0.1, 3e-4) if quantity == "tv" else (0.3, 3e-3)

    def loss(weights: Weights, mask: Weights, counts: Any, tau: Any) -> Any:
        f = _logits({name: w * mask[name] for name, w in weights.items()}, vocab, jnp)
        over_tokens = lambda x: tau * jax.nn.logsumexp(x / tau, axis=1)
        over_inputs = lambda x: jax.nn.logsumexp(jnp.where(counts, x / tau, -1e9))
        if quantity == "tv":
            return jnp.log(tau * over_inputs(_measures(f, vocab, over_tokens, jnp)[2]))
        spread, margin, _ = _measures(f / jnp.std(f), vocab, over_tokens, jnp)
        eta, mid = tau * over_inputs(spread), -tau * over_inputs(-margin)
        return jnp.log(eta) - jnp.log(jax.nn.softplus(20 * mid))

    adam = optax.adam(optax.cosine_decay_schedule(0.05, steps, 1e-3))
    each = jax.vmap(loss, (0, 0, 0, None))
    total = lambda weights, tau: jnp.sum(each(weights, masks, counted, tau))

    @jax.jit
    def run(weights: Weights) -> Weights:
        def step(carry: Any, i: Any) -> Any:
            weights, state = carry
            gradient = jax.grad(total)(weights, sharp * (sharpest / sharp) ** (i / steps))
            # Optax mixes dtypes in Adam's bias correction, which strict promotion forbids.
            with jax.numpy_dtype_promotion("standard"):
                updates, state = adam.update(gradient, state)
            return (optax.apply_updates(weights, updates), state), None

        return jax.lax.scan(step, (weights, adam.init(weights)), jnp.arange(steps))[0][0]

    return {name: np.asarray(w, np.float64) * masks[name] for name, w in run(starts).items()}


def _error(weights: Weights, vocab: int, longest: int, quantity: str) -> float:
    """The largest error over the inputs that count, exactly."""
    counted = slice(None) if longest == 2 else slice(vocab)
    exact = lambda x: np.max(x, axis=1)
    found = _measures(_logits(weights, vocab, np), vocab, exact, np)
    spread, margin, tv = (one[counted] for one in found)
    if quantity == "tv":
        return float(np.max(tv))
    return float(np.max(spread) / np.min(margin)) if np.min(margin) > 0 else float("inf")


def _layer(weights: Weights) -> OneLayer:
    scores = weights["A"].T.copy()  # row: the last token; its own score is 0
    np.fill_diagonal(scores, 0.0)
    return from_matrices(
        weights["E"] @ weights["U"], scores, weights["X"] @ weights["Y"] @ weights["U"]
    )


def _floor(vocab: int, shape: Shape, quantity: str) -> float:
    rows = floor_table(vocab, shape.width, (shape.value_dim,))
    known = [r for r in rows if r.quantity == quantity and r.lengths[-1] <= shape.longest]
    return float(max(row.floor or 0.0 for row in known))


def _stack(trees: Sequence[Weights]) -> Weights:
    return {name: np.stack([t[name] for t in trees]).astype(np.float32) for name in trees[0]}
