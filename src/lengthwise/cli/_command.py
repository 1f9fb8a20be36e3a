"""The contract of a subcommand: a dataclass of options with `run`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import tyro

from ._exit_codes import ExitCode


class Outcome(NamedTuple):
    """How a command ended, and the values of its `--json` object."""

    code: ExitCode
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CommonOptions:
    """Options of every command."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one JSON object on stdout, errors too; everything for people goes to stderr."""
    compile_cache: bool = True
    """Keep compiled programs in `LENGTHWISE_CACHE` or ~/.cache/lengthwise, for quicker starts."""


Common = Annotated[CommonOptions, tyro.conf.arg(name="")]


@runtime_checkable
class Command(Protocol):
    """A subcommand: a frozen dataclass of options; `run` may print for people, with `print`.

    A class whose options depend on the words has a classmethod `parse`, as `Train`. (This
    is a protocol and no base class, as tyro takes a slow path for classes with a metaclass.)
    """

    def run(self) -> Outcome:
        """Do it."""
        ...
