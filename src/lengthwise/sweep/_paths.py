"""Fields by dotted path: `hparams.learning_rate` of an experiment, read and replaced. No JAX."""

import dataclasses
import difflib
import json
from typing import Any

from .._core import Component, InputError, resolve
from ..models import DropoutRates


DROPOUT = "hparams.dropout"


def get_path(thing: Any, path: str) -> Any:
    """The value at `path`; at `hparams.dropout`, which has one rate for every place, that rate.

    **Raises:** `InputError` naming the part that does not exist, and what was perhaps meant.
    """
    for name in path.split("."):
        names = _names(thing)
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"perhaps `{close[0]}` was meant" if close else "name one of them"
            raise InputError(
                f"`{name}` in `{path}` must be one of ({', '.join(names)}), but it is not: {hint}."
            )
        thing = (
            json.loads(thing.fields).get(name)
            if isinstance(thing, Component)
            else getattr(thing, name)
        )
    if isinstance(thing, DropoutRates):
        return next((rate for rate in thing if rate is not None), None)
    return thing


def set_path(thing: Any, path: str, value: Any) -> Any:
    """A copy of `thing` with `value` at `path`; one rate for all dropouts at `hparams.dropout`."""
    name, _, rest = path.partition(".")
    if isinstance(thing, Component):
        fields = json.loads(thing.fields)
        fields[name] = set_path(fields.get(name), rest, value) if rest else value
        return Component(thing.target, json.dumps(fields, sort_keys=True))
    old = getattr(thing, name)
    if rest:
        value = set_path(old, rest, value)
    elif isinstance(old, DropoutRates):
        value = old._replace(**{n: value for n, rate in old._asdict().items() if rate is not None})
    if isinstance(thing, tuple):
        return thing._replace(**{name: value})  # type: ignore[attr-defined]
    return dataclasses.replace(thing, **{name: value})


def _names(thing: Any) -> list[str]:
    cls = resolve(thing.target) if isinstance(thing, Component) else type(thing)
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls) if field.init]
    return list(getattr(cls, "_fields", ()))
