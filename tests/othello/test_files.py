"""Games on disk: shards are whole or absent, and nothing in a foreign file is run."""

import hashlib
import json
import os
import pathlib
import pickle

import numpy as np
import pytest

import lengthwise as lw
from lengthwise.othello import Games, random_games, read_corpus, read_shards, write_shards


@pytest.fixture(autouse=True)
def _here(place):
    """Every test runs in an empty directory."""


def lists(games):
    return [row[row != -1].tolist() for row in games.moves]


def same(one, other):
    for name, array in one._asdict().items():
        np.testing.assert_array_equal(getattr(other, name), array)


@pytest.mark.parametrize("legal", [True, False])
@pytest.mark.parametrize("policy", ["skip", "pass"])
def test_shards_come_back(policy, legal):
    whole = random_games(6, 50, seed=0, policy=policy)
    parts = [random_games(6, 25, seed=0, policy=policy, first=first) for first in (0, 25)]
    test = random_games(6, 5, seed=0, policy=policy, stream="test")
    manifest = write_shards(
        "games", {"train": parts, "test": iter([test])}, legal=legal, about={"seed": 0}
    )
    assert (manifest["size"], manifest["policy"], manifest["seed"]) == (6, policy, 0)
    assert manifest["streams"]["train"]["games"] == 50
    files = {path.name for path in pathlib.Path("games").iterdir()}
    assert len(files) == 1 + 3 * (1 + legal)
    same(whole, read_shards("games"))
    same(test, read_shards("games", "test"))
    assert [path.name for path in pathlib.Path().iterdir()] == ["games"]


def test_nothing_is_left_of_a_failure():
    def stopped():
        yield random_games(4, 5, seed=0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards("games", {"train": stopped()})
    mixed = [random_games(4, 5, seed=0), random_games(6, 5, seed=0)]
    for streams in ({"train": mixed}, {"train": []}, {}):
        with pytest.raises(lw.InputError, match="one board and policy"):
            write_shards("games", streams)
    assert not list(pathlib.Path().iterdir())


def test_a_full_directory_is_left_alone():
    pathlib.Path("games").mkdir()
    pathlib.Path("games/mine").touch()
    with pytest.raises(lw.InputError, match="must be a new directory"):
        write_shards("games", {"train": [random_games(4, 1, seed=0)]})
    assert [path.name for path in pathlib.Path("games").iterdir()] == ["mine"]


def test_damaged_shards_are_named():
    write_shards("games", {"train": [random_games(4, 5, seed=0)]})
    manifest = pathlib.Path("games/manifest.json")
    shard = pathlib.Path("games/train-00000.moves.npy")
    with pytest.raises(lw.InputError, match=r"one of \(train\).*got \(test\)"):
        read_shards("games", "test")
    kept = shard.read_bytes()
    shard.write_bytes(kept[:-3])
    with pytest.raises(
        lw.StorageError, match=r"train-00000.moves.npy` must be the file.*hash differs"
    ):
        read_shards("games")
    shard.unlink()
    with pytest.raises(lw.StorageError, match=r"train-00000.moves.npy` could not be read"):
        read_shards("games")
    about = json.loads(manifest.read_text())
    for change in (
        {"size": 5},
        {"policy": "x"},
        {"schema": 9},
        {"streams": 3},
        {"streams": {"train": {"shards": []}}},
    ):
        manifest.write_text(json.dumps(about | change))
        with pytest.raises(lw.StorageError, match="must be a manifest of games"):
            read_shards("games")
    manifest.write_text("[]")
    with pytest.raises(lw.StorageError, match="must be a manifest of games"):
        read_shards("games")
    with pytest.raises(lw.StorageError, match="could not be read"):
        read_shards("nowhere")


def test_a_shard_of_another_kind_is_named():
    """Its manifest vouches for it, as that of another program may."""
    write_shards("games", {"train": [random_games(4, 5, seed=0)]})
    manifest = pathlib.Path("games/manifest.json")
    about = json.loads(manifest.read_text())
    shard = pathlib.Path("games/train-00000.moves.npy")
    for wrong in (np.load(shard).astype(np.int64), np.load(shard).ravel()):
        np.save(shard, wrong)
        part = about["streams"]["train"]["shards"][0]["moves"]
        part["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(about))
        with pytest.raises(lw.StorageError, match=r"moves.npy` must hold a table of int8"):
            read_shards("games")


def test_legal_sets_of_other_games_are_noticed():
    games, other = (random_games(4, 5, seed=seed) for seed in (0, 1))
    write_shards("games", {"train": [Games(4, "skip", games.moves, other.legal, games.lengths)]})
    with pytest.raises(lw.StorageError, match="must be those of its moves"):
        read_shards("games")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_published_layout_is_read(protocol):
    games = random_games(8, 20, seed=0)
    pathlib.Path("a.pickle").write_bytes(pickle.dumps(lists(games), protocol))
    same(games, read_corpus("a.pickle"))


@pytest.mark.parametrize("policy", ["skip", "pass"])
def test_json_and_npy_are_read(policy):
    games = random_games(6, 20, seed=0, policy=policy)
    pathlib.Path("a.json").write_text(json.dumps(lists(games)))
    same(games, read_corpus("a.json", 6, policy=policy))
    np.save("a.npy", games.moves.astype(np.int64))
    same(games, read_corpus("a.npy", 6, policy=policy))


class Touch:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("thing", [Touch(), [[19, 18], Touch()], [np.int64(19)], [[19, os.getcwd]]])
def test_a_pickle_that_names_anything_is_refused(thing):
    pathlib.Path("a.pickle").write_bytes(pickle.dumps(thing))
    with pytest.raises(
        lw.InputError, match=r"`a.pickle` must be a pickle of lists of integers, but it"
    ):
        read_corpus("a.pickle")
    assert not pathlib.Path("owned").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            [[19, 18, 26], [19, 18, 63]],
            r"game=1, ply=3, move=63\), where the legal squares are .*c4",
        ),
        ([[19], [64]], r"squares 0 to 63, but got \(game=1, ply=1, move=64"),
        ([[19], [-2]], r"game=1, ply=1, move=-2"),
        ([[19], [-1, 18]], r"game=1, ply=1, move=-1"),
        ([[19], [10**30]], r"game=1, ply=1, move=1000"),
        ([[19], 18], r"list of integers, but got \(game=1, 18\)"),
        ([[19], [18.0]], r"list of integers, but got \(game=1, \[18.0\]\)"),
        ([[19], [True]], r"list of integers"),
        ({"games": []}, r"list of lists, but got \(dict\)"),
        ([list(range(61))], r"at most 60 entries, but got \(game=0, entries=61\)"),
    ],
)
def test_bad_games_are_named(data, words):
    pathlib.Path("a.pickle").write_bytes(pickle.dumps(data))
    pathlib.Path("a.json").write_text(json.dumps(data))
    for path in ("a.pickle", "a.json"):
        with pytest.raises(lw.InputError, match=rf"`{path}`: .*{words}"):
            read_corpus(path)


def test_bad_tables_and_files_are_named():
    for array in (np.zeros((2, 3)), np.zeros(3, int), np.full((1, 61), 19)):
        np.save("a.npy", array)
        with pytest.raises(lw.InputError, match=r"integers of shape \(games, at most 60\)"):
            read_corpus("a.npy")
    np.save("a.npy", np.array([[19, -1, 18]]))
    with pytest.raises(lw.InputError, match="Nothing may follow"):
        read_corpus("a.npy")
    np.save("a.npy", np.array([[19, None]]))
    with pytest.raises(lw.StorageError, match="is damaged"):
        read_corpus("a.npy")
    pathlib.Path("a.pickle").write_bytes(pickle.dumps([[19, 18]])[:-4])
    with pytest.raises(
        lw.StorageError, match=r"`a.pickle` must hold whole games, but it is damaged"
    ):
        read_corpus("a.pickle")
    with pytest.raises(lw.StorageError, match="could not be read"):
        read_corpus("b.json")
    with pytest.raises(lw.InputError, match=r"\.pickle, \.json or \.npy file, but got \(a.txt\)"):
        read_corpus("a.txt")


class TestCommand:
    def run(self, words, capsys, code=0):
        from lengthwise.cli import main

        assert main(["othello", *words.split()]) == code
        out, err = capsys.readouterr()
        assert err.count("\n") == int(code > 0)
        return out + err

    def test_games_are_written(self, capsys):
        said = self.run(
            "games --size 4 --train 300 --test 50 --validation 0 --shard-games 200 --out g", capsys
        )
        assert "test: share of 50 games that begin as a training game" in said
        assert "2 moves 100.00%" in said
        same(random_games(4, 300, seed=0), read_shards("g"))
        same(random_games(4, 50, seed=0, stream="test"), read_shards("g", "test"))
        manifest = json.loads(pathlib.Path("g/manifest.json").read_text())
        assert len(manifest["streams"]["train"]["shards"]) == 2
        assert manifest["overlap"]["test"][1]["share"] == 1.0
        assert "must be a new directory" in self.run("games --size 4 --train 3 --out g", capsys, 2)

    def test_games_without_training_games_have_nothing_in_common(self, capsys):
        said = self.run("games --size 4 --train 0 --validation 0 --test 50 --out g", capsys)
        assert "share of" not in said
        assert json.loads(pathlib.Path("g/manifest.json").read_text())["overlap"] == {}
        same(random_games(4, 50, seed=0, stream="test"), read_shards("g", "test"))

    def test_a_corpus_of_no_games_is_refused(self, capsys):
        pathlib.Path("a.json").write_text("[]")
        said = self.run("games --read a.json --out g", capsys, 2)
        assert "`a.json` must hold games, but it has none" in said
        assert [path.name for path in pathlib.Path().iterdir()] == ["a.json"]

    def test_a_corpus_is_checked_and_written(self, capsys):
        games = random_games(8, 20, seed=0)
        pathlib.Path("a.pickle").write_bytes(pickle.dumps(lists(games)))
        self.run("games --read a.pickle a.pickle --out g", capsys)
        assert (read_shards("g", "corpus").moves == np.tile(games.moves, (2, 1))).all()
        assert "20 games, not written" in self.run("games --read a.pickle", capsys)
        pathlib.Path("b.json").write_text("[[19, 18], [19, 19]]")
        said = self.run("games --read a.pickle b.json --out h", capsys, 2)
        assert "`b.json`: Every move must be legal, but got (game=1, ply=2, move=19)" in said
        assert {path.name for path in pathlib.Path().iterdir()} == {"g", "a.pickle", "b.json"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("games --size 5", "got (size=5): an Othello board has an even side"),
            ("games --size 10", "got (size=10): choose one of these boards"),
            ("games --train -1", "`train >= 0`"),
            ("games --train 0 --validation 0 --test 0", "Some games must hold"),
            ("games --shard-games 0", "`shard_games >= 1`"),
            ("games --threads 0", "`threads >= 1`"),
            ("gaems", "must be one of (games, play, probe), but got (gaems)"),
        ],
    )
    def test_bad_input_is_one_sentence(self, words, said, capsys):
        assert said in self.run(words, capsys, 2)
        assert not list(pathlib.Path().iterdir())
