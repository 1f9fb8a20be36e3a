"""The layouts by name."""

from .._core import InputError
from ._layout import AbstractLayout
from ._mingpt import MinGPT
from ._transformer_lens import TransformerLens, TransformerLensBridge


LAYOUTS: dict[str, AbstractLayout] = {
    layout.name: layout for layout in (MinGPT(), TransformerLens(), TransformerLensBridge())
}
"""Those of other tools. Beside them there is `lengthwise`: our own names, any model."""


def layout_named(name: str) -> AbstractLayout:
    """The layout of this name.

    **Raises:** `InputError` if there is none.
    """
    if name not in LAYOUTS:
        raise InputError(
            f"`layout` must be one of (lengthwise, {', '.join(LAYOUTS)}), but got ({name!r})."
        )
    return LAYOUTS[name]


def layout_with(names: set[str], *, source: str) -> AbstractLayout:
    """The layout whose embedding is among these names.

    **Raises:** `InputError` if none is.
    """
    found = [layout for layout in LAYOUTS.values() if layout.parts()[0].theirs in names]
    if not found:
        known = ", ".join(f"{x.parts()[0].theirs} ({x.name})" for x in LAYOUTS.values())
        raise InputError(
            f"`{source}` must hold one of the arrays ({known}), but got ({', '.join(sorted(names)[:3])}, "
            "...): it is in a layout that is not read."
        )
    return found[0]
