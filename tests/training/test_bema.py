"""BEMA in every convention: golden values, reference code, weighted sums and the initial mass."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lengthwise as lw
from lengthwise.training import CONVENTIONS
from oracles import averages, bema as oracle


EPS = float(np.finfo(np.float32).eps)
SETTING = {"kappa": 0.5, "eta": 0.2, "gamma": 1.0, "rho": 10, "tau": 4, "phi": 2}
GOLDEN = {
    "paper": [1, 2, 3, 4, 4, 5.6487, 5.6487, 7.5689, 7.5689, 9.6660],
    "trl": [0, 0, 0, 0, 0, 5.6487, 5.6487, 7.5689, 7.5689, 9.6660],
    "authors-2025-06": [0, 0, 0, 4, 4, 5.7521, 5.7521, 7.7715, 7.7715, 9.9538],
    "authors-2025-12": [0, 0, 0, 0, 10, 10, 14, 14, 18, 18],
}
LONG = 10_000


@eqx.filter_jit
@eqx.debug.assert_max_traces(max_traces=None)
def scan(average, thetas):
    """(value, average part) after each step."""

    def step(state, theta):
        state = average.update(state, theta)
        return state, (average.value(state), state.average)

    return jax.lax.scan(step, average.init(thetas[0]), thetas[1:])[1]


def values(convention, thetas, **setting):
    traced = jax.tree.map(jnp.float32, lw.BEMA(**setting, convention=convention))
    return [np.asarray(x, np.float64) for x in scan(traced, jnp.asarray(thetas, jnp.float32))]


def test_every_convention_has_a_reference():
    assert set(CONVENTIONS) == set(oracle.REFERENCES)


@pytest.mark.parametrize("convention", GOLDEN)
def test_golden_values_of_the_published_code(convention):
    thetas = [float(t) for t in range(11)]
    reference = oracle.REFERENCES[convention](thetas, **SETTING)
    # The golden values were noted with four decimals.
    np.testing.assert_allclose(reference, GOLDEN[convention], atol=5.1e-5)
    np.testing.assert_allclose(
        values(convention, thetas, **SETTING)[0], reference, atol=80 * EPS * 18
    )


@pytest.mark.parametrize("convention", oracle.REFERENCES)
@given(
    kappa=st.floats(0.1, 0.9),
    eta=st.floats(0.1, 0.9),
    gamma=st.floats(0.1, 1.0),
    rho=st.integers(1, 20),
    tau=st.integers(0, 8),
    phi=st.integers(1, 6),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_equals_the_reference(convention, kappa, eta, gamma, rho, tau, phi, seed):
    if convention == "authors-offline":
        tau = 0
    thetas = np.random.default_rng(seed).normal(size=21).astype(np.float32)
    setting = dict(kappa=kappa, eta=eta, gamma=gamma, rho=rho, tau=tau, phi=phi)
    reference = oracle.REFERENCES[convention](thetas.tolist(), **setting)
    # 20 steps of at most 8 roundings, of numbers up to 3 max |theta| (the average and alpha <= 1
    # times a difference); powers carry 4 eps (s^-kappa = exp(-kappa log s), log s <= 4).
    atol = 20 * (8 + 4) * EPS * 3 * float(np.abs(thetas).max())
    np.testing.assert_allclose(
        values(convention, thetas, **setting)[0], reference, rtol=0, atol=atol
    )


@pytest.mark.parametrize(("tau", "phi"), [(0, 1), (0, 3), (5, 1), (5, 4)])
def test_paper_equals_its_weighted_sum(tau, phi):
    setting = SETTING | {"tau": tau, "phi": phi}
    thetas = np.random.default_rng(1).normal(size=21).astype(np.float32)
    got_value, got_average = values("paper", thetas, **setting)
    for t in range(1, 21):
        parts = averages.bema_paper_weights(t, **setting)
        for weights, got in zip(parts, (got_average[t - 1], got_value[t - 1]), strict=True):
            assert sum(weights) == pytest.approx(1, abs=1e-12)
            wanted = averages.weighted_sum(weights, thetas[: t + 1].tolist())
            assert abs(got - wanted) <= 12 * t * EPS * 3 * np.abs(thetas).max()


@pytest.mark.parametrize("convention", ["trl", "paper"])
@pytest.mark.parametrize(
    ("phi", "average_mass", "value_mass"),
    [(400, 0.647, 0.489), (100, 0.154, None), (1, 2e-86, None)],
)
def test_mass_on_the_initial_weights_after_10_000_steps(convention, phi, average_mass, value_mass):
    """Theory, section 6: with t the global step, rare updates leave theta_0 in the average."""
    mass = np.zeros(LONG + 1)
    mass[0] = 1.0
    value, average = (x[-1] for x in values(convention, mass, phi=phi))
    steps = np.arange(phi, LONG + 1, phi, dtype=np.float64)
    log_mass = np.sum(np.log1p(-((10 + steps) ** -0.5)))  # the product of 1 - beta_t
    alpha = (10 + steps[-1]) ** -0.2
    # The closed form agrees with the numbers of the theory (3 digits; the smallest has one).
    assert np.exp(log_mass) == pytest.approx(average_mass, rel=0.3 if phi == 1 else 5e-3)
    # One factor rounds 1 - beta (eps / 2) and a product: 3 eps a step. Below float32's smallest
    # number the average is zero.
    rtol = 3 * len(steps) * EPS
    np.testing.assert_allclose(average, np.exp(log_mass), rtol=rtol, atol=1e-37)
    np.testing.assert_allclose(value, np.exp(log_mass) - alpha, atol=rtol + 12 * EPS)
    if value_mass is not None:
        assert value == pytest.approx(value_mass, abs=5e-4)


def test_hyperparameters_are_traced():
    thetas = jnp.arange(12.0)
    before = eqx.debug.get_num_traces(scan)
    for kappa, tau, phi in ((0.5, 0, 1), (0.3, 2, 3), (0.9, 5, 2)):
        average = jax.tree.map(jnp.float32, lw.BEMA(kappa=kappa, tau=tau, phi=phi))
        scan(average, thetas)
    assert eqx.debug.get_num_traces(scan) == before + 1


def test_conventions_differ():
    thetas = np.random.default_rng(2).normal(size=21)
    setting = SETTING | {"tau": 0}
    found = {tuple(values(name, thetas, **setting)[0].tolist()) for name in CONVENTIONS}
    # At tau = 0 the paper and TRL are the same algorithm.
    assert len(found) == len(CONVENTIONS) - 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"convention": "mine"}, r"`convention` in .*'paper'.*convention='mine'"),
        ({"kappa": -0.1}, r"`kappa >= 0`.*kappa=-0.1"),
        ({"eta": -1}, r"`eta >= 0`"),
        ({"gamma": -1.0}, r"`gamma >= 0`"),
        ({"rho": -1}, r"`rho >= 0`"),
        ({"tau": -1}, r"`tau >= 0`"),
        ({"phi": 0}, r"`phi >= 1`.*phi=0"),
        ({"tau": 2, "convention": "authors-offline"}, r"`tau == 0` with.*tau=2"),
    ],
)
def test_bad_settings_are_refused(fields, words):
    with pytest.raises(lw.InputError, match=words):
        lw.BEMA(**fields)
