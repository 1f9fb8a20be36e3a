"""Whole games: drawn at random, or replayed from their moves."""

import concurrent.futures
import functools as ft
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int8, Int32, UInt8, UInt64

from .._core import InputError, require
from . import _kernels as kernels
from ._board import (
    END,
    MINE,
    STREAMS,
    THEIRS,
    Policy,
    check_policy,
    check_size,
    most_entries,
    square_name,
    tokens_of,
)


class Games(NamedTuple):
    """Games as arrays, one a row.

    - `size`, `policy`: the board's side, and whether passes are entries.
    - `moves`: squares `size * row + column`, `PASS` for a pass, `END` after the last entry.
    - `legal`: bit `s` says that square `s` was legal at this entry; 0 at a pass and after the end.
    - `lengths`: entries of each game.
    """

    size: int
    policy: Policy
    moves: Int8[np.ndarray, "games entries"]
    legal: UInt64[np.ndarray, "games entries"]
    lengths: Int32[np.ndarray, " games"]


class Positions(NamedTuple):
    """The board before each entry, bit `s` for square `s`; zeros after the end.

    - `own`, `other`: discs of the player whose entry it is, and of the other one.
    - `black`: whether that player is black, who began.
    """

    own: UInt64[np.ndarray, "games entries"]
    other: UInt64[np.ndarray, "games entries"]
    black: UInt8[np.ndarray, "games entries"]


def random_games(
    size: int,
    count: int,
    *,
    seed: int,
    stream: str = "train",
    first: int = 0,
    policy: Policy = "skip",
    entries: int | None = None,
    threads: int = 1,
) -> Games:
    """Games `first` to `first + count - 1` of a stream, every move uniform over the legal ones.

    **Arguments:**

    - `size`: 4, 6 or 8.
    - `count`, `first`: how many games, and the number of the first one.
    - `seed`, `stream`: which ones; game `index` of them is the same however it is asked for, and no
      two streams share a random number generator's start.
    - `policy`: whether a forfeited turn is skipped or an entry.
    - `entries`: keep the first so many of each game; by default all, which is 60 on 8x8 (119 with
      passes as entries).
    - `threads`: of this process. The games do not depend on it.

    **Example:** `random_games(8, 1000, seed=0).moves[0, :4]` is the beginning of a game.
    """
    check_size(size)
    check_policy(policy)
    require(stream in STREAMS, f"`stream` in {STREAMS}", "choose one of them", stream=stream)
    require(0 <= seed < 2**63, "`0 <= seed < 2**63`", "choose another seed", seed=seed)
    within = first >= 0 and count >= 0 and first + count <= 2**61
    require(
        within, "`0 <= first <= first + count <= 2**61`", "ask for fewer", first=first, count=count
    )
    require(threads >= 1, "`threads >= 1`", "use one thread at least", threads=threads)
    width = most_entries(size, policy) if entries is None else entries
    require(width >= 1, "`entries >= 1`", "keep one entry at least", entries=width)
    games = Games(
        size,
        policy,
        np.empty((count, width), np.int8),
        np.empty((count, width), np.uint64),
        np.empty((count,), np.int32),
    )
    play = ft.partial(
        kernels.play_random,
        size,
        policy == "pass",
        np.uint64(seed),
        np.uint64(STREAMS.index(stream)),
    )
    arrays = games.moves, games.legal, games.lengths
    part = max(-(-count // threads), 64)
    starts = range(0, count, part)
    run = lambda start: play(np.uint64(first + start), *(x[start : start + part] for x in arrays))
    if len(starts) == 1:
        run(0)
    else:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, starts))
    return games


def replay(size: int, moves: Int[np.ndarray, "games entries"], *, policy: Policy = "skip") -> Games:
    """Games from their moves alone, each checked.

    **Arguments:**

    - `size`, `policy`: see `Games`.
    - `moves`: squares (and `PASS`), one game a row, filled up with `END`. A game may stop early.

    **Raises:** `InputError` naming the first illegal move, its game and ply.
    """
    check_size(size)
    check_policy(policy)
    legal, lengths, ends, small = _replay(size, policy, moves, np.zeros((0, 0, 0), np.uint64))
    bad = np.flatnonzero(ends != kernels.COMPLETE)
    if len(bad):
        raise InputError(_illegal(size, int(bad[0]), int(ends[bad[0]]), moves, legal))
    kept = np.where(np.arange(moves.shape[1]) < lengths[:, None], legal[:, :-1], np.uint64(0))
    return Games(size, policy, small, kept, lengths)


def positions(games: Games) -> Positions:
    """The boards of games, before every entry."""
    boards = np.zeros((*games.moves.shape, 3), np.uint64)
    _replay(games.size, games.policy, games.moves, boards)
    return Positions(boards[..., 0], boards[..., 1], boards[..., 2].astype(np.uint8))


def discs(size: int, boards: Positions) -> Int8[np.ndarray, "games entries squares"]:
    """What is on every square, seen by the player whose entry it is: `EMPTY`, `MINE` or `THEIRS`."""
    bits = np.arange(size * size, dtype=np.uint64)
    on = lambda word: (word[..., None] >> bits & np.uint64(1)).astype(np.int8)
    return MINE * on(boards.own) + THEIRS * on(boards.other)


def legal_after(
    size: int, moves: Int[np.ndarray, "games entries"], *, policy: Policy = "skip"
) -> tuple[UInt64[np.ndarray, "games entries+1"], Int32[np.ndarray, " games"]]:
    """What may follow each prefix of the moves, without refusing any.

    **Returns:** the legal squares after `t` entries in column `t`; and how many entries of each row
    are legal: columns beyond that number are zero.
    """
    legal, lengths, _, _ = _replay(size, policy, moves, np.zeros((0, 0, 0), np.uint64))
    return legal, lengths


def next_move(
    size: int, legal: UInt64[np.ndarray, "games entries"], *, policy: Policy = "skip"
) -> Float32[np.ndarray, "games entries tokens"]:
    """The distribution of the next entry in random play, over `tokens_of(size, policy)`.

    Uniform over the legal squares; where there is none, a pass if that is an entry, else zeros.
    """
    squares = np.array(tokens_of(size), np.uint64)
    shares = np.empty((*legal.shape, len(tokens_of(size, policy))), np.float32)
    kernels.spread(legal, squares, shares)
    return shares


def _replay(
    size: int,
    policy: Policy,
    moves: Int[np.ndarray, "games entries"],
    boards: UInt64[np.ndarray, "..."],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    games, width = moves.shape
    # A number that no square has stays one that no square has.
    small = np.where((moves >= -2) & (moves < 127), moves, 127).astype(np.int8)
    legal = np.zeros((games, width + 1), np.uint64)
    lengths, ends = np.zeros((games,), np.int32), np.zeros((games,), np.int32)
    kernels.replay_games(size, policy == "pass", small, boards, legal, lengths, ends)
    rest = np.arange(width) >= lengths[:, None]
    gap = (ends == kernels.COMPLETE) & (rest & (small != END)).any(axis=1)
    ends[gap] = lengths[gap]  # entries after an END
    return legal, lengths, ends, small


def _illegal(size: int, game: int, ply: int, moves: np.ndarray, legal: np.ndarray) -> str:
    bits = int(legal[game, ply])
    squares = [s for s in range(size * size) if bits >> s & 1]
    may = (
        ", ".join(f"{s} ({square_name(s, size)})" for s in squares) or "none: pass, or end of game"
    )
    return (
        f"Every move must be legal, but got (game={game}, ply={ply + 1}, move={moves[game, ply]}), where "
        f"the legal squares are {may}: is it a game on a board of {size}x{size}?"
    )
