"""Games that others wrote: lists of squares, as in the published corpus."""

import io
import json
import pathlib
import pickle
from typing import Any

import numpy as np
from jaxtyping import Int8

from .._core import InputError, StorageError, storage_errors
from ._board import END, PASS, Policy, check_policy, check_size, most_entries
from ._games import Games, replay


def read_corpus(path: str | pathlib.Path, size: int = 8, *, policy: Policy = "skip") -> Games:
    """Read and check games that are lists of squares `size * row + column`.

    **Arguments:**

    - `path`: a `.pickle` or `.pkl` (the published corpus: a list of lists of integers), a `.json` of
      the same, or a `.npy` with one game a row, filled up with -1. Of a pickle only lists and integers are
      read: nothing that it names is imported or called.
    - `size`: the board that the squares are of.
    - `policy`: `pass` if forfeited turns are entries (-2); the published corpus skips them.

    **Raises:** `InputError` for anything but legal games: which game, which ply, which move;
    `StorageError` for a file that is missing or damaged.
    """
    check_size(size)
    check_policy(policy)
    path = pathlib.Path(path)
    if path.suffix not in (".pickle", ".pkl", ".json", ".npy"):
        raise InputError(
            f"Games must be in a .pickle, .json or .npy file, but got ({path}): convert it, one list "
            "of squares a game."
        )
    with storage_errors(path):
        data = path.read_bytes()
    try:
        if path.suffix == ".npy":
            games: Any = np.load(io.BytesIO(data), allow_pickle=False)
        elif path.suffix == ".json":
            games = json.loads(data)
        else:
            games = _PlainUnpickler(io.BytesIO(data)).load()
    except InputError as error:
        raise InputError(f"`{path}` {error}") from None
    except Exception as error:  # a damaged pickle may raise anything
        raise StorageError(
            f"`{path}` must hold whole games, but it is damaged ({type(error).__name__}: {error}): "
            "copy it again."
        ) from None
    try:
        return replay(size, _table(games, size, policy), policy=policy)
    except InputError as error:
        raise InputError(f"`{path}`: {error}") from None


class _PlainUnpickler(pickle.Unpickler):
    """Lists, tuples and numbers need no name; whatever names something else is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise InputError(
            f"must be a pickle of lists of integers, but it names ({module_name}.{global_name}): "
            "it is not read, as a pickle can run any code."
        )


def _table(games: Any, size: int, policy: Policy) -> Int8[np.ndarray, "games entries"]:
    most = most_entries(size, policy)
    if isinstance(games, np.ndarray):
        if games.ndim != 2 or games.dtype.kind not in "iu" or games.shape[1] > most:
            raise InputError(
                f"Games must be integers of shape (games, at most {most}), but got "
                f"({games.dtype}, {games.shape}): one game a row, filled up with {END}."
            )
        games = games.tolist()
        short = [row[: row.index(END)] if END in row else row for row in games]
        whole = all(set(row[len(kept) :]) <= {END} for row, kept in zip(games, short, strict=True))
        if not whole:
            raise InputError(f"Nothing may follow the {END} that ends a game: check the rows.")
        games = short
    if not isinstance(games, list | tuple):
        raise InputError(f"Games must be a list of lists, but got ({type(games).__name__}).")
    table = np.full((len(games), most), END, np.int8)
    for number, game in enumerate(games):
        if not isinstance(game, list | tuple) or any(type(move) is not int for move in game):
            raise InputError(
                f"A game must be a list of integers, but got (game={number}, {str(game)[:60]}): "
                "convert it."
            )
        if len(game) > most:
            raise InputError(
                f"A game must have at most {most} entries, but got (game={number}, "
                f"entries={len(game)}): is it a game on a board of {size}x{size}?"
            )
        for ply, move in enumerate(game):
            if not (0 <= move < size * size or (move == PASS and policy == "pass")):
                raise InputError(
                    f"A move must be one of the squares 0 to {size * size - 1}, but got "
                    f"(game={number}, ply={ply + 1}, move={move}): is it a game on a board of "
                    f"{size}x{size}?"
                )
        table[number, : len(game)] = game
    return table
