"""What was found, kept: a file for each part, and a committed one for each claim. No JAX."""

import gzip
import hashlib
import json
import pathlib
from dataclasses import dataclass
from typing import Any

from .._core import (
    InputError,
    StorageError,
    describe,
    read_json,
    storage_errors,
    write_bytes,
    write_json,
)
from ._claim import Claim, Part, Row


SCHEMA = 1
HEADER = ("schema", "claim", "budget", "command", "rule", "rule_commit")
"""What the first line of a record holds."""


@dataclass(frozen=True)
class Done:
    """A part that has been run.

    - `part`: what was asked.
    - `rows`: what was found.
    - `seconds`: how long it took.
    - `about`: versions, commit, machine, and the commit at which the claim's file stood.
    - `hash`: what it is kept under.
    """

    part: Part
    rows: list[Row]
    seconds: float
    about: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class Record:
    """All parts of a claim at one budget.

    `header` names the claim, the budget, the command, and the rule: its text and the commit of the file
    in which it stood.
    """

    header: dict[str, Any]
    done: list[Done]

    @property
    def rows(self) -> list[Row]:
        """The rows of all parts."""
        return [row for done in self.done for row in done.rows]


def part_hash(claim: Claim, part: Part) -> str:
    """What a part is kept under: a change of the part, its config or the claim's version is another."""
    config = describe(claim.config(part))
    text = json.dumps([claim.name, claim.version, dict(part), config], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def keep(folder: pathlib.Path, claim: Claim, done: Done) -> None:
    """Write a part's file, whole or not at all."""
    write_json(folder / claim.name / f"{done.hash}.json", vars(done))


def kept(folder: pathlib.Path, claim: Claim, part: Part) -> Done | None:
    """The part, if it has been run into this folder.

    **Raises:** `StorageError` if it is damaged.
    """
    path = folder / claim.name / f"{part_hash(claim, part)}.json"
    if not path.exists():
        return None
    try:
        return Done(**read_json(path))
    except TypeError:
        raise StorageError(
            f"`{path}` must hold a part that was run, but it is damaged: remove it, to run it again."
        ) from None


def record_path(folder: pathlib.Path, claim: Claim, budget: str) -> pathlib.Path:
    """Where the record of a claim is committed."""
    return folder / f"{claim.name.lower()}_{budget}.jsonl.gz"


def committed_record(folder: pathlib.Path, claim: Claim, budget: str) -> Record | None:
    """The record of a claim, if there is one.

    **Raises:** `InputError` if the claim's rule is not that of the record; `StorageError` as `read_record`.
    """
    path = record_path(folder, claim, budget)
    if not path.exists():
        return None
    record = read_record(path)
    if record.header["rule"] != claim.rule:
        raise InputError(
            f"The rule of {claim.name} must be that of its record `{path}`, but it is another: a rule is "
            "not changed after its record; restore it, or remove the record and make it anew."
        )
    return record


def check_whole(claim: Claim, record: Record) -> None:
    """Refuse to judge a record of other parts than the claim's.

    **Raises:** `StorageError` saying how many are missing.
    """
    budget = record.header["budget"]
    wanted = {part_hash(claim, part) for part in claim.parts(budget)}
    found = {one.hash for one in record.done}
    if found != wanted:
        raise StorageError(
            f"The record of {claim.name} must hold its {len(wanted)} parts, but {len(wanted - found)} are "
            f"missing and {len(found - wanted)} are others: restore it, or make it anew by `lengthwise "
            f"reproduce {claim.name} --budget {budget} --record`."
        )


def write_record(path: pathlib.Path, record: Record) -> None:
    """Write a record: a line for the header and one for each part; equal records give equal bytes."""
    lines = [{"schema": SCHEMA} | record.header, *map(vars, record.done)]
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    write_bytes(path, gzip.compress(text.encode(), mtime=0))


def read_record(path: pathlib.Path) -> Record:
    """Read a record.

    **Raises:** `StorageError` if it is missing, damaged, or of another schema.
    """
    with storage_errors(path):
        data = path.read_bytes()
    try:
        header, *lines = [json.loads(line) for line in gzip.decompress(data).splitlines()]
        done = [Done(**line) for line in lines]
        missing = [n for n in HEADER if not isinstance(header, dict) or n not in header]
        if missing:
            raise ValueError(f"its header lacks {missing}")
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise StorageError(
            f"`{path}` must hold a record, but it is damaged ({error}): restore it, or make it anew by "
            "`lengthwise reproduce`."
        ) from None
    if header.pop("schema", None) != SCHEMA:
        raise StorageError(
            f"`{path}` must be of schema {SCHEMA}, but it is not: make it anew by `lengthwise reproduce`."
        )
    return Record(header, done)
