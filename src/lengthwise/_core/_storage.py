"""Files that are whole or absent: atomic writes, appended tables and the lock of a run directory."""

import contextlib
import csv
import errno
import fnmatch
import io
import json
import os
import pathlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ._errors import InputError, StorageError


@contextlib.contextmanager
def storage_errors(path: pathlib.Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into one sentence with the remedy."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "free some space and resume; what was complete is kept",
            errno.EDQUOT: "raise the quota and resume; what was complete is kept",
            errno.EROFS: "the file system is read-only: choose another `--out`",
            errno.EACCES: "no permission: choose another `--out` or change the permissions",
        }
        remedy = remedies.get(error.errno or 0, "check the path and try again")
        reason = error.strerror or str(error)
        raise StorageError(
            f"`{path}` could not be read or written ({reason}): {remedy}."
        ) from error


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Write `data` so that `path` holds either its old content or all of the new, even after -9."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not `tempfile`, whose files no one else may read: this one follows the umask.
        name = path.parent / f".{path.name}-{os.getpid()}.tmp"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
        if (
            os.name == "posix"
        ):  # the rename itself must reach the disk; other systems have no call for it
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def read_json(path: pathlib.Path) -> Any:
    """Read JSON.

    **Raises:** `StorageError` if the file is missing, unreadable or cut short.
    """
    with storage_errors(path):
        text = path.read_text()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise StorageError(
            f"`{path}` must hold whole JSON, but it is damaged ({error}): restore it or start anew."
        ) from None


def append_lines(path: pathlib.Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append one JSON object a line; a line cut short by a crash is dropped by `read_lines`."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    with storage_errors(path), path.open("a") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Read JSON lines, without a last one that was cut short."""
    with storage_errors(path):
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise StorageError(f"`{path}` is damaged ({error}): restore it or start anew.") from None


def write_csv(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Write a table with one header row, atomically; floats keep every digit.

    What a row lacks is left empty, as rows of an older version may have fewer columns.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def read_csv(path: pathlib.Path) -> list[dict[str, Any]]:
    """Read a table; numbers become numbers, `True` and `False` become booleans, '' becomes None."""

    def value(text: str) -> Any:
        if text in ("", "True", "False"):
            return {"": None, "True": True, "False": False}[text]
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(text)
        return text

    with storage_errors(path), path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if any(None in row or None in row.values() for row in rows):
        raise StorageError(
            f"`{path}` must have a value for each column in every row, but it is damaged: restore "
            "it or start anew."
        )
    return [{name: value(text) for name, text in row.items()} for row in rows]


@contextlib.contextmanager
def sole_writer(directory: pathlib.Path) -> Iterator[None]:
    """Hold the run directory's lock; the system frees it if the process dies.

    **Raises:** `StorageError` if another process holds it.
    """
    import filelock  # imports asyncio, which `--help` need not wait for

    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise StorageError(
                f"`{directory}` must have one writer, but another process is writing to it: wait "
                "for it, stop it, or choose another `--out`."
            ) from None
    try:
        yield
    finally:
        lock.release()


def new_directory(path: pathlib.Path, *, may_hold: Collection[str] = ()) -> pathlib.Path:
    """Make sure that `path` can become a run directory.

    **Arguments:**

    - `path`: the directory.
    - `may_hold`: patterns of names relative to it that do not matter. (Keyword only argument.)

    **Raises:** `InputError` if it exists and holds anything else.
    """
    with storage_errors(path):
        if path.exists() and (not path.is_dir() or _holds_more(path, may_hold)):
            raise InputError(
                f"`{path}` must be a new directory, but it exists: resume that run (`lengthwise "
                f"train --resume {path}`), or choose another `--out`."
            )
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def whole_directory(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder to write into, which becomes `path` when the block ends, and is removed if it fails.

    **Raises:** `InputError` if `path` exists and is not empty, or is the current directory.
    """
    with storage_errors(path):
        whole = path.resolve()  # `.` has no name, and a link is no folder
        here = whole == pathlib.Path.cwd()  # which cannot be replaced
        if whole.exists() and (here or not whole.is_dir() or any(whole.iterdir())):
            raise InputError(
                f"`{path}` must be a new directory, but it exists: choose another `--out`."
            )
    unfinished = whole.parent / f".{whole.name}-{os.getpid()}.tmp"
    try:
        with storage_errors(path):
            unfinished.mkdir(parents=True)
        yield unfinished
        with storage_errors(path):
            if whole.exists():
                whole.rmdir()  # an empty one, which Windows does not replace
            os.replace(unfinished, whole)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _holds_more(directory: pathlib.Path, known: Collection[str]) -> bool:
    names = (entry.relative_to(directory).as_posix() for entry in directory.rglob("*"))
    return any(not any(fnmatch.fnmatchcase(name, pattern) for pattern in known) for name in names)
