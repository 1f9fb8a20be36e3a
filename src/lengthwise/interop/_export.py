"""One set of weights with its config, for this library and for others."""

import pathlib
from typing import Any

from .._core import describe, whole_directory, write_bytes, write_json
from ..models import AbstractModel
from ..tasks import AbstractTask
from ..training import arrays_to_bytes, tree_to_bytes
from ._layout import expressible, their_arrays
from ._layouts import layout_named
from ._split import split_arrays
from ._vocabulary import squares_of, vocabulary_of


EXPORT_SCHEMA = 1
WEIGHTS = "weights.safetensors"
"""The file of the weights, beside `config.json`."""


def export_model(
    directory: str | pathlib.Path,
    model: AbstractModel,
    task: AbstractTask,
    *,
    layout: str = "lengthwise",
    weights: str = "raw",
    seen: int | None = None,
) -> dict[str, Any]:
    """Write a model to a new directory: `weights.safetensors` and `config.json`, whole or not at all.

    **Arguments:**

    - `directory`: must not exist, or be empty.
    - `model`: any for the layout `lengthwise`; for the others a `Transformer` that they can express.
    - `task`: what it was trained on; it says how tokens are numbered.
    - `layout`: `lengthwise`, `mingpt`, `transformer-lens` or `transformer-lens-4`. (Keyword only
      argument.)
    - `weights`: what they are called, such as the name of an average. (Keyword only argument.)
    - `seen`: the longest training length, if there was one. (Keyword only argument.)

    **Returns:** what `config.json` holds: `layout`, `weights`, `seen`, and `task` and `model` as
    components; for other tools `arguments`, which build the model there, and for Othello `squares`, the
    square of each of their tokens.

    **Raises:** `InputError` for a model or task that the layout cannot express, naming the fields.
    """
    about = {
        "schema": EXPORT_SCHEMA,
        "layout": layout,
        "weights": weights,
        "seen": seen,
        "task": describe(task),
        "model": describe(model.config),
    }
    if layout == "lengthwise":
        data = tree_to_bytes(model)
    else:
        data, more = _translated(layout, model, task)
        about |= more
    with whole_directory(pathlib.Path(directory)) as folder:
        write_bytes(folder / WEIGHTS, data)
        write_json(folder / "config.json", about)
    return about


def _translated(
    name: str, model: AbstractModel, task: AbstractTask
) -> tuple[bytes, dict[str, Any]]:
    layout, vocabulary = layout_named(name), vocabulary_of(task)
    transformer = expressible(layout, model)
    config, sizes = transformer.config, transformer.sizes
    arrays = split_arrays(transformer)
    arrays["embedding"] = vocabulary.spread_rows(arrays["embedding"])
    arrays["unembedding"] = vocabulary.spread_columns(arrays["unembedding"])
    constants = layout.constants(config.layers, sizes.max_len, vocabulary.size)
    theirs = their_arrays(layout, arrays, config) | constants
    arguments = layout.arguments(config, vocabulary=vocabulary.size, max_len=sizes.max_len)
    squares = squares_of(task)
    return arrays_to_bytes(theirs), {"arguments": arguments} | (
        {} if squares is None else {"squares": squares}
    )
