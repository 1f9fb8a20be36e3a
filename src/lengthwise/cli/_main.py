"""`lengthwise`: one line a command."""

import contextlib
import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from .._core import LengthwiseError
from ._bounds import Bounds
from ._certify import Certify
from ._command import Command
from ._demo import Demo
from ._evaluate import Evaluate
from ._exit_codes import EXIT_CODES_HELP, ExitCode
from ._export import Export
from ._import import Import
from ._json import strict
from ._othello import Othello
from ._parse import parse_among
from ._report import Report
from ._reproduce import Reproduce
from ._sweep import Sweep
from ._train import Train


COMMANDS: dict[str, type[Command]] = {
    "demo": Demo,
    "train": Train,
    "evaluate": Evaluate,
    "report": Report,
    "certify": Certify,
    "bounds": Bounds,
    "sweep": Sweep,
    "othello": Othello,
    "reproduce": Reproduce,
    "export": Export,
    "import": Import,
}

DESCRIPTION = f"""A laboratory for length generalization. Begin with `lengthwise demo`.

{EXIT_CODES_HELP}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    **Arguments:**

    - `argv`: the words after `lengthwise`; those of this process by default.

    **Returns:** the exit status, see `ExitCode`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    stdout, as_json = sys.stdout, "--json" in words
    aside = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    try:
        with _any_encoding(), aside, _importable_here(), _short_warnings():
            outcome = _parse(words).run()
        code, values = outcome.code, {"command": words[0], **outcome.values}
    except BrokenPipeError:  # `lengthwise ... | head`
        sys.stdout = open(os.devnull, "w")
        return ExitCode.COMPLETED
    except SystemExit as stop:  # help was printed
        return int(stop.code or 0)
    except LengthwiseError as error:
        code, values = _failed(error, error.exit_code, str(error))
    except KeyboardInterrupt as error:
        code, values = _failed(
            error,
            ExitCode.INTERRUPTED,
            "interrupted; a run that had begun goes on by `lengthwise train --resume DIR`, a sweep or a "
            "reproduction by its own command",
        )
    except Exception as error:
        traceback.print_exc()
        code, values = _failed(error, ExitCode.UNEXPECTED, f"unexpected {error!r}: this is a bug")
    if as_json:
        print(json.dumps(strict({**values, "exit_code": int(code)}), allow_nan=False), file=stdout)
    return int(code)


def _parse(words: list[str]) -> Command:
    return parse_among(
        COMMANDS, words, prog="lengthwise", what="A command", description=DESCRIPTION
    )


def _failed(error: BaseException, code: int, sentence: str) -> tuple[int, dict[str, Any]]:
    print(f"lengthwise: {sentence}", file=sys.stderr)
    return code, {"error": sentence, "kind": type(error).__name__}


@contextlib.contextmanager
def _any_encoding() -> Iterator[None]:
    """What stdout cannot encode is written as `?`: a pipe on Windows is no reason to lose a table."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.errors != "strict":
        yield
        return
    stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it writes what is left, and the pipe may be closed
            stream.reconfigure(errors="strict")


@contextlib.contextmanager
def _importable_here() -> Iterator[None]:
    """The current directory on the path, as `python -m` has it, for the user's own classes."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


@contextlib.contextmanager
def _short_warnings() -> Iterator[None]:
    """Warnings of this library as one line, such as the name of a damaged checkpoint."""
    usual = warnings.showwarning

    def show(message, category, filename, lineno, file=None, line=None):
        if category.__module__.startswith("lengthwise."):
            print(f"lengthwise: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual
