"""A model and its task from a file of this library or of another."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np

from .._core import InputError, StorageError, construct, read_json, storage_errors
from ..models import AbstractModel, Transformer, TransformerConfig, mingpt_config
from ..tasks import AbstractTask
from ..training import arrays_from_bytes, tree_from_bytes
from ._export import EXPORT_SCHEMA, WEIGHTS
from ._layout import AbstractLayout, count_blocks, our_arrays, their_arrays
from ._layouts import layout_with
from ._split import merged_model, split_arrays
from ._torch import ENDINGS, read_torch
from ._vocabulary import task_of, vocabulary_of


class Imported(NamedTuple):
    """What was read.

    - `model`, `task`: ready for `evaluate`.
    - `weights`: what they are called.
    - `layout`: how they were stored.
    - `seen`: the longest training length; that of the task where nothing says another.
    """

    model: AbstractModel
    task: AbstractTask
    weights: str
    layout: str
    seen: int


def import_model(
    source: str | pathlib.Path,
    *,
    task: AbstractTask | None = None,
    heads: int | None = None,
    gelu: str | None = None,
    seen: int | None = None,
    torch_python: str | None = None,
) -> Imported:
    """Read one set of weights: our own, OthelloGPT's minGPT, or TransformerLens.

    **Arguments:**

    - `source`: a directory of `export_model`, or with `weights.safetensors` and a `config.json` of the
      arguments of the other tool; or a `.safetensors`, `.ckpt`, `.pt` or `.pth` alone.
    - `task`: what it was trained on; Othello on the board of this vocabulary by default. (Keyword
      only argument, as all below.)
    - `heads`, `gelu` ("exact" or "tanh"): where neither the arrays nor a config say.
    - `seen`: the longest training length, where no config says.
    - `torch_python`: an interpreter with PyTorch, for its checkpoints; this one by default.

    **Raises:** `InputError` for another vocabulary or shape, naming the array or the field;
    `StorageError` for a file that is missing, cut short or damaged.
    """
    path = pathlib.Path(source)
    about, arguments = _about(path)
    data, file = _data(path, torch_python)
    if about:
        task = _settled("task", task, construct(about["task"]), file)
        seen = _settled("seen", seen, about["seen"], file)
    if about and about["layout"] == "lengthwise":
        assert task is not None
        like = construct(about["model"]).build(task.sizes, key=jr.key(0))
        model, name = tree_from_bytes(data, like, source=file), "lengthwise"
    else:
        arrays = arrays_from_bytes(data, source=file)
        layout = layout_with(set(arrays), source=file)
        arguments = {n: value for n, value in arguments.items() if value is not None}
        # Other tools have no word for them, and weights do not show them.
        kept = construct(about["model"]).activations if about else "float32"
        given = task, heads, gelu, kept
        model, task = _translated(layout, arrays, arguments, *given, source=file)
        name = layout.name
    longest = task.lengths()[-1]
    if seen is not None and seen not in task.lengths():
        raise InputError(
            f"`{task.lengths()[0]} <= seen <= {longest}` must hold, but got ({seen=}): give the longest "
            "training length."
        )
    weights = about.get("weights", "raw")
    return Imported(model, task, weights, name, longest if seen is None else seen)


def _about(path: pathlib.Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `config.json` of an export, or nothing, and the arguments of another tool."""
    file = path / "config.json"
    if not path.is_dir():
        return {}, {}
    about = read_json(file)
    if isinstance(about, dict) and "layout" not in about:
        return {}, about
    names = ("layout", "weights", "seen", "task", "model")
    ours = isinstance(about, dict) and about.get("schema") == EXPORT_SCHEMA
    if not ours or not set(names) <= set(about) or not isinstance(about.get("arguments", {}), dict):
        raise StorageError(
            f"`{file}` must be a config of schema {EXPORT_SCHEMA} with ({', '.join(names)}), or the "
            "arguments of another tool, but it is neither: export the weights again."
        )
    return about, about.get("arguments", {})


def _data(path: pathlib.Path, python: str | None) -> tuple[bytes, str]:
    """The safetensors bytes, and the name of the file for errors."""
    file = path / WEIGHTS if path.is_dir() else path
    if file.suffix in ENDINGS:
        return read_torch(file, python=python), str(file)
    if file.suffix != ".safetensors":
        raise InputError(
            f"`{file}` must be a directory, or a file that ends in .safetensors or "
            f"{', '.join(ENDINGS)}: convert it."
        )
    with storage_errors(file):
        return file.read_bytes(), str(file)


def _translated(
    layout: AbstractLayout,
    arrays: dict[str, np.ndarray],
    arguments: Mapping[str, Any],
    task: AbstractTask | None,
    heads: int | None,
    gelu: str | None,
    activations: str,
    *,
    source: str,
) -> tuple[Transformer, AbstractTask]:
    layout.check_arguments(arguments, source=source)
    theirs = layout.completed(arrays, source=source)
    embedding = theirs[layout.parts()[0].theirs]
    if embedding.ndim != 2:
        raise InputError(
            f"`{source}` must hold an embedding of two axes, but got {list(embedding.shape)}."
        )
    task = task_of(len(embedding), source=source) if task is None else task
    vocabulary = vocabulary_of(task)
    heads = _settled("heads", heads, layout.heads(theirs), source)
    heads = _settled("heads", heads, arguments.get(layout.heads_name), source)
    gelu = _settled("gelu", gelu, layout.gelu(arguments), source)
    if heads is None or gelu is None:
        missing, known = ("heads", "8") if heads is None else ("gelu", "exact")
        raise InputError(
            f"`{missing}` must be given, as nothing in `{source}` says it: the published OthelloGPT has "
            f"`--{missing} {known}`."
        )
    if not isinstance(heads, int) or heads < 1:
        raise InputError(
            f"`heads` of `{source}` must be a number of 1 or more, but got ({heads!r}): correct it."
        )
    config = _config(layout, theirs, heads=heads, gelu=gelu, source=source)
    config = dataclasses.replace(config, activations=activations)
    built = config.build(task.sizes, key=jr.key(0))
    template = split_arrays(built)
    template["embedding"] = vocabulary.spread_rows(template["embedding"])
    template["unembedding"] = vocabulary.spread_columns(template["unembedding"])
    like = their_arrays(layout, template, config)
    ours = our_arrays(layout, theirs, config, like, source=source)
    ours["embedding"] = ours["embedding"][list(vocabulary.inputs)]
    ours["unembedding"] = ours["unembedding"][:, list(vocabulary.outputs)]
    return merged_model(ours, built, source=source), task


def _config(
    layout: AbstractLayout,
    theirs: Mapping[str, np.ndarray],
    *,
    heads: int,
    gelu: str,
    source: str,
) -> TransformerConfig:
    """The config that the shapes tell; the other fields are those of `mingpt_config`."""
    if gelu not in layout.gelus:
        raise InputError(
            f"`gelu` of the layout `{layout.name}` must be one of ({', '.join(layout.gelus)}), but got "
            f"({gelu})."
        )
    width = theirs[layout.parts()[0].theirs].shape[1]
    inner = [part.theirs for part in layout.parts() if part.ours == "blocks.{n}.mlp.up.bias"]
    hidden = theirs.get(inner[0].format(n=0), np.zeros(4 * width)).size
    if width < 1 or hidden % width:
        raise InputError(
            f"`{source}` must be of an MLP whose hidden width is a multiple of the width, but got "
            f"({hidden=}, {width=})."
        )
    plain = mingpt_config(count_blocks(theirs), heads, width)
    return dataclasses.replace(plain, mlp_ratio=hidden // width, gelu=gelu)


def _settled(name: str, given: Any, known: Any, source: str) -> Any:
    """What is given or known, which must be the same where both are."""
    if given is not None and known is not None and given != known:
        raise InputError(
            f"`{name}` must be that of `{source}`, but got ({given!r}) beside ({known!r}): leave it out."
        )
    return known if given is None else given
