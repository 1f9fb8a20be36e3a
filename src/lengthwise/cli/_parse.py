"""tyro, with components as text, and with errors as one sentence."""

import contextlib
import difflib
import functools as ft
import io
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Union

import tyro

from .._core import Component, ComponentLike, InputError, LengthwiseError
from ..models import DropoutRates


registry = tyro.constructors.ConstructorRegistry()


class UsageError(InputError):
    """The command line cannot be understood."""


def parse(
    cls: Any,
    argv: list[str],
    *,
    prog: str,
    description: str | None = None,
    default: Any = tyro.MISSING_NONPROP,
) -> Any:
    """An instance of `cls`, a dataclass or a union of subcommands, from the command line.

    **Raises:** `InputError`, in the words of the class that refused its fields, or `UsageError`;
    `SystemExit(0)` after printing help.
    """
    text = io.StringIO()
    try:
        with contextlib.redirect_stderr(text):
            return tyro.cli(
                cls,
                args=argv,
                prog=prog,
                description=description,
                default=default,
                registry=registry,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        cause: BaseException | None = stop
        while cause is not None:  # tyro chains the refusal of a class below its own exit
            if isinstance(cause, LengthwiseError):
                raise cause from None
            cause = cause.__context__
        raise UsageError(f"{_sentence(text.getvalue())}; see `{prog} --help`.") from None


def parse_among(
    commands: Mapping[str, Any], argv: list[str], *, prog: str, what: str, description: str | None
) -> Any:
    """The command that `argv` begins with, read by its own `parse` if it has one, or the help of all.

    Only its own parser is made: it is ready sooner. `what` is the subject of the `UsageError` for a
    command that does not exist.
    """
    if argv and argv[0] in commands:
        cls = commands[argv[0]]
        read = getattr(cls, "parse", ft.partial(parse, cls))
        return read(argv[1:], prog=f"{prog} {argv[0]}")
    if argv and not argv[0].startswith("-"):
        close = difflib.get_close_matches(argv[0], commands, n=1)
        raise UsageError(
            f"{what} must be one of ({', '.join(commands)}), but got ({argv[0]}): "
            f"{f'perhaps `{close[0]}` was meant' if close else f'see `{prog} --help`'}."
        )
    text = _Console()
    try:
        with contextlib.redirect_stdout(text):
            return parse(
                subcommands(commands), argv or ["--help"], prog=prog, description=description
            )
    finally:  # all names in one line, which no terminal holds, and which stand below it anyway
        sys.stdout.write(re.sub(r"{[\w,-]+}", "COMMAND", text.getvalue(), count=1))


class _Console(io.StringIO):
    """Text that is coloured and framed as it would be on the standard output."""

    def __init__(self):
        super().__init__()
        self._console = sys.stdout

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._console.encoding

    def isatty(self) -> bool:
        return self._console.isatty()


def subcommands(commands: Mapping[str, Any]) -> Any:
    """The union of commands by name, each described by the first line of its class."""
    options = tuple(
        Annotated[cls, tyro.conf.subcommand(name, description=(cls.__doc__ or "").split("\n")[0])]
        for name, cls in commands.items()
    )
    return Union[options]  # noqa: UP007


def _sentence(box: str) -> str:
    """What stands in tyro's box below its title, and the options that it suggests, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    text = " ".join(line.strip("╭╮╰╯│| ") for line in plain.splitlines())
    _, said, *rest = [*re.split(r" *[─-]{4,} *", text), "", ""]
    similar = re.findall(r"--[\w.-]+", rest[0]) if "meant" in rest[0] else []
    hint = f" (perhaps {' or '.join(similar[:3])}?)" if similar else ""
    return said.strip().rstrip(".") + hint


@registry.primitive_rule
def _component(info: tyro.constructors.PrimitiveTypeInfo):
    """`module:Class` or `module:Class {"field": value}`."""
    if info.type not in (Component, ComponentLike):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="MODULE:CLASS",
        instance_from_str=lambda args: Component.of(args[0]),
        is_instance=lambda x: isinstance(x, Component),
        str_from_instance=lambda component: [str(component)],
    )


@registry.struct_rule
def _dropout(info: tyro.constructors.StructTypeInfo):
    """Rates are a number or none, whatever the default is."""
    if info.type is not DropoutRates:
        return None
    given = info.default if isinstance(info.default, DropoutRates) else DropoutRates()
    rate: Any = float | None
    fields = [
        tyro.constructors.StructFieldSpec(name, rate, default=getattr(given, name))
        for name in DropoutRates._fields
    ]
    return tyro.constructors.StructConstructorSpec(instantiate=DropoutRates, fields=tuple(fields))
