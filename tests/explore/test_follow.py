"""The game so far against the oracle's boards, with forfeited turns and ends."""

import numpy as np
import pytest

from lengthwise import InputError
from lengthwise.explore import follow
from lengthwise.othello import PASS, random_games, tokens_of
from oracles import othello as oracle


def drawn(size, policy, seed):
    games = random_games(size, 30, seed=seed, stream="test", policy=policy)
    return [row[:n].tolist() for row, n in zip(games.moves, games.lengths, strict=True)]


@pytest.mark.parametrize("policy", ["skip", "pass"])
@pytest.mark.parametrize("size", [4, 6, 8])
def test_every_position_is_the_oracles(size, policy):
    """The boards, players, legal squares and exact distributions; whole games and their beginnings."""
    forfeits = ends = 0
    for moves in drawn(size, policy, seed=1):
        states = oracle.walk(size, moves, policy == "pass")
        for count in {0, 1, 2, len(moves) // 2, len(moves) - 1, len(moves)}:
            game = follow(size, policy, moves[:count])
            assert len(game.movers) == len(game.legal) == len(game.boards) == count + 1
            # The oracle knows a forfeited turn at the position only, so positions are compared whole.
            for s, (board, player, may) in enumerate(states[: count + 1]):
                assert game.boards[s].tolist() == np.array(board).ravel().tolist()
                assert game.movers[s] == player
                assert set(game.legal[s]) == may
                legal = may or ({PASS} if player and policy == "pass" else set())
                share = [
                    np.float32(1) / np.float32(len(legal)) if t in legal else 0
                    for t in tokens_of(size, policy)
                ]
                assert game.exact[s].tolist() == share
                left = s and policy == "skip" and player and player == states[s - 1][1]
                assert game.forfeited(s) == (-player if left else 0)
                forfeits += bool(left)
            ends += game.movers[-1] == 0
    assert ends == 30
    assert (forfeits > 0) == (policy == "skip")


@pytest.mark.parametrize(
    ("policy", "moves", "sentence"),
    [
        ("skip", [1, 3], r"ply=2, move=d1\), where the legal squares are"),
        ("skip", [5], r"ply=1, move=b2\), where the legal squares are"),
        ("skip", [99], r"ply=1, move=99\), where"),
        ("skip", [-1], r"ply=1, move=-1\), where"),
        ("skip", [10**30], r"ply=1, move=10{30}\), where"),
        ("pass", [PASS], r"ply=1, move=pass\), where the legal squares are"),
    ],
)
def test_illegal_moves_are_named(policy, moves, sentence):
    with pytest.raises(InputError, match=sentence):
        follow(4, policy, moves)


def test_nothing_follows_the_end():
    moves = drawn(4, "skip", seed=2)[0]
    with pytest.raises(
        InputError, match=rf"ply={len(moves) + 1}, move=a1\), where no square is legal"
    ):
        follow(4, "skip", [*moves, 0])
