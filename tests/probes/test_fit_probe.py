"""The solver of probes against Newton's method, and what its definition promises."""

import numpy as np
import pytest

import lengthwise as lw
from lengthwise.probes import ProbeConfig, fit_probe
from oracles import probes as oracle


EPS = 2.0**-24


def sample(samples=300, width=5, squares=2, seed=0):
    """Correlated features of very different sizes, and classes that depend on them."""
    rng = np.random.default_rng(seed)
    x = (
        rng.normal(size=(samples, width))
        @ rng.normal(size=(width, width))
        * 10.0 ** np.arange(width)
    )
    x = (x + 30).astype(np.float32)
    direction = rng.normal(size=(width, squares, 3)) / x.std(0)[:, None, None]
    noisy = np.tensordot(x - x.mean(0), direction, 1) + rng.gumbel(size=(samples, squares, 3))
    return x, np.argmax(noisy, axis=-1).astype(np.int8)


def logits(probe, x):
    return np.tensordot(x - probe.mean, probe.weight, 1) + probe.bias


@pytest.mark.parametrize("ridge", [1e-2, 1.0])
def test_the_optimum_is_that_of_newtons_method(ridge):
    x, classes = sample()
    found = fit_probe(x, classes, ProbeConfig(ridge=ridge, tolerance=1e-5))
    assert found.converged
    assert found.excess <= 1e-5 * 2
    wanted = [oracle.newton(x, classes[:, q], ridge) for q in range(2)]
    optimum = sum(value for _, value in wanted)
    # The loss is a float32 mean of 300 numbers below 8 whose logits are sums of 6 products.
    rounding = 300 * 8 * EPS
    assert -rounding <= found.loss - optimum <= found.excess + rounding
    # Strong convexity: |W - W*| <= |g| / ridge = sqrt(2 excess / ridge), times |z| for a logit; |z|^2 of
    # one sample is below the 300 * 6 that all of them have together.
    z = np.concatenate(
        [np.linalg.solve(np.linalg.cholesky(np.cov(x.T, bias=True)), (x - x.mean(0)).T)]
    )
    largest = np.sqrt((z**2).sum(0).max() + 1)
    allowed = largest * (np.sqrt(2 * found.excess / ridge) + 1e3 * EPS)
    for q, (theirs, _) in enumerate(wanted):
        assert np.abs(logits(found, x)[:, q] - theirs).max() <= allowed
    assert np.ptp(wanted[0][0]) > 20 * allowed, "a tolerance that any logits would pass"


def test_the_basis_of_the_features_does_not_matter():
    x, classes = sample()
    rng = np.random.default_rng(1)
    other = (x @ rng.normal(size=(5, 7)) + rng.normal(size=7)).astype(np.float32)
    config = ProbeConfig(tolerance=1e-4)
    one, two = fit_probe(x, classes, config), fit_probe(other, classes, config)
    assert abs(one.loss - two.loss) <= one.excess + two.excess + 300 * 8 * EPS
    assert (np.asarray(one(x)) == np.asarray(two(other))).mean() > 0.98
    assert one.converged
    assert two.converged


def test_features_that_never_vary_leave_the_most_frequent_class():
    classes = np.array([[0, 2], [1, 2], [1, 2], [1, 0]], np.int8)
    found = fit_probe(np.full((4, 3), 7.0, np.float32), classes, ProbeConfig(ridge=1e-4))
    np.testing.assert_array_equal(found(np.full((2, 3), 7.0, np.float32)), [[1, 2]] * 2)
    assert np.isfinite(found.loss)


def test_a_fit_that_was_cut_short_says_so():
    x, classes = sample()
    found = fit_probe(x, classes, ProbeConfig(iterations=1, tolerance=1e-6))
    assert not found.converged
    assert found.excess > 2e-6
    assert found.iterations == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("fit_games", 0), ("test_games", 0), ("iterations", 0), ("ridge", 0.0), ("tolerance", -1.0)],
)
def test_bad_configs_are_refused(field, value):
    with pytest.raises(lw.InputError, match=rf"`{field} >=? \d`.*{field}="):
        ProbeConfig(**{field: value})
