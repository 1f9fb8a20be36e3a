"""Components as data: any configured object as `module:QualName` plus its fields, and back.

A run's `config.json` is made of these, so that a user's own class works in train, evaluate and
report without a change to the library. Nothing here imports JAX.
"""

import dataclasses
import importlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import InputError, LengthwiseError


@dataclasses.dataclass(frozen=True)
class Component:
    """A configured object that is built later: its class by name, its fields as JSON text.

    It is hashable (so it can be part of a static config) and needs no import of the class.
    """

    target: str
    fields: str = "{}"

    @staticmethod
    def of(thing: Any) -> "Component":
        """Describe `thing`: an instance, a `Component`, or text `module:Name {"field": value}`."""
        if isinstance(thing, Component):
            return thing
        if isinstance(thing, str):
            target, _, fields = thing.strip().partition(" ")
            fields = fields.strip() or "{}"
            try:
                valid = isinstance(json.loads(fields), dict) and target.count(":") == 1
            except json.JSONDecodeError:
                valid = False
            if not valid:
                raise InputError(
                    "A component must be named `module:Class` or `module:Class {JSON fields}`, "
                    f"but got ({thing!r}): for example 'lengthwise.training:EMA {{\"decay\": 0.99}}'."
                )
            return Component(target, json.dumps(json.loads(fields), sort_keys=True))
        described = describe(thing)
        if not isinstance(described, dict) or "class" not in described:
            raise InputError(
                f"A component must be a dataclass or Module instance, but got ({thing!r}): pass an "
                "instance such as `EMA(0.99)`."
            )
        return Component(described["class"], json.dumps(described["fields"], sort_keys=True))

    def build(self) -> Any:
        """Import the class and construct the instance."""
        return construct({"class": self.target, "fields": json.loads(self.fields)})

    def __str__(self) -> str:
        return self.target if self.fields == "{}" else f"{self.target} {self.fields}"


if TYPE_CHECKING:
    ComponentLike = Any
else:

    class _Anything(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return True

    class ComponentLike(metaclass=_Anything):
        """The type of a config field that takes an instance, text or a `Component`.

        The config turns it into a `Component` (`Component.of`). For type checkers it is `Any`; at run
        time it is a class of its own, so that a command line can recognize such fields.
        """


def describe(thing: Any) -> Any:
    """`thing` as JSON values: dataclasses and named tuples become `{"class", "fields"}`.

    **Raises:** `InputError` for a value that JSON cannot hold, naming its type.
    """
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, Component):
        return {"class": thing.target, "fields": json.loads(thing.fields)}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return _described(thing, [field.name for field in dataclasses.fields(thing) if field.init])
    named_tuple: Sequence[str] | None = getattr(thing, "_fields", None)
    if isinstance(thing, tuple) and named_tuple is not None:
        return _described(thing, named_tuple)
    if isinstance(thing, tuple | list):
        return [describe(item) for item in thing]
    if isinstance(thing, Mapping):
        return {str(name): describe(value) for name, value in thing.items()}
    if getattr(thing, "shape", None) == ():  # a NumPy or JAX scalar
        return getattr(thing, "item")()  # noqa: B009
    raise InputError(
        "A component's fields must be numbers, text, tuples or components, but got "
        f"({type(thing).__name__}): keep arrays in the parameters that `init` makes."
    )


def construct(data: Any) -> Any:
    """The inverse of `describe`; lists become tuples, as configs are hashable."""
    if isinstance(data, list):
        return tuple(construct(item) for item in data)
    if isinstance(data, dict):
        if set(data) == {"class", "fields"}:
            built = {name: construct(value) for name, value in data["fields"].items()}
            cls = resolve(data["class"])
            try:
                return cls(**built)
            except LengthwiseError:
                raise
            except TypeError as error:
                raise InputError(
                    f"`{data['class']}` cannot be built from the fields ({built}): {error}."
                ) from None
        return {name: construct(value) for name, value in data.items()}
    return data


def resolve(target: str) -> type:
    """The class named `module:QualName`.

    **Raises:** `InputError` naming the import that is needed, or saying that the name is no class
    of fields (only dataclasses, Modules and named tuples are built from a file).
    """
    module_name, _, qualname = target.partition(":")
    remedy = (
        f"make `from {module_name} import {qualname.split('.')[0]}` work here, for example by running "
        "from the folder that holds it or installing its package"
    )
    if module_name == "__main__":
        remedy = "the script that defined it is another here: move the class to a module of its own"
    try:
        found: Any = importlib.import_module(module_name)
        for name in qualname.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"`{target}` must be importable, but got ({type(error).__name__}: {error}): {remedy}."
        ) from None
    if not isinstance(found, type) or not (
        dataclasses.is_dataclass(found) or hasattr(found, "_fields")
    ):
        raise InputError(
            f"`{target}` must be a dataclass, Module or named tuple, but got ({found!r}): name the "
            "class that holds the fields."
        )
    return found


def _described(thing: Any, names: Sequence[str]) -> dict[str, Any]:
    fields = {name: describe(getattr(thing, name)) for name in names}
    return {"class": class_name(type(thing)), "fields": fields}


def class_name(cls: type) -> str:
    """`module:QualName`, by the public room where the class is re-exported there."""
    parts = cls.__module__.split(".")
    while len(parts) > 1 and parts[-1].startswith("_") and not parts[-1].startswith("__"):
        parts.pop()
    public = importlib.import_module(".".join(parts))
    same = getattr(public, cls.__qualname__.split(".")[0], None) is cls
    return f"{'.'.join(parts) if same else cls.__module__}:{cls.__qualname__}"
