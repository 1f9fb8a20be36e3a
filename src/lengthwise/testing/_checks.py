"""What the suites share: comparisons with derived tolerances, components as data."""

import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._core import construct, describe
from ..training import tree_to_bytes


def same_up_to_rounding(got: Any, wanted: Any, *, operations: int) -> None:
    """Assert that two trees of arrays agree to the rounding of `operations` operations.

    The error of n operations is at most n eps times the size of what was added up, for which the
    largest entry of the tree's leaf (but at least 1) stands.
    """
    got, wanted = jax.tree.leaves(got), jax.tree.leaves(wanted)
    assert len(got) == len(wanted), f"{len(got)} leaves, but {len(wanted)} are wanted"
    for a, b in zip(got, wanted, strict=True):
        assert jnp.shape(a) == jnp.shape(b), f"shape {jnp.shape(a)}, but {jnp.shape(b)} is wanted"
        x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
        eps = max(float(jnp.finfo(z.dtype).eps) if _inexact(z) else 0.0 for z in (a, b))
        size = max(1.0, float(np.max(np.abs(y), initial=0.0)))
        np.testing.assert_allclose(x, y, rtol=0, atol=operations * eps * size)


def returns_from_json(component: Any) -> None:
    """Assert that `component` comes back from the text that a run's `config.json` holds."""
    again = construct(json.loads(json.dumps(describe(component))))
    assert type(again) is type(component)
    assert describe(again) == describe(component), "`construct(describe(x))` must give `x`"


def hyperparameters_only(component: Any) -> None:
    """Assert that `component` can be static in a jitted function: hashable, equal to its copy."""
    again = construct(describe(component))
    assert hash(again) == hash(component), "a component must be hashable by its fields"
    assert bool(again == component), "a component must equal another one with the same fields"


def same_bytes(got: Any, wanted: Any) -> None:
    """Assert that the arrays of two trees have the same names, shapes, dtypes and bytes."""
    assert tree_to_bytes(got) == tree_to_bytes(wanted), "the trees differ"


def finite(tree: Any) -> None:
    """Assert that a tree holds no NaN and no infinity."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_inexact_array)):
        assert np.isfinite(np.asarray(leaf)).all(), f"{jax.tree_util.keystr(path)} is not finite"


def stack(trees: list[Any]) -> Any:
    """Trees of one structure as one tree of stacked arrays."""
    return jax.tree.map(
        lambda *xs: jnp.asarray(np.stack(xs)) if eqx.is_array(xs[0]) else xs[0], *trees
    )


def _inexact(x: Any) -> bool:
    return jnp.issubdtype(jnp.asarray(x).dtype, jnp.inexact)
