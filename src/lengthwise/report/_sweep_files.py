"""The tables of a sweep's record, which may be compressed to be committed."""

import gzip
import json
import lzma
import pathlib
import zlib
from typing import Any

from .._core import StorageError, read_lines, storage_errors


OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
"""How a file of JSON lines is opened, by the end of its name; others are plain."""


def record_file(path: pathlib.Path, name: str) -> pathlib.Path:
    """The file of the table `name` in the record `path`: plain if it is there, or compressed.

    `path` may be the file itself.
    """
    if path.is_file():
        return path
    choices = [path / f"{name}.jsonl{suffix}" for suffix in ("", *OPENERS)]
    return next((choice for choice in choices if choice.is_file()), choices[0])


def read_record(file: pathlib.Path) -> list[dict[str, Any]]:
    """The lines of a table; none if the file is missing.

    **Raises:** `StorageError` if it is damaged.
    """
    opener = OPENERS.get(file.suffix)
    if opener is None or not file.exists():
        return read_lines(file)
    try:
        with storage_errors(file), opener(file, "rt") as text:
            return [json.loads(line) for line in text]
    except (EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise StorageError(
            f"`{file}` must hold JSON lines, but it is damaged ({error}): restore it."
        ) from None
