"""The contract of a layout: how another tool names and turns the same weights."""

import abc
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._core import InputError
from ..models import AbstractModel, Transformer, TransformerConfig
from ._split import expressible_shape


class Form(NamedTuple):
    """How an array is stored: `there(ours, heads)` and its inverse `here(theirs, heads)`."""

    there: Callable[[np.ndarray, int], np.ndarray]
    here: Callable[[np.ndarray, int], np.ndarray]


SAME = Form(lambda x, heads: x, lambda x, heads: x)
TURNED = Form(lambda x, heads: x.T, lambda x, heads: x.T)
"""PyTorch's `Linear` stores (out, in)."""


class Part(NamedTuple):
    """One array: its name there, its name in `split_arrays`, and how it is stored there.

    `{n}` stands for the number of a block.
    """

    theirs: str
    ours: str
    form: Form = SAME


class AbstractLayout(abc.ABC):
    """How another tool stores a transformer with norms before its branches and learned positions.

    - `name`: as in `config.json`.
    - `gelus`: the names of our GELUs that it knows, and theirs.
    - `mlp_ratio`: the only one that it knows, or `None` for any.
    - `heads_name`: the name of the number of heads in its arguments.
    """

    name: ClassVar[str]
    gelus: ClassVar[Mapping[str, str]]
    mlp_ratio: ClassVar[int | None]
    heads_name: ClassVar[str]

    @abc.abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """Every array that is a weight of ours."""

    @abc.abstractmethod
    def constants(self, layers: int, max_len: int, vocabulary: int) -> dict[str, np.ndarray]:
        """What its files hold beside our weights, such as masks and a bias of zeros."""

    @abc.abstractmethod
    def arguments(
        self, config: TransformerConfig, *, vocabulary: int, max_len: int
    ) -> dict[str, Any]:
        """What builds the model there, as JSON values."""

    @abc.abstractmethod
    def check_arguments(self, arguments: Mapping[str, Any], *, source: str) -> None:
        """Refuse arguments of a model that is not of our shape, naming one."""

    @abc.abstractmethod
    def heads(self, arrays: Mapping[str, np.ndarray]) -> int | None:
        """The number of heads, if the shapes tell it."""

    @abc.abstractmethod
    def gelu(self, arguments: Mapping[str, Any]) -> str | None:
        """Our name of the GELU, if anything tells it."""

    @abc.abstractmethod
    def completed(self, arrays: Mapping[str, np.ndarray], *, source: str) -> dict[str, np.ndarray]:
        """The arrays of `parts` alone, with what a file of this layout may leave out."""


def their_arrays(
    layout: AbstractLayout, arrays: Mapping[str, np.ndarray], config: TransformerConfig
) -> dict[str, np.ndarray]:
    """Arrays of `split_arrays`, with their vocabulary, under their names."""
    return {
        name: np.ascontiguousarray(part.form.there(arrays[ours], config.heads))
        for name, ours, part in _named(layout, config.layers)
    }


def our_arrays(
    layout: AbstractLayout,
    theirs: Mapping[str, np.ndarray],
    config: TransformerConfig,
    like: Mapping[str, np.ndarray],
    *,
    source: str,
) -> dict[str, np.ndarray]:
    """The inverse of `their_arrays`.

    **Arguments:**

    - `layout`, `theirs`, `config`: as there.
    - `like`: their arrays of a model of this config, for names, shapes and dtypes.
    - `source`: the file, for errors. (Keyword only argument.)

    **Raises:** `InputError` for another name, shape or dtype, and for what is not finite.
    """
    if set(theirs) != set(like):
        missing, surplus = sorted(set(like) - set(theirs)), sorted(set(theirs) - set(like))
        raise InputError(
            f"`{source}` must hold the arrays of the layout `{layout.name}`, but got "
            f"(missing={missing[:3]}, surplus={surplus[:3]}): only models of the shape of OthelloGPT are "
            "read."
        )
    for name, want in like.items():
        got = theirs[name]
        if got.shape != want.shape or got.dtype != want.dtype:
            raise InputError(
                f"`{source}` must hold `{name}` as {want.dtype}{list(want.shape)}, as its task and its "
                f"other arrays say, but got {got.dtype}{list(got.shape)}: name its task by `--task` and "
                "its heads by `--heads`, or convert it."
            )
        check_finite(name, got, source=source)
    return {
        ours: part.form.here(theirs[name], config.heads)
        for name, ours, part in _named(layout, config.layers)
    }


def check_finite(name: str, array: np.ndarray, *, source: str) -> None:
    """Refuse weights that are not numbers."""
    if not np.isfinite(array).all():
        raise InputError(
            f"`{source}` must hold finite numbers, but `{name}` has "
            f"({int((~np.isfinite(array)).sum())}) that are not: use another copy."
        )


def expressible(layout: AbstractLayout, model: AbstractModel) -> Transformer:
    """The model.

    **Raises:** `InputError` if the layout cannot express it, naming the fields.
    """
    return expressible_shape(
        model, gelus=tuple(layout.gelus), ratio=layout.mlp_ratio, layout=layout.name
    )


def count_blocks(names: Mapping[str, Any]) -> int:
    """The number of blocks that these names speak of."""
    found = [re.match(r"blocks\.(\d+)\.", name) for name in names]
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _named(layout: AbstractLayout, layers: int) -> list[tuple[str, str, Part]]:
    return [
        (part.theirs.format(n=n), part.ours.format(n=n), part)
        for part in layout.parts()
        for n in (range(layers) if "{n}" in part.theirs else range(1))
    ]
