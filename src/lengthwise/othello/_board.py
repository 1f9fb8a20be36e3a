"""The board: sizes, squares and policies by name. No NumPy."""

import functools as ft
from typing import Literal, get_args

from .._core import require


Policy = Literal["skip", "pass"]
"""How a game's moves tell that a player has none: `skip`, not at all, as in the published corpus (the
next entry is the other player's again); `pass`, by an entry of its own."""
POLICIES: tuple[Policy, ...] = get_args(Policy)
"""Every `Policy`."""

SIZES = (4, 6, 8)
"""Squares along one side of the boards that there are."""
STREAMS = ("train", "validation", "test", "evaluation")
"""Each has its own part of the random numbers of a seed: see `_kernels.py`."""

END = -1
"""What the moves hold after the end of a game."""
PASS = -2
"""A forfeited turn, under the policy `pass`."""

EMPTY = 0
"""A square without a disc."""
MINE = 1
"""A square with a disc of the player to move."""
THEIRS = 2
"""A square with a disc of the other player."""


def check_size(size: int) -> None:
    """Refuse a board that is not 4x4, 6x6 or 8x8."""
    remedy = "an Othello board has an even side" if size % 2 else "choose one of these boards"
    require(size in SIZES, f"`size` in {SIZES}", remedy, size=size)


def check_policy(policy: str) -> None:
    """Refuse a policy that does not exist."""
    require(policy in POLICIES, f"`policy` in {POLICIES}", "choose one of them", policy=policy)


def most_entries(size: int, policy: Policy = "skip") -> int:
    """The largest number of entries of a game.

    Every move fills one of the squares outside the centre. A pass comes before a move and after
    another (two in a row are the end, and the first player can move), so there are fewer passes.
    """
    moves = size * size - 4
    return moves if policy == "skip" else 2 * moves - 1


def centre(size: int) -> tuple[int, int, int, int]:
    """The four squares that are filled at the start, row by row."""
    first = (size // 2 - 1) * size + size // 2 - 1
    return first, first + 1, first + size, first + size + 1


@ft.cache
def tokens_of(size: int, policy: Policy = "skip") -> tuple[int, ...]:
    """What can be an entry: the squares outside the centre in order, and `PASS` if it is one."""
    middle = centre(size)
    squares = tuple(square for square in range(size * size) if square not in middle)
    return (*squares, PASS) if policy == "pass" else squares


def square_name(square: int, size: int) -> str:
    """`d3`: the column as a letter, the row from the top; `pass` for a pass."""
    return "pass" if square == PASS else f"{chr(ord('a') + square % size)}{square // size + 1}"
