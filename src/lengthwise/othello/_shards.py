"""Games on disk, for exchange: NumPy files and a manifest, whole or absent.

manifest.json                     board, policy, seed, and for each stream its shards
STREAM-00000.moves.npy            int8 (games, entries): squares, -2 for a pass, -1 after the end
STREAM-00000.legal.npy            uint64 (games, entries): bit s for legal square s; if wanted
"""

import hashlib
import io
import os
import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._core import InputError, StorageError, read_json, storage_errors, write_bytes, write_json
from ._board import POLICIES, SIZES
from ._games import Games, replay


SCHEMA = 1


def write_shards(
    directory: str | pathlib.Path,
    streams: Mapping[str, Iterable[Games]],
    *,
    legal: bool = True,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write games to a new directory, which appears when everything is in it.

    **Arguments:**

    - `directory`: must not exist, or be empty.
    - `streams`: by name, the games of each of their shards, made one at a time if it is a generator.
    - `legal`: write the legal sets too, which are eight bytes a move. (They can be made again.)
    - `about`: JSON values for the manifest, such as the seed.

    **Returns:** the manifest.
    """
    directory = pathlib.Path(directory)
    with storage_errors(directory):
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise InputError(
                f"`{directory}` must be a new directory, but it exists: choose another `--out`."
            )
    unfinished = directory.parent / f".{directory.name}-{os.getpid()}.tmp"
    try:
        kinds, listed = set(), {}
        for name, parts in streams.items():
            listed[name] = []
            for games in parts:
                kinds.add((games.size, games.policy))
                stem = f"{name}-{len(listed[name]):05d}"
                listed[name].append(_write_shard(unfinished, stem, games, legal))
        if len(kinds) != 1:
            raise InputError(
                f"Games must be of one board and policy, but got ({sorted(kinds)}): write at least "
                "one, and others to another directory."
            )
        [(size, policy)] = kinds
        manifest = {
            "schema": SCHEMA,
            "size": size,
            "policy": policy,
            "streams": {
                name: {"games": sum(shard["games"] for shard in shards), "shards": shards}
                for name, shards in listed.items()
            },
        } | dict(about or {})
        write_json(unfinished / "manifest.json", manifest)
        with storage_errors(directory):
            os.replace(unfinished, directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def read_shards(directory: str | pathlib.Path, stream: str = "train") -> Games:
    """All games of a stream, checked against the manifest's hashes and against the rules.

    **Raises:** `StorageError` for a missing, damaged or changed file.
    """
    directory = pathlib.Path(directory)
    manifest = read_json(directory / "manifest.json")
    policy: Any
    try:
        size, policy, streams = manifest["size"], manifest["policy"], manifest["streams"]
        files = {
            name: [(shard["moves"], shard.get("legal")) for shard in about["shards"]]
            for name, about in streams.items()
        }
        known = manifest["schema"] == SCHEMA and size in SIZES and policy in POLICIES
    except (KeyError, TypeError, AttributeError):
        known, size, policy, files = False, 0, "skip", {}
    if not (known and all(files.values())):
        raise StorageError(
            f"`{directory / 'manifest.json'}` must be a manifest of games (schema {SCHEMA}), but it is "
            "not: write the games again."
        )
    if stream not in files:
        raise InputError(
            f"`stream` must be one of ({', '.join(files)}) of `{directory}`, but got ({stream})."
        )
    moves = [_read(directory, about, np.int8) for about, _ in files[stream]]
    games = replay(size, np.concatenate(moves), policy=policy)
    written = [about for _, about in files[stream] if about is not None]
    if len(written) == len(moves):
        kept = np.concatenate([_read(directory, about, np.uint64) for about in written])
        if kept.shape != games.legal.shape or (kept != games.legal).any():
            raise StorageError(
                f"The legal sets in `{directory}` must be those of its moves, but they differ: write "
                "the games again."
            )
    return games


def _write_shard(folder: pathlib.Path, stem: str, games: Games, legal: bool) -> dict[str, Any]:
    shard: dict[str, Any] = {"games": len(games.moves)}
    for kind in ("moves", "legal") if legal else ("moves",):
        file = io.BytesIO()
        np.save(file, getattr(games, kind), allow_pickle=False)
        data = file.getvalue()
        name = f"{stem}.{kind}.npy"
        write_bytes(folder / name, data)
        shard[kind] = {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
    return shard


def _read(directory: pathlib.Path, about: Mapping[str, str], dtype: type) -> np.ndarray:
    path = directory / about["file"]
    with storage_errors(path):
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise StorageError(
            f"`{path}` must be the file that the manifest names, but its hash differs: it is damaged or "
            "changed; copy it again or write the games again."
        )
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype != dtype or array.ndim != 2:
        raise StorageError(f"`{path}` must hold a table of {dtype.__name__}: write it again.")
    return array
