"""The rules on one position: words of bits, one for each player."""

import numpy as np

from .._core import InputError
from . import _kernels as kernels
from ._board import check_size, square_name


def start(size: int) -> tuple[int, int]:
    """The discs of black, who begins, and of white: bit `size * row + column`."""
    check_size(size)
    pair = kernels.START_OWN, kernels.START_OTHER
    own, other = (int(kernels.pack(x, size)) for x in pair)
    return own, other


def legal_moves(own: int, other: int, size: int) -> int:
    """The squares on which the player of `own` may move; 0 if there is none."""
    check_size(size)
    return int(kernels.legal_board(np.uint64(own), np.uint64(other), size))


def play(own: int, other: int, square: int, size: int) -> tuple[int, int]:
    """The position after a move, seen by the other player: their discs, then the mover's.

    **Raises:** `InputError` if the move is illegal.
    """
    if not 0 <= square < size * size or not legal_moves(own, other, size) >> square & 1:
        raise InputError(
            f"A move must be legal, but got ({square=}, {square_name(square, size)}): choose one of "
            "`legal_moves`."
        )
    flips = int(kernels.flips_board(square, np.uint64(own), np.uint64(other), size))
    return other & ~flips, own | flips | 1 << square


def perft(size: int, depth: int) -> int:
    """The number of sequences of `depth` entries from the start, passes counted as entries.

    A game that has ended counts once. On 8x8: 4, 12, 56, 244, 1396, 8200, ...
    """
    check_size(size)
    pair = kernels.START_OWN, kernels.START_OTHER
    board = np.uint64(kernels.board_of(size))  # Numba gives Python integers back
    return int(kernels.count_leaves(*pair, depth, board))
