"""EMA and PowerEMA against explicit weighted sums; every shipped average conforms."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import lengthwise as lw
from lengthwise.testing import AverageSuite
from lengthwise.training import average_name
from oracles import averages as oracle


STEPS = 30


class TestShippedAveragesConform(AverageSuite):
    @pytest.fixture(
        params=[
            lw.NoAverage(),
            lw.EMA(0.9),
            lw.PowerEMA(),
            lw.BEMA(),
            lw.BEMA(tau=3, phi=4, convention="trl"),
            lw.BEMA(phi=4, rho=5.0, convention="authors-2025-12"),
        ],
        ids=average_name,
    )
    def average(self, request):
        return request.param


def run(average, thetas):
    """Values after each step, one scalar weight and one array in a loop."""
    state = average.init(jnp.asarray(thetas[0], jnp.float32))
    values = []
    for theta in thetas[1:]:
        state = average.update(state, jnp.asarray(theta, jnp.float32))
        values.append(float(average.value(state)))
    return values


def check(average, weights_of):
    thetas = np.random.default_rng(0).normal(size=STEPS + 1).astype(np.float32).tolist()
    size = max(abs(x) for x in thetas)
    for t, value in enumerate(run(average, thetas), start=1):
        wanted = oracle.weighted_sum(weights_of(t), thetas[: t + 1])
        # At most 8 roundings a step (the share, two products, a sum), of numbers up to `size`.
        assert abs(value - wanted) <= 8 * t * np.finfo(np.float32).eps * size


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_ema_equals_its_weighted_sum(decay):
    check(lw.EMA(decay), lambda t: oracle.ema_weights(t, decay))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 6.94])
def test_power_ema_equals_its_weighted_sum(gamma):
    check(lw.PowerEMA(gamma), lambda t: oracle.power_ema_weights(t, gamma))


def test_no_average_is_the_newest():
    thetas = [1.0, 2.0, -3.0]
    assert run(lw.NoAverage(), thetas) == thetas[1:]


@given(st.floats(0, 0.999), st.integers(1, STEPS))
def test_ema_weights_sum_to_one(decay, steps):
    """The oracle itself: its coefficients are an average."""
    assert sum(oracle.ema_weights(steps, decay)) == pytest.approx(1, abs=1e-12)
    assert sum(oracle.power_ema_weights(steps, 10 * decay)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_ema_leaves_the_mass_of_the_formula_on_the_initial_weights(decay):
    mass = run(lw.EMA(decay), [1.0] + [0.0] * STEPS)
    eps = float(np.finfo(np.float32).eps)
    # The decay, 1 - share and the product are rounded: relative errors of eps / 2 / d, twice, and
    # eps / 2, with d >= 1/2: less than 4 eps a step.
    wanted = [decay**t for t in range(1, STEPS + 1)]
    np.testing.assert_allclose(mass, wanted, rtol=4 * STEPS * eps)


def test_power_ema_forgets_the_initial_weights_at_once():
    assert run(lw.PowerEMA(), [1.0] + [0.0] * STEPS) == [0.0] * STEPS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lw.EMA(1.0), r"`0 <= decay < 1` must hold, but got \(decay=1.0\)"),
        (lambda: lw.EMA(-0.1), r"decay=-0.1"),
        (lambda: lw.PowerEMA(-1.0), r"`gamma >= 0`.*gamma=-1.0"),
    ],
)
def test_bad_averages_are_refused(make, words):
    with pytest.raises(lw.InputError, match=words):
        make()


def test_names_tell_what_differs_from_the_default():
    assert average_name(lw.EMA(0.99)) == "EMA_decay0.99"
    assert average_name(lw.PowerEMA()) == "PowerEMA"
    assert average_name(lw.BEMA(phi=4, convention="trl")) == "BEMA_phi4_conventiontrl"
