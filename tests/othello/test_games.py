"""Random games: their law, and that they depend on nothing but seed, stream and number."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

import lengthwise as lw
from lengthwise.othello import (
    PASS,
    STREAMS,
    most_entries,
    next_move,
    overlap,
    random_games,
    replay,
    tokens_of,
)


def rows(games):
    return {row.tobytes() for row in games.moves}


def interval(share, count):
    """The range of counts that a binomial of this share leaves with a chance of 1e-6."""
    return scipy.stats.binom.ppf([5e-7, 1 - 5e-7], count, share)


def test_lengths_and_forfeited_turns_of_random_games():
    """35 % of 8x8 games contain a forfeited turn and 99.06 % last 60 moves: published to these
    digits, so half of the last one is added to the binomial interval of 40,000 games."""
    count = 40_000
    games = random_games(8, count, seed=0, policy="pass", threads=2)
    passed = int((games.moves == PASS).any(axis=1).sum())
    whole = int(((games.moves >= 0).sum(axis=1) == 60).sum())
    assert interval(0.345, count)[0] <= passed <= interval(0.355, count)[1]
    assert interval(0.99055, count)[0] <= whole <= interval(0.99065, count)[1]
    skipped = random_games(8, count, seed=1, threads=2)
    assert (
        interval(0.99055, count)[0] <= (skipped.lengths == 60).sum() <= interval(0.99065, count)[1]
    )


@pytest.mark.parametrize("size", [4, 6, 8])
def test_moves_are_uniform_over_the_legal_ones(size):
    """Chi-square at level 1e-6 with a fixed seed, of the rank of the move among the legal ones, for
    each number of legal ones and each half of the game."""
    games = random_games(size, 20_000, seed=5, threads=2)
    played = games.moves >= 0
    below = (np.uint64(1) << np.where(played, games.moves, 0).astype(np.uint64)) - np.uint64(1)
    rank = np.bitwise_count(games.legal & below)
    choices = np.bitwise_count(games.legal)
    statistic, freedom = 0.0, 0
    late = np.arange(games.moves.shape[1]) >= games.moves.shape[1] // 2
    for half in (late, ~late):
        for n in range(2, int(choices.max()) + 1):
            counts = np.bincount(rank[played & half & (choices == n)], minlength=n)
            assert len(counts) == n
            if counts.sum() >= 20 * n:
                expected = counts.sum() / n
                statistic += float(((counts - expected) ** 2 / expected).sum())
                freedom += n - 1
    assert freedom >= 20
    assert statistic < scipy.stats.chi2.isf(1e-6, freedom)


def test_beginnings_are_uniform():
    """Chi-square at level 1e-6, fixed seed: the first two moves are one of 12, equally likely."""
    games = random_games(8, 12_000, seed=9)
    _, counts = np.unique(games.moves[:, :2], axis=0, return_counts=True)
    assert len(counts) == 12
    assert ((counts - 1000) ** 2 / 1000).sum() < scipy.stats.chi2.isf(1e-6, 11)


@given(
    st.sampled_from([4, 6, 8]),
    st.sampled_from(["skip", "pass"]),
    st.integers(1, 4),
    st.integers(0, 300),
    st.integers(1, 300),
)
@settings(max_examples=25)
def test_threads_and_chunks_change_nothing(size, policy, threads, first, count):
    ask = lambda **other: random_games(size, seed=2, policy=policy, **other)
    whole = ask(count=600)
    part = ask(first=first, count=count, threads=threads)
    short = ask(first=first, count=count, entries=5)
    for name in ("moves", "legal", "lengths"):
        wanted = getattr(whole, name)[first : first + count]
        np.testing.assert_array_equal(getattr(part, name), wanted)
    np.testing.assert_array_equal(short.moves, part.moves[:, :5])
    np.testing.assert_array_equal(short.legal, part.legal[:, :5])
    np.testing.assert_array_equal(short.lengths, np.minimum(part.lengths, 5))


def test_another_process_gives_the_same_games():
    code = (
        "from lengthwise.othello import random_games; import hashlib;"
        "print(hashlib.sha256(random_games(6, 100, seed=4, stream='test').moves.tobytes()).hexdigest())"
    )
    here = random_games(6, 100, seed=4, stream="test", threads=2)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(here.moves.tobytes()).hexdigest()


PLAY_ALL = """
import hashlib, itertools as it
import numba, numpy as np
from lengthwise.othello import next_move, perft, play, positions, random_games, replay, start

found = {"interpreted": bool(numba.config.DISABLE_JIT), "perft": [perft(8, d) for d in range(4)]}
found["ended"] = perft(4, 13)
for size, policy in it.product((4, 6, 8), ("skip", "pass")):
    games = random_games(size, 12, seed=3, policy=policy)
    cut = random_games(size, 12, seed=3, policy=policy, entries=9)
    again = replay(size, games.moves, policy=policy)
    shares = next_move(size, games.legal, policy=policy)
    first = play(*start(size), int(games.moves[0, 0]), size)
    arrays = (*again[2:], *positions(games), *cut[2:], shares, np.array(first, np.uint64))
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    found[f"{size} {policy}"] = hashlib.sha256(data).hexdigest()
"""


def test_the_compiled_program_plays_as_its_python_text_says():
    """The same text, interpreted: a wrong type or an unsigned shift would come out otherwise."""
    here = {}
    exec(PLAY_ALL, here)
    command = [sys.executable, "-c", f"import json\n{PLAY_ALL}\nprint(json.dumps(found))"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    compiled, interpreted = here["found"], json.loads(done.stdout)
    assert (compiled.pop("interpreted"), interpreted.pop("interpreted")) == (False, True)
    assert compiled == interpreted
    assert compiled["perft"] == [1, 4, 12, 56]


def test_streams_and_seeds_have_no_game_in_common():
    """On 8x8, where two of 16,000 random games are equal with a chance far below 1e-20."""
    kinds = [(seed, stream) for seed in (0, 1, 2**62, 2**63 - 1) for stream in STREAMS]
    sets = [rows(random_games(8, 1000, seed=seed, stream=stream)) for seed, stream in kinds]
    assert all(len(found) == 1000 for found in sets)
    assert len(set().union(*sets)) == 1000 * len(kinds)


def test_first_words_never_meet():
    """The generator's start: one-to-one in the game's number, its stream in the highest bits."""
    from lengthwise.othello import _kernels as kernels

    word = kernels._first_word.py_func
    numbers = [0, 1, 2, 1000, 2**61 - 1, 2**61 - 2]
    with np.errstate(over="ignore"):
        found = {
            (stream, int(word(np.uint64(seed), np.uint64(stream), np.uint64(i))))
            for seed in (0, 7, 2**63 - 1)
            for stream in range(4)
            for i in numbers
        }
    assert {w >> 62 for stream, w in found if stream == 2} == {2}
    assert len({w for _, w in found}) == 3 * 4 * len(numbers)


def test_overlap_counts_beginnings():
    train, test = (random_games(4, 3000, seed=0, stream=stream) for stream in ("train", "test"))
    found = overlap(test, train)
    assert [row.moves for row in found] == list(range(1, 13))
    for row in found:
        ours, theirs = ([tuple(m[: row.moves]) for m in g.moves.tolist()] for g in (test, train))
        known = set(theirs)
        assert (row.distinct, row.distinct_train) == (len(set(ours)), len(known))
        assert row.share == pytest.approx(np.mean([game in known for game in ours]))
    assert found[1].share == 1 > found[-1].share > 0
    assert overlap(train, train)[-1].share == 1
    with pytest.raises(lw.InputError, match="Games of one board and policy must hold"):
        overlap(test, random_games(6, 1, seed=0))


@pytest.mark.parametrize("size", [4, 6, 8])
def test_next_move_is_uniform_over_the_legal_squares(size):
    games = random_games(size, 50, seed=1, policy="pass")
    shares = next_move(size, games.legal, policy="pass")
    tokens = tokens_of(size, "pass")
    for g, t in np.ndindex(games.moves.shape):
        legal = [s for s in tokens if s != PASS and int(games.legal[g, t]) >> s & 1] or [PASS]
        wanted = [np.float32(1) / np.float32(len(legal)) if s in legal else 0 for s in tokens]
        assert shares[g, t].tolist() == wanted


def test_no_game_is_longer_than_most_entries():
    assert most_entries(8) == 60
    for size in (4, 6):
        games = random_games(size, 3000, seed=0, policy="pass")
        assert games.lengths.max() < games.moves.shape[1] == most_entries(size, "pass")
        assert (replay(size, games.moves, policy="pass").lengths == games.lengths).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream": "trian"}, r"`stream` in .*stream='trian'"),
        ({"seed": -1}, r"`0 <= seed < 2\*\*63`.*seed=-1"),
        ({"first": -1}, r"0 <= first"),
        ({"threads": 0}, r"`threads >= 1`"),
        ({"entries": 0}, r"`entries >= 1`"),
    ],
)
def test_bad_questions_are_refused(change, words):
    with pytest.raises(lw.InputError, match=words):
        random_games(8, **({"count": 1, "seed": 0} | change))
