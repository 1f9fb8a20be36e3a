"""A game so far: the board, the player and the legal squares after every number of moves."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int8

from .._core import InputError
from ..othello import (
    PASS,
    Policy,
    legal_after,
    next_move,
    play,
    positions,
    replay,
    square_name,
)


class Game(NamedTuple):
    """A legal beginning of a game; number `s` of each field is after `s` of its entries.

    - `moves`: the entries, squares or `PASS`.
    - `boards`: 1 for a black disc, -1 for a white one, 0 for an empty square.
    - `movers`: who makes the next entry, 1 for black and -1 for white; 0 when the game is over.
    - `legal`: the squares that may be played; none where the next entry is a pass.
    - `exact`: the distribution of the next entry in random play, over `tokens_of(size, policy)`; zeros
      when the game is over.
    """

    moves: tuple[int, ...]
    boards: Int8[np.ndarray, "positions squares"]
    movers: tuple[int, ...]
    legal: tuple[tuple[int, ...], ...]
    exact: Float32[np.ndarray, "positions tokens"]

    def forfeited(self, s: int) -> int:
        """Whose turn was left out just before position `s`: 1, -1, or 0 for none."""
        if s == 0 or self.moves[s - 1] == PASS or self.movers[s] != self.movers[s - 1]:
            return 0
        return -self.movers[s]


def follow(size: int, policy: Policy, moves: Sequence[int]) -> Game:
    """Play `moves` from the start.

    **Arguments:**

    - `size`: side of the board.
    - `policy`: whether a forfeited turn is left out or an entry.
    - `moves`: squares (or `PASS`).

    **Raises:** `InputError` with the ply (from 1) and the square of the first illegal move.
    """
    count = len(moves)
    near = [max(-3, min(move, size * size)) for move in moves]  # what is no square stays none
    row = np.array([near], np.int16).reshape(1, count)
    bits, played = legal_after(size, row, policy=policy)
    legal = tuple(
        tuple(s for s in range(size * size) if word >> s & 1) for word in bits[0].tolist()
    )
    if played[0] < count:
        raise InputError(_illegal(size, int(played[0]), moves, legal))
    exact = next_move(size, bits, policy=policy)[0]
    over = False
    # Boards are told before entries: one more, if there is one, shows the position after the last.
    ahead = legal[-1][0] if legal[-1] else PASS
    longer = np.append(row, np.array([[ahead]], np.int16), axis=1)
    if legal_after(size, longer, policy=policy)[1][0] == count:
        over, longer, exact[-1] = True, row, 0
    found = positions(replay(size, longer, policy=policy))
    words = list(zip(found.own[0].tolist(), found.other[0].tolist(), strict=True))
    movers = [1 if black else -1 for black in found.black[0].tolist()]
    if over:
        words.append(play(*words[-1], moves[-1], size))
        movers.append(-movers[-1])
    boards = [
        [mover * ((own >> s & 1) - (other >> s & 1)) for s in range(size * size)]
        for (own, other), mover in zip(words, movers, strict=True)
    ]
    if over:
        movers[-1] = 0
    return Game(tuple(moves), np.array(boards, np.int8), tuple(movers), legal, exact)


def _illegal(size: int, ply: int, moves: Sequence[int], legal: tuple[tuple[int, ...], ...]) -> str:
    move = moves[ply]
    on_board = 0 <= move < size * size or move == PASS
    name = square_name(move, size) if on_board else str(move)
    squares = ", ".join(square_name(square, size) for square in legal[ply])
    may = f"the legal squares are {squares}" if squares else "no square is legal"
    return f"Every move must be legal, but got (ply={ply + 1}, move={name}), where {may}: choose another."
