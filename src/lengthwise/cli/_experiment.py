"""From words to an experiment: the preset, and a user's own task, model, attention or positions."""

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import tyro

from .._core import Component, InputError, require, resolve
from ..training import ExperimentConfig
from ._presets import PRESETS


def choose_preset(name: str) -> ExperimentConfig:
    """The preset `name`.

    **Raises:** `InputError` listing those that exist.
    """
    close = difflib.get_close_matches(name, PRESETS, n=1)
    require(
        name in PRESETS,
        f"`PRESET` in ({', '.join(PRESETS)})",
        f"perhaps `{close[0]}` was meant" if close else "name one of them",
        PRESET=name,
    )
    return PRESETS[name]


def option(argv: Sequence[str], name: str) -> str | None:
    """The last value of `--name VALUE` or `--name=VALUE` in `argv`, before it is parsed."""
    values = [argv[i + 1] for i in range(len(argv) - 1) if argv[i] == f"--{name}"]
    values += [word.partition("=")[2] for word in argv if word.startswith(f"--{name}=")]
    return values[-1] if values else None


def with_own_classes(
    preset: ExperimentConfig, task: str | None, model: str | None
) -> ExperimentConfig:
    """The preset with the classes named by `--task` and `--model` in their places.

    Their fields become options. Where a class has fields without defaults, the place holds
    `tyro.MISSING_NONPROP`, and a subclass of the experiment says its type.
    """
    changes: dict[str, Any] = {}
    types: list[tuple[str, type]] = []
    if task is not None:
        _own(Component.of(task), "task", changes, types)
    if model is not None:
        from ..models import AbstractAttention, AbstractPositions

        component = Component.of(model)
        cls = resolve(component.target)
        if issubclass(cls, AbstractAttention):
            changes["model"] = dataclasses.replace(preset.model, attention=component)
        elif issubclass(cls, AbstractPositions):
            changes["model"] = dataclasses.replace(preset.model, positions=component)
        elif hasattr(cls, "build"):
            _own(component, "model", changes, types)
        else:
            raise InputError(
                "`--model` must name a config with `build(sizes, key=)`, an `AbstractAttention` or "
                f"an `AbstractPositions`, but got ({component}): subclass one of these."
            )
    if types:
        name = ExperimentConfig.__name__
        preset = dataclasses.make_dataclass(name, types, bases=(ExperimentConfig,), frozen=True)(
            **vars(preset)
        )
    return dataclasses.replace(preset, **changes)


def _own(
    component: Component, name: str, changes: dict[str, Any], types: list[tuple[str, type]]
) -> None:
    cls = resolve(component.target)
    required = dataclasses.is_dataclass(cls) and any(
        f.init and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        for f in dataclasses.fields(cls)
    )
    if required and component.fields == "{}":
        changes[name] = tyro.MISSING_NONPROP
        types.append((name, cls))
    else:
        changes[name] = component.build()
