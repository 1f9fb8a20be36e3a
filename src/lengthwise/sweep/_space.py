"""The search space as data: a base experiment, and laws for some of its fields. No JAX."""

import dataclasses
import hashlib
import itertools as it
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from .._core import (
    Component,
    InputError,
    StorageError,
    construct,
    describe,
    read_json,
    require,
    resolve,
)
from ..training import ExperimentConfig
from ._laws import Choice, Conditional, Law, LogUniform
from ._paths import DROPOUT, get_path, set_path


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """What a search may change, and how often it tries what.

    - `base`: the experiment that every trial starts from.
    - `laws`: by dotted path, such as `model.width` or `hparams.learning_rate`; `hparams.dropout` is
      one rate for every dropout that the base has. A field of the task, model or training is static:
      it takes a `Choice`, and every combination of them is one shape, compiled once.

    **Raises:** `InputError` for a field that does not exist, or a shape that cannot be built.
    """

    base: ExperimentConfig
    laws: Mapping[str, Law]

    def __post_init__(self):
        object.__setattr__(self, "laws", dict(self.laws))
        for path, law in self.laws.items():
            self._check(path, law)
        for shape in self.shapes():
            self.experiment(shape, seed=0)

    def _check(self, path: str, law: Law) -> None:
        value = get_path(self.base, path)
        room = path.split(".")[0]
        require(
            room in ("task", "model", "training", "hparams") and "." in path,
            "A path into `task`, `model`, `training` or `hparams`",
            "name a field of one of them",
            path=path,
        )
        require(
            room == "hparams" or isinstance(law, Choice),
            "A `Choice` for a static field",
            "list the values, as each of them is compiled",
            path=path,
        )
        if path.startswith(DROPOUT):
            require(
                value is not None and not isinstance(law, LogUniform),
                "A dropout that the base has, with a law that can draw 0",
                "give the base a rate of 0 there, and use `Uniform` or `Choice`",
                path=path,
                base=value,
            )
        if isinstance(law, Conditional):
            paths = list(self.laws)
            require(
                law.on in paths and paths.index(law.on) < paths.index(path) and room == "hparams",
                "A condition on a field whose law comes before",
                "name such a field, and put its law first",
                path=path,
                on=law.on,
            )

    @property
    def static(self) -> dict[str, Choice]:
        """The laws of the static fields."""
        return {p: law for p, law in self.laws.items() if isinstance(law, Choice) and _is_static(p)}

    @property
    def traced(self) -> dict[str, Law]:
        """The laws of the hyperparameters, whose values do not compile anew."""
        return {path: law for path, law in self.laws.items() if not _is_static(path)}

    @property
    def has_twins(self) -> bool:
        """Whether the base has a dropout, so that it can be switched off in a twin."""
        return any(rate is not None for rate in self.base.hparams.dropout)

    def shapes(self) -> list[dict[str, Any]]:
        """Every combination of the static fields' values."""
        values = [law.values for law in self.static.values()]
        return [dict(zip(self.static, combined, strict=True)) for combined in it.product(*values)]

    def experiment(self, params: Mapping[str, Any], *, seed: int) -> ExperimentConfig:
        """The base with the values of `params` in their places."""
        experiment = dataclasses.replace(self.base, seed=seed)
        fields: dict[str, dict[str, Any]] = {}
        for path, value in params.items():
            room, _, rest = path.partition(".")
            fields.setdefault(room, {})[rest] = value
        for room, changes in fields.items():
            part = getattr(experiment, room)
            direct = {path: value for path, value in changes.items() if "." not in path}
            if room != "hparams" and direct:  # together: one alone could be impossible
                part = dataclasses.replace(part, **direct)
                changes = {path: value for path, value in changes.items() if "." in path}
            for path, value in changes.items():
                part = set_path(part, path, value)
            experiment = dataclasses.replace(experiment, **{room: part})
        return experiment

    def to_json(self) -> dict[str, Any]:
        """JSON values; `SearchSpace.from_json` reads them."""
        return {"base": describe(self.base), "laws": describe(self.laws)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "SearchSpace":
        """The inverse of `to_json`."""
        fields = data["base"]["fields"]
        base = ExperimentConfig(**{name: _config(part) for name, part in fields.items()})
        return SearchSpace(base, {path: construct(law) for path, law in data["laws"].items()})

    @property
    def digest(self) -> str:
        """A hash of the JSON."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_space(path: pathlib.Path) -> SearchSpace:
    """Read a space from a JSON file.

    **Raises:** `StorageError` if it holds none, `InputError` if it cannot be searched.
    """
    data = read_json(path)
    try:
        return SearchSpace.from_json(data)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"`{path}` must hold a search space, but it does not ({error!r}): begin with one that "
            "`lengthwise sweep run --dry-run --out DIR` writes."
        ) from None


def _is_static(path: str) -> bool:
    return not path.startswith("hparams.")


def _config(data: Any, *, top: bool = True) -> Any:
    """As `construct`, but classes with a default place in a config stay components, without JAX."""
    if isinstance(data, list):
        return tuple(_config(item, top=False) for item in data)
    if not (isinstance(data, dict) and set(data) == {"class", "fields"}):
        return data
    target, fields = data["class"], data["fields"]
    if top or target in (
        "lengthwise.models:DropoutRates",
        "lengthwise.evaluation:EvaluationConfig",
    ):
        cls: Any = resolve(target)
        return cls(**{name: _config(value, top=False) for name, value in fields.items()})
    return Component(target, json.dumps(fields, sort_keys=True))
