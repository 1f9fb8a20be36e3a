"""Strict JSON from the values of a command."""

import pathlib
from collections.abc import Mapping
from typing import Any


def strict(value: Any) -> Any:
    """`value` for strict JSON: numbers that it has no word for, NaN and infinity, become null."""
    if isinstance(value, Mapping):
        return {str(name): strict(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not (value - value == 0):
        return None
    return str(value) if isinstance(value, pathlib.Path) else value
