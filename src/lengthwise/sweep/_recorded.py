"""The rows that the lines of a record were made from. No JAX."""

from collections.abc import Mapping
from typing import Any

from .._core import InputError
from ._design import Row
from ._paths import DROPOUT
from ._space import SearchSpace


def recorded_row(space: SearchSpace, result: Mapping[str, Any]) -> Row:
    """The row of a line of `trials.jsonl`; one rate for all dropouts is one parameter again.

    **Raises:** `InputError` if the line lacks a parameter of the space.
    """
    recorded: Mapping[str, Any] = result["params"]
    params = {}
    for path in space.laws:
        names = [path] if path in recorded else [n for n in recorded if n.startswith(f"{DROPOUT}.")]
        if path not in recorded and (path != DROPOUT or not names):
            raise InputError(
                f"Trial {result['trial']} must have a value for each field of the space, but it has "
                f"none for `{path}`: take space.json and the trials from one sweep."
            )
        params[path] = recorded[names[0]]
    fields = {name: result[name] for name in ("trial", "draw", "twin", "shape", "seed")}
    return Row(**fields, params=params)
