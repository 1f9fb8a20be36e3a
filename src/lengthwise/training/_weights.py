"""Trees of arrays as safetensors: named by their path, no pickle."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from .._core import InputError, StorageError, storage_errors, write_bytes


NOT_OF_NUMPY = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"}
"""Types of the format that NumPy cannot hold."""


def tree_to_bytes(tree: PyTree) -> bytes:
    """The arrays of `tree` in the safetensors format, each named by its path, as `blocks.0.mlp.up`."""
    return arrays_to_bytes(tree_to_arrays(tree))


def tree_to_arrays(tree: PyTree) -> dict[str, np.ndarray]:
    """The arrays of `tree` by name."""
    return {name: np.asarray(leaf) for name, leaf in _named(tree).items()}


def arrays_to_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """Named arrays in the safetensors format."""
    # Not `ascontiguousarray`, which gives a scalar an axis.
    return safetensors.numpy.save({n: np.asarray(a, order="C") for n, a in arrays.items()})


def arrays_from_bytes(data: bytes, *, source: str) -> dict[str, np.ndarray]:
    """The named arrays of `data`.

    **Raises:** `StorageError` if the data are cut short or damaged, `InputError` if they are of a dtype
    that NumPy has not.
    """
    try:
        dtypes = {about["dtype"] for _, about in safetensors.deserialize(data)}
        if foreign := sorted(dtypes & NOT_OF_NUMPY.keys()):
            raise InputError(
                f"`{source}` must hold numbers that NumPy has, but got "
                f"({', '.join(NOT_OF_NUMPY[name] for name in foreign)}): convert it to float32."
            )
        return safetensors.numpy.load(data)
    except InputError:  # a `ValueError` too
        raise
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise StorageError(
            f"`{source}` must be a whole safetensors file, but it is damaged ({error}): use another "
            "copy, or an earlier checkpoint."
        ) from None


def tree_from_bytes(data: bytes, like: PyTree, *, source: str) -> PyTree:
    """The tree with the structure of `like` and the arrays of `data`.

    **Raises:** `StorageError` if the data are cut short or damaged, `InputError` if they are of another
    tree: names, shapes or dtypes differ.
    """
    return tree_from_arrays(arrays_from_bytes(data, source=source), like, source=source)


def tree_from_arrays(arrays: dict[str, np.ndarray], like: PyTree, *, source: str) -> PyTree:
    """The tree with the structure of `like` and these arrays.

    **Raises:** `InputError` if they are of another tree: names, shapes or dtypes differ.
    """
    wanted = _named(like)
    if set(arrays) != set(wanted):
        missing, surplus = sorted(set(wanted) - set(arrays)), sorted(set(arrays) - set(wanted))
        raise InputError(
            f"`{source}` must hold the arrays of this config, but got (missing={missing[:3]}, "
            f"surplus={surplus[:3]}): load it with the config that it was written with."
        )
    for name, leaf in wanted.items():
        got, want = arrays[name], leaf
        if got.shape != want.shape or got.dtype != want.dtype:
            raise InputError(
                f"`{source}` must hold `{name}` as {want.dtype}{list(want.shape)}, but got "
                f"{got.dtype}{list(got.shape)}: load it with the config that it was written with."
            )
    leaves, structure = jax.tree.flatten(like)
    names = iter(wanted)
    loaded = [jnp.asarray(arrays[next(names)]) if _is_array(leaf) else leaf for leaf in leaves]
    return jax.tree.unflatten(structure, loaded)


def save_weights(path: str | pathlib.Path, model: PyTree) -> None:
    """Write a model's weights, atomically."""
    write_bytes(pathlib.Path(path), tree_to_bytes(model))


def load_weights(path: str | pathlib.Path, like: PyTree) -> PyTree:
    """`like` with the weights of the file; see `tree_from_bytes` for errors."""
    path = pathlib.Path(path)
    with storage_errors(path):
        data = path.read_bytes()
    return tree_from_bytes(data, like, source=str(path))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _named(tree: PyTree) -> dict[str, Any]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    keystr = jax.tree_util.keystr
    return {keystr(p, simple=True, separator="."): leaf for p, leaf in flat if _is_array(leaf)}
