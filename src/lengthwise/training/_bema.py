"""BEMA, the bias-corrected exponential moving average, in the conventions that exist."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._core import require
from ._average import AbstractAverage, interpolate


class Moves(NamedTuple):
    """What a convention does at step t: which trees move, and by how much."""

    anchor: Bool[Array, ""]  # theta_0 and the average become theta_t
    update: Bool[Array, ""]  # the average moves by beta, the value is made anew with alpha
    follow: Bool[Array, ""]  # the value is theta_t
    alpha: Float[Array, ""]
    beta: Float[Array, ""]


class BEMAState(eqx.Module):
    """The step counter t, the anchor theta_0, the average theta_EMA and the value theta_BEMA."""

    count: Int[Array, ""]
    anchor: PyTree[Array]
    average: PyTree[Array]
    corrected: PyTree[Array]


class BEMA(AbstractAverage):
    r"""Bias-corrected EMA: an average whose lag behind the weights is added back.

    $$\theta_{EMA} \gets (1 - \beta_t) \theta_{EMA} + \beta_t \theta_t, \qquad
      \theta_{BEMA} = \theta_{EMA} + \alpha_t (\theta_t - \theta_0)$$

    $$\alpha_t = (\rho + \gamma t)^{-\eta}, \qquad \beta_t = (\rho + \gamma t)^{-\kappa}$$

    with t the training step, one update every `phi` steps after the first `tau`, in which
    $\theta_0$ and the average follow $\theta_t$. (Block and Zhang, arXiv 2508.00180, algorithm 1;
    used by arXiv 2510.08341.) Published implementations differ; `convention` names which is meant:

    - `"paper"`: the equations above.
    - `"trl"`: `BEMACallback` of TRL 0.22 to 1.16. As the paper, but until the first update after
      `tau` its value stays at the initial weights.
    - `"authors-2025-06"`: the authors' online code of June 2025: $1 + \gamma \max(t - \tau + \rho, 1)$
      in place of $\rho + \gamma t$, updates where t is a multiple of `phi`, anchor at the first step
      from `tau` on.
    - `"authors-2025-12"`: the same file since December 2025: $\alpha_t = \gamma s^{-\eta}$ and
      $\beta_t = \gamma s^{-\kappa}$ with $s = 1 + \max(t - \rho, 0)$, updates where t + 1 is a multiple of
      `phi`, anchor at the initial weights whatever `tau`.
    - `"authors-offline"`: the authors' checkpoint averaging, $\beta_t = (1 + \gamma (t + \rho))^{-\kappa}$
      but at least 1e-4, $\alpha_t = (1 + t + \rho)^{-\eta}$ without $\gamma$, first update at step 1. Only
      for `tau = 0`: above it, their code overwrites theta_0.

    A long `phi` in a short run leaves most of the mass on the initial weights: a run reports it.
    """

    kappa: Any = 0.5
    eta: Any = 0.2
    gamma: Any = 1.0
    rho: Any = 10.0
    tau: Any = 0
    phi: Any = 1
    convention: str = eqx.field(static=True, default="paper")

    def __check_init__(self):
        require(
            self.convention in CONVENTIONS,
            f"`convention` in {tuple(CONVENTIONS)}",
            "name one of them",
            convention=self.convention,
        )
        for name, least in (
            ("kappa", 0),
            ("eta", 0),
            ("gamma", 0),
            ("rho", 0),
            ("tau", 0),
            ("phi", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, int | float):
                require(value >= least, f"`{name} >= {least}`", f"raise `{name}`", **{name: value})
        if self.convention == "authors-offline" and isinstance(self.tau, int | float):
            require(
                self.tau == 0,
                "`tau == 0` with the convention 'authors-offline'",
                "that code overwrites theta_0 at tau; use another convention",
                tau=self.tau,
            )

    def init(self, params: PyTree[Array]) -> BEMAState:
        """Everything is the initial weights."""
        return BEMAState(jnp.zeros((), jnp.int32), params, params, params)

    def update(self, state: BEMAState, params: PyTree[Array]) -> BEMAState:
        """One training step; the trees move as the convention says."""
        count = state.count + 1
        moves = CONVENTIONS[self.convention](self, count)
        anchor = _where(moves.anchor, params, state.anchor)
        average = _where(moves.anchor, params, state.average)
        average = _where(moves.update, interpolate(average, params, moves.beta), average)

        def correct(mean, theta, theta_0):
            return mean + moves.alpha.astype(mean.dtype) * (theta.astype(mean.dtype) - theta_0)

        corrected = jax.tree.map(correct, average, params, anchor)
        corrected = _where(moves.update, corrected, state.corrected)
        corrected = _where(moves.follow, params, corrected)
        return BEMAState(count, anchor, average, corrected)

    def value(self, state: BEMAState) -> PyTree[Array]:
        """theta_BEMA."""
        return state.corrected


def _paper(self: BEMA, t: Int[Array, ""]) -> Moves:
    tau, phi, s = _int(self.tau), _int(self.phi), _float(self.rho) + _float(self.gamma) * _float(t)
    burning = t <= tau
    update = ~burning & ((t - tau) % phi == 0)
    return Moves(burning, update, burning, _power(s, self.eta), _power(s, self.kappa))


def _trl(self: BEMA, t: Int[Array, ""]) -> Moves:
    tau, phi, s = _int(self.tau), _int(self.phi), _float(self.rho) + _float(self.gamma) * _float(t)
    update = (t > tau) & ((t - tau) % phi == 0)
    return Moves(t == tau, update, _no(t), _power(s, self.eta), _power(s, self.kappa))


def _authors_2025_06(self: BEMA, t: Int[Array, ""]) -> Moves:
    tau, phi = _int(self.tau), _int(self.phi)
    s = 1 + _float(self.gamma) * jnp.maximum(_float(t - tau) + _float(self.rho), 1.0)
    first = jnp.maximum(tau, 1)
    update = (t >= first) & (t % phi == 0)
    return Moves(t == first, update, _no(t), _power(s, self.eta), _power(s, self.kappa))


def _authors_2025_12(self: BEMA, t: Int[Array, ""]) -> Moves:
    tau, phi, gamma = _int(self.tau), _int(self.phi), _float(self.gamma)
    s = 1 + jnp.maximum(_float(t) - _float(self.rho), 0.0)
    update = (t >= tau) & ((t + 1) % phi == 0)
    alpha, beta = gamma * _power(s, self.eta), gamma * _power(s, self.kappa)
    return Moves(_no(t), update, _no(t), alpha, beta)


def _authors_offline(self: BEMA, t: Int[Array, ""]) -> Moves:
    lag = jnp.maximum(_float(t) + _float(self.rho), 1.0)
    beta = jnp.maximum(_power(1 + _float(self.gamma) * lag, self.kappa), 1e-4)
    update = (t - 1) % _int(self.phi) == 0
    return Moves(_no(t), update, _no(t), _power(1 + lag, self.eta), beta)


CONVENTIONS: dict[str, Callable[[BEMA, Int[Array, ""]], Moves]] = {
    "paper": _paper,
    "trl": _trl,
    "authors-2025-06": _authors_2025_06,
    "authors-2025-12": _authors_2025_12,
    "authors-offline": _authors_offline,
}
"""What `BEMA.convention` may be, with what each does at a step."""


def _power(s: Float[Array, ""], power: Any) -> Float[Array, ""]:
    return s ** -_float(power)


def _where(condition: Bool[Array, ""], new: PyTree[Array], old: PyTree[Array]) -> PyTree[Array]:
    return jax.tree.map(lambda x, y: jnp.where(condition, x.astype(y.dtype), y), new, old)


def _int(x: Any) -> Int[Array, ""]:
    return jnp.asarray(x).astype(jnp.int32)


def _float(x: Any) -> Float[Array, ""]:
    return jnp.asarray(x).astype(float)


def _no(t: Int[Array, ""]) -> Bool[Array, ""]:
    return jnp.zeros_like(t, bool)
