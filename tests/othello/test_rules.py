"""The rules against boards in plain Python, published counts, and boards drawn by hand."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lengthwise as lw
from lengthwise.othello import legal_moves, perft, play, positions, random_games, replay, start
from oracles import othello as oracle


SIZES = [4, 6, 8]
POLICIES = ["skip", "pass"]
PERFT = [1, 4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288]


def squares(word):
    return {s for s in range(64) if int(word) >> s & 1}


@pytest.mark.parametrize("depth", range(len(PERFT)))
def test_perft_8x8(depth):
    assert perft(8, depth) == PERFT[depth]


@pytest.mark.parametrize(("size", "depth"), [(4, 6), (6, 5), (8, 4)])
def test_perft_equals_oracle(size, depth):
    for d in range(depth + 1):
        assert perft(size, d) == oracle.leaves(oracle.start(size), oracle.BLACK, d)


def test_4x4_has_60060_games():
    """Every one has at most 12 moves and fewer passes, so that all have ended by then."""
    assert perft(4, 23) == perft(4, 24) == 60060


@pytest.mark.parametrize("size", SIZES)
def test_start(size):
    assert start(size) == oracle.words(oracle.start(size), oracle.BLACK)


@given(st.sampled_from(SIZES), st.data())
@settings(max_examples=25)
def test_any_position_equals_oracle(size, data):
    """Not only those of games: every square is empty or has a disc of either player."""
    disc = st.sampled_from([oracle.EMPTY, oracle.BLACK, oracle.WHITE])
    board = data.draw(
        st.lists(st.lists(disc, min_size=size, max_size=size), min_size=size, max_size=size)
    )
    own, other = oracle.words(board, oracle.BLACK)
    may = oracle.legal(board, oracle.BLACK)
    assert squares(legal_moves(own, other, size)) == may
    for square in range(size * size):
        if square in may:
            after = oracle.move(board, oracle.BLACK, square)
            assert play(own, other, square, size) == oracle.words(after, oracle.WHITE)
        else:
            with pytest.raises(lw.InputError, match="A move must be legal"):
                play(own, other, square, size)


@given(st.sampled_from(SIZES), st.sampled_from(POLICIES), st.integers(0, 2**63 - 1))
@settings(max_examples=40)
def test_random_games_equal_oracle_at_every_ply(size, policy, seed):
    games = random_games(size, 2, seed=seed, policy=policy)
    boards = positions(games)
    for g, row in enumerate(games.moves.tolist()):
        length = int(games.lengths[g])
        assert set(row[length:]) <= {-1}
        states = oracle.walk(size, row[:length], policy == "pass")
        assert states[-1][1] == 0, "the game has not ended"
        for t, (board, player, may) in enumerate(states[:-1]):
            assert squares(games.legal[g, t]) == may
            pair = int(boards.own[g, t]), int(boards.other[g, t])
            assert pair == oracle.words(board, player)
            assert boards.black[g, t] == (player == oracle.BLACK)
        assert not games.legal[g, length:].any()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", SIZES)
def test_replay_gives_the_same_legal_sets(size, policy):
    games = random_games(size, 300, seed=3, policy=policy)
    again = replay(size, games.moves, policy=policy)
    for name in ("moves", "legal", "lengths"):
        np.testing.assert_array_equal(getattr(again, name), getattr(games, name))
    cut = replay(size, games.moves[:, :7], policy=policy)
    np.testing.assert_array_equal(cut.legal, games.legal[:, :7])


def drawn(picture):
    """(discs of X, discs of O, empty squares to be legal `*`) of a board drawn row by row."""
    text = "".join(picture.split())
    word = lambda sign: sum(1 << s for s, found in enumerate(text) if found == sign)
    return word("X"), word("O"), word("*")


@pytest.mark.parametrize(
    "picture",
    [
        # A line that reaches the edge does not go on at the other side: not on b4, not on g6.
        """
        . . . . . . . .
        . . . . . . . .
        * . . . . * O X
        O . . . . . . .
        X . . . . . . O
        . . . . . . . .
        . . . . . . . .
        . . . . . . . .
        """,
        # The longest line: six discs.
        """
        X O O O O O O *
        O O . . . . . .
        O . O . . . . .
        O . . O . . . .
        O . . . O . . .
        O . . . . O . .
        O . . . . . O .
        * . . . . . . *
        """,
        # None to turn: nothing is legal.
        """
        X X X X . . . .
        X X X X . . . .
        . . . . . . . .
        . . . . . . . .
        . . . . . . . .
        . . . . . . . .
        . . . . . . . .
        . . . . . . . .
        """,
    ],
)
def test_boards_drawn_by_hand(picture):
    own, other, may = drawn(picture)
    assert legal_moves(own, other, 8) == may


def test_a_move_turns_every_direction():
    own, other, _ = drawn(
        """
        X . . X . . X .
        . O . O . O . .
        . . O O O . . .
        X O O . O O O X
        . . O O O . . .
        . O . O . O . .
        X . . O . . X .
        . . . X . . . .
        """
    )
    theirs, mine = play(own, other, 27, 8)
    assert theirs == 0
    assert mine == own | other | 1 << 27


# The shortest way to wipe the other player out: 9 moves (published).
WIPE_OUT = ["e6", "f4", "e3", "f6", "g5", "d6", "e7", "f5", "c5"]


def square(name, size=8):
    return (int(name[1]) - 1) * size + ord(name[0]) - ord("a")


@pytest.mark.parametrize("policy", POLICIES)
def test_wipe_out_ends_the_game(policy):
    moves = [square(name) for name in WIPE_OUT]
    games = replay(8, np.array([[*moves, -1]], np.int8), policy=policy)
    assert games.lengths.tolist() == [9]
    states = oracle.walk(8, moves, passes=True)
    assert oracle.words(states[-1][0], oracle.WHITE)[0] == 0
    with pytest.raises(lw.InputError, match=r"game=0, ply=10, move=0\).*none"):
        replay(8, np.array([[*moves, 0]], np.int8), policy=policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_forfeited_turn_is_written_by_policy(policy):
    """In 4x4 games with passes, the entries without them are a game of the other policy."""
    games = random_games(4, 200, seed=0, policy="pass")
    with_passes = [row[row != -1] for row in games.moves]
    assert any((row == -2).any() for row in with_passes)
    for row in with_passes:
        assert row[0] != -2
        assert row[-1] != -2
        assert not ((row[1:] == -2) & (row[:-1] == -2)).any()
        plain = row[row != -2] if policy == "skip" else row
        assert replay(4, plain[None], policy=policy).lengths[0] == len(plain)
        if (row == -2).any():
            wrong = row if policy == "skip" else row[row != -2]
            with pytest.raises(lw.InputError, match="Every move must be legal"):
                replay(4, wrong[None], policy=policy)


def test_illegal_moves_are_named():
    good = [square(n) for n in ("d3", "c3", "c4")]
    table = np.array([good, [*good[:2], square("h8")]], np.int8)
    with pytest.raises(lw.InputError, match=r"game=1, ply=3, move=63\), where .*26 \(c4\)"):
        replay(8, table)
    with pytest.raises(lw.InputError, match=r"game=0, ply=2, move=200"):
        replay(8, np.array([[good[0], 200]]))
    with pytest.raises(lw.InputError, match=r"game=0, ply=2, move=-1\)"):
        replay(8, np.array([[good[0], -1, good[1]]]))


@pytest.mark.parametrize("size", [0, 2, 5, 7, 10])
def test_other_boards_are_refused(size):
    with pytest.raises(
        lw.InputError, match=rf"`size` in \(4, 6, 8\) must hold, but got \(size={size}"
    ):
        random_games(size, 1, seed=0)
