"""How many games of one stream begin as games of another do: on small boards, most."""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from .._core import require
from ._board import END, PASS
from ._games import Games


class OverlapRow(NamedTuple):
    """Of the games' beginnings of so many moves.

    - `moves`: the number of entries compared (a game that ended before is compared whole).
    - `distinct`, `distinct_train`: different beginnings in either set.
    - `share`: of the games, those whose beginning is in the training games too.
    """

    moves: int
    distinct: int
    distinct_train: int
    share: float


def overlap(games: Games, train: Games) -> list[OverlapRow]:
    """Compare games with training games by their first 1, 2, ... entries.

    On 4x4 it reaches the end of the game, so that the last row is about whole games; on larger boards
    12 and 10 entries, beyond which a chance match has become rare.
    """
    require(
        (games.size, games.policy) == (train.size, train.policy),
        "Games of one board and policy",
        "compare games of the same kind",
        games=(games.size, games.policy),
        train=(train.size, train.policy),
    )
    longest = min({4: 12, 6: 12, 8: 10}[games.size], games.moves.shape[1], train.moves.shape[1])
    rows = []
    for length in range(1, longest + 1):
        ours, theirs = _codes(games, length), _codes(train, length)
        known = np.unique(theirs)
        share = float(np.isin(ours, known).mean()) if len(ours) else float("nan")
        rows.append(OverlapRow(length, len(np.unique(ours)), len(known), share))
    return rows


def _codes(games: Games, length: int) -> UInt64[np.ndarray, " games"]:
    """The first entries as one number; squares, pass and end are digits, so it is one-to-one."""
    base = games.size**2 + 2  # at most 66, and 66^10 < 2^64
    codes = np.zeros(len(games.moves), np.uint64)
    for entry in games.moves[:, :length].T:
        digit = np.where(entry == END, base - 1, np.where(entry == PASS, base - 2, entry))
        codes = codes * np.uint64(base) + digit.astype(np.uint64)
    return codes
