r"""Multinomial logistic regressions on one set of features, many at a time.

Of samples $x_i$ and classes $c_{iq}$ of every square $q$, with features $z$ that are $x$ whitened
(mean 0, covariance the identity, on the directions in which $x$ varies) beside a constant 1:

$$\min_W \sum_q \frac1n \sum_i -\log \mathrm{softmax}(W_q z_i)_{c_{iq}} + \frac\lambda2 \|W\|^2$$

The penalty is $\lambda / 2$ times the mean squared logits, so that the probe does not depend on the basis
or the scale of the features, and the problem is well conditioned. It is $\lambda$-strongly convex: the
optimum is unique, and a point whose gradient is $g$ is within $\|g\|^2 / 2 \lambda$ of it. That bound, not
a change between two steps, ends the fit (scipy's L-BFGS-B; loss and gradient in JAX, on whatever device).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float, Int, Int8

from .._core import require
from ._config import ProbeConfig


RELATIVE = 1e-10
"""A direction with less of the largest variance is rounding: 1e-5 of the size, float32 has 6e-8."""
MEMORY = 20
"""Pairs of steps that L-BFGS keeps."""


@dataclasses.dataclass(frozen=True)
class LinearProbe:
    """A linear function of a residual stream for every square and class, and how it was found.

    - `mean`, `weight`, `bias`: logits are `(x - mean) @ weight + bias`.
    - `loss`: at the end, with its penalty, nats summed over the squares.
    - `excess`: the loss is at most this far above the optimum.
    - `iterations`: steps of L-BFGS.
    - `converged`: whether `excess` came below the tolerance.
    """

    mean: Float[np.ndarray, " width"]
    weight: Float[np.ndarray, "width squares classes"]
    bias: Float[np.ndarray, "squares classes"]
    loss: float
    excess: float
    iterations: int
    converged: bool

    def __call__(
        self, x: Float[np.ndarray | Array, "*batch width"]
    ) -> Int[np.ndarray | Array, "*batch squares"]:
        """The most probable class of every square."""
        return _predict(self.mean, self.weight, self.bias, jnp.asarray(x))


def fit_probe(
    features: Float[np.ndarray, "samples width"],
    classes: Int8[np.ndarray, "samples squares"],
    config: ProbeConfig | None = None,
    *,
    count: int = 3,
) -> LinearProbe:
    """The linear probe of every square, all of them at once.

    **Arguments:**

    - `features`: the residual stream at one layer, a position a row.
    - `classes`: 0 to `count - 1`, what is to be read there, for every square.
    - `config`: ridge, tolerance and the most steps.
    - `count`: classes of a square. (Keyword only argument.)

    **Example:** `fit_probe(stream, boards)(stream)`, the classes that are read.
    """
    config = config or ProbeConfig()
    require(len(features) >= 1, "`samples >= 1`", "fit on some games", samples=len(features))
    squares = classes.shape[1]
    mean, whiten = _whitening(features)
    whitened = ((features.astype(np.float64) - mean) @ whiten).astype(np.float32)
    z = jnp.asarray(np.concatenate([whitened, np.ones((len(features), 1), np.float32)], axis=1))
    targets, ridge = jnp.asarray(classes), jnp.float32(config.ridge)
    shape = (z.shape[1], squares, count)
    wanted, seen = config.tolerance * squares, {"excess": np.inf, "loss": np.inf}

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = jnp.asarray(flat.reshape(shape), jnp.float32)
        value, gradient = _loss_and_gradient(w, z, targets, ridge)
        gradient = np.asarray(gradient, np.float64).ravel()
        seen["loss"] = float(value)
        seen["excess"] = float(gradient @ gradient) / (2 * config.ridge)
        return seen["loss"], gradient

    def enough(_: np.ndarray) -> None:  # the last point looked at is the one that was accepted
        if seen["excess"] <= wanted:
            raise StopIteration

    start = np.zeros(int(np.prod(shape)))
    options = {"maxcor": MEMORY, "maxiter": config.iterations, "maxfun": 10 * config.iterations}
    options |= {"ftol": 0.0, "gtol": 0.0}  # `enough` alone says when
    found = scipy.optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", callback=enough, options=options
    )
    loss, _ = objective(found.x)
    w = found.x.reshape(shape)
    return LinearProbe(
        mean.astype(np.float32),
        np.tensordot(whiten, w[:-1], axes=1).astype(np.float32),
        w[-1].astype(np.float32),
        loss,
        seen["excess"],
        int(found.nit),
        seen["excess"] <= wanted,
    )


def _whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and the matrix `(width, kept)` that makes the covariance the identity."""
    x = features.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    variances, directions = np.linalg.eigh(x.T @ x / len(x))
    kept = variances > max(RELATIVE * variances[-1], np.finfo(np.float64).tiny)
    return mean, directions[:, kept] / np.sqrt(variances[kept])


@jax.jit
@jax.value_and_grad
def _loss_and_gradient(
    w: Float[Array, "features squares classes"],
    z: Float[Array, "samples features"],
    classes: Int8[Array, "samples squares"],
    ridge: Float[Array, ""],
) -> Float[Array, ""]:
    logits = jnp.reshape(z @ jnp.reshape(w, (w.shape[0], -1)), (-1, *w.shape[1:]))
    chosen = jnp.take_along_axis(logits, classes[..., None].astype(jnp.int32), axis=-1)[..., 0]
    cross = jax.nn.logsumexp(logits, axis=-1) - chosen
    return jnp.sum(jnp.mean(cross, axis=0)) + ridge / 2 * jnp.sum(w**2)


@jax.jit
def _predict(mean: Array, weight: Array, bias: Array, x: Array) -> Array:
    centred = jnp.reshape(x, (-1, x.shape[-1])) - mean[None, :]
    logits = centred @ jnp.reshape(weight, (weight.shape[0], -1)) + jnp.ravel(bias)[None, :]
    return jnp.argmax(jnp.reshape(logits, (*x.shape[:-1], *bias.shape)), axis=-1)
