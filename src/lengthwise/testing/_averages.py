"""Conformance of an average: linear, affine, scanned, vmapped, saved, and never compiled twice."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .._core import InputError
from ..training import AbstractAverage, average_name, tree_from_bytes, tree_to_bytes
from ._checks import returns_from_json, same_bytes, same_up_to_rounding, stack


STEPS = 24
OPERATIONS = 8 * STEPS
"""At most eight roundings a step."""


class AverageSuite:
    """Subclass it and supply the fixture `average`: an `AbstractAverage` instance.

    ```python
    class TestWindow(AverageSuite):
        @pytest.fixture(params=[Window(4), Window(100)], ids=str)
        def average(self, request):
            return request.param
    ```

    What the suite cannot know is the average itself: compare it with an explicit weighted sum.
    """

    @pytest.fixture
    def average(self) -> AbstractAverage:
        """The instance under test."""
        raise NotImplementedError("Supply the fixture `average` in a subclass.")

    @pytest.fixture
    def traced(self, average: AbstractAverage) -> AbstractAverage:
        """The instance as training sees it: every number an array."""
        return _traced(average)

    @pytest.fixture
    def walk(self) -> dict[str, jax.Array]:
        """Weights before and after each of `STEPS` steps."""
        return _walk(0)

    def test_returns_from_json(self, average):
        """A run directory can hold it, under a name that a file can have."""
        returns_from_json(average)
        assert not set(average_name(average)) & set("/\\ :\n")

    def test_shapes_dtypes_and_structure_are_stable(self, traced, walk):
        """The state can be carried by a scan; the value has the weights' shapes and dtypes."""
        params = _at(walk, 0)
        params["half"] = params["b"].astype(jnp.float16)
        state = traced.init(params)
        describe = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype.name), tree)
        for _ in range(3):
            new = eqx.filter_jit(traced.update)(state, params)
            assert jax.tree.structure(new) == jax.tree.structure(state)
            assert describe(new) == describe(state)
            assert describe(traced.value(new)) == describe(params)
            state = new

    def test_value_before_any_step_is_the_initial_weights(self, traced, walk):
        """No update yet, nothing to average."""
        same_bytes(traced.value(traced.init(_at(walk, 0))), _at(walk, 0))

    def test_scan_equals_loop(self, traced, walk):
        """One compiled scan of steps is the steps one after another."""
        state = traced.init(_at(walk, 0))
        update = eqx.filter_jit(traced.update)
        for t in range(1, STEPS + 1):
            state = update(state, _at(walk, t))
        same_up_to_rounding(_final(traced, walk), traced.value(state), operations=OPERATIONS)

    def test_constant_weights_are_a_fixed_point(self, traced, walk):
        """The coefficients of all weights sum to one."""
        constant = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), walk)
        same_up_to_rounding(_final(traced, constant), _at(walk, 0), operations=OPERATIONS)

    def test_linear_in_the_weights(self, traced, walk):
        """So the mass of the initial weights can be tracked by the same code."""
        other = _walk(1)
        mixed = jax.tree.map(lambda x, y: 2 * x - 3 * y, walk, other)
        parts = _final(traced, walk), _final(traced, other)
        wanted = jax.tree.map(lambda x, y: 2 * x - 3 * y, *parts)
        # The factors are integers below 4, so rounding grows by no more than their sum, 5.
        same_up_to_rounding(_final(traced, mixed), wanted, operations=5 * OPERATIONS)

    def test_leaves_are_averaged_alike(self, traced, walk):
        """Each entry on its own: the tree's structure does not matter."""
        alone = _final(traced, {"b": walk["b"]})
        same_up_to_rounding(alone["b"], _final(traced, walk)["b"], operations=OPERATIONS)

    def test_numbers_are_traced(self, traced, walk):
        """Other hyperparameters cost no compilation."""
        _final(traced, walk)
        before = eqx.debug.get_num_traces(_final)
        for factor in (0.5, 0.25):
            # Arrays, so that `__check_init__` has nothing to say: only the trace counts.
            _final(jax.tree.map(lambda x, f=factor: f * x, traced), walk)
        assert eqx.debug.get_num_traces(_final) == before, "each number is compiled anew"

    def test_traced_numbers_give_what_static_ones_give(self, average, traced, walk):
        """An instance with plain numbers is the same average."""
        same_up_to_rounding(_final(average, walk), _final(traced, walk), operations=OPERATIONS)

    def test_vmapped_population_equals_loop(self, traced, walk):
        """`vmap` over stacked hyperparameters and weights gives what each member gives alone."""
        members = [traced, traced]
        walks = [walk, _walk(1)]
        got = eqx.filter_jit(eqx.filter_vmap(_run))(stack(members), stack(walks))
        wanted = stack([_final(a, w) for a, w in zip(members, walks, strict=True)])
        same_up_to_rounding(got, wanted, operations=OPERATIONS)

    def test_state_returns_from_bytes(self, traced, walk):
        """A checkpoint holds the state: going on from it gives the same bytes."""
        update = eqx.filter_jit(traced.update)
        state = update(traced.init(_at(walk, 0)), _at(walk, 1))
        blank = traced.init(_at(_walk(1), 0))
        again = tree_from_bytes(tree_to_bytes(state), blank, source="test")
        same_bytes(again, state)
        same_bytes(update(again, _at(walk, 2)), update(state, _at(walk, 2)))

    def test_state_of_other_weights_is_refused(self, traced, walk):
        """A checkpoint of another model does not pass for this one."""
        data = tree_to_bytes(traced.init({"b": walk["b"][0]}))
        with pytest.raises(InputError, match="must hold"):
            tree_from_bytes(data, traced.init(_at(walk, 0)), source="test")


def _walk(seed: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    walk = lambda *shape: jnp.asarray(np.cumsum(rng.normal(size=shape), axis=0), jnp.float32)
    return {"w": walk(STEPS + 1, 2, 3), "b": walk(STEPS + 1, 3)}


def _at(walk: dict[str, jax.Array], step: int) -> dict[str, jax.Array]:
    return {name: x[step] for name, x in walk.items()}


def _traced(average: Any) -> Any:
    to_array = lambda x: jnp.asarray(x, float) if isinstance(x, int | float) else x
    return jax.tree.map(to_array, average)


def _run(average: Any, walk: dict[str, jax.Array]) -> Any:
    first = jax.tree.map(lambda x: x[0], walk)
    later = jax.tree.map(lambda x: x[1:], walk)
    step = lambda state, params: (average.update(state, params), None)
    state, _ = jax.lax.scan(step, average.init(first), later)
    return average.value(state)


_final = eqx.filter_jit(eqx.debug.assert_max_traces(_run, max_traces=None))
