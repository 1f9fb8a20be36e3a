"""A transformer as named arrays, with queries, keys and values apart, and back."""

import dataclasses

import numpy as np

from .._core import InputError, class_name, require
from ..models import AbstractModel, Transformer, TransformerConfig, mingpt_config
from ..training import tree_from_arrays, tree_to_arrays


THIRDS = ("query", "key", "value")

FREE = {"layers", "heads", "width", "mlp_ratio", "gelu", "tied", "init_deviation", "activations"}
"""Fields that may have any value: a layout says of the first five what it can hold, and weights do not
depend on the others."""


def expressible_shape(
    model: AbstractModel, *, gelus: tuple[str, ...], ratio: int | None, layout: str
) -> Transformer:
    """The model, if a layout that knows no more than this can express it.

    **Arguments:**

    - `model`: what is to be written.
    - `gelus`: the GELUs that the layout knows. (Keyword only argument.)
    - `ratio`: the only `mlp_ratio` that it knows, or `None` for any. (Keyword only argument.)
    - `layout`: its name. (Keyword only argument.)

    **Raises:** `InputError` naming the fields.
    """
    if not isinstance(model, Transformer):
        raise InputError(
            f"A model for the layout `{layout}` must be a `Transformer`, but got "
            f"({class_name(type(model))}): export it with the layout `lengthwise`."
        )
    config = model.config
    known = mingpt_config(config.layers, config.heads, config.width)
    own = config.width / config.heads
    same = dataclasses.replace(
        config,
        key_dim=None if config.key_dim == own else config.key_dim,
        value_dim=None if config.value_dim == own else config.value_dim,
        positions=known.positions if _learned(config) else config.positions,
    )
    names = [field.name for field in dataclasses.fields(config) if field.name not in FREE]
    wrong = [name for name in names if getattr(same, name) != getattr(known, name)]
    if config.gelu not in gelus:
        wrong.append("gelu")
    if config.mlp_ratio is None or ratio not in (None, config.mlp_ratio):
        wrong.append("mlp_ratio")
    only = "exact GELU" if gelus == ("exact",) else "GELU"
    mlp = "an MLP" if ratio is None else f"an MLP of {ratio} times the width"
    require(
        not wrong,
        f"A model for the layout `{layout}` (norm 'pre' of the kind 'layer', residual, biases, {mlp} with "
        f"{only}, softmax, learned positions, heads that divide the width)",
        "export it with the layout `lengthwise`",
        **{name: _text(getattr(config, name)) for name in wrong},
    )
    return model


def split_arrays(model: Transformer) -> dict[str, np.ndarray]:
    """The weights by the names of our own files, but for `qkv`, which becomes `query`, `key`, `value`.

    A tied model gets the unembedding that it computes with.
    """
    arrays = tree_to_arrays(model)
    for block in range(model.config.layers):
        stem = f"blocks.{block}.attention."
        for kind in ("weight", "bias"):
            thirds = np.split(arrays.pop(f"{stem}qkv.{kind}"), 3, axis=-1)
            arrays |= {
                f"{stem}{name}.{kind}": third for name, third in zip(THIRDS, thirds, strict=True)
            }
    arrays["unembedding"] = np.asarray(model.unembedding_matrix())
    return arrays


def merged_model(arrays: dict[str, np.ndarray], like: Transformer, *, source: str) -> Transformer:
    """The model of `split_arrays`, with the config of `like`, which is not tied.

    **Raises:** `InputError` if names, shapes or dtypes are not those of `like`.
    """
    arrays = dict(arrays)
    for block in range(like.config.layers):
        stem = f"blocks.{block}.attention."
        for kind in ("weight", "bias"):
            thirds = [arrays.pop(f"{stem}{name}.{kind}") for name in THIRDS]
            arrays[f"{stem}qkv.{kind}"] = np.concatenate(thirds, axis=-1)
    return tree_from_arrays(arrays, like, source=source)


def _learned(config: TransformerConfig) -> bool:
    return config.positions.target == mingpt_config().positions.target


def _text(value: object) -> object:
    return value if isinstance(value, bool | int | str | None) else str(value)
