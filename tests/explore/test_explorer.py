"""What the page is told, against the oracle's rules and the model called directly."""

import itertools as it

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from directly import direct, first_game, one_game

import lengthwise as lw
from lengthwise.explore import Explorer, predict_traces
from lengthwise.othello import PASS
from lengthwise.tasks import OthelloTask
from oracles import othello as oracle


NAMES = {1: "black", -1: "white", 0: None}
# Padding, position and the metrics change the order of float32 sums over at most 36 terms of size 1 or
# less, 36 * 2^-24 < 3e-6; logits here are below 30, whose rounding the softmax carries: 30 * 2^-24 * 36.
CLOSE = 7e-5


def full_game():
    """A 6x6 game that fills the board."""
    return first_game(6, "skip", lambda moves: len(moves) == 32)


@pytest.mark.parametrize("ply", [2, 19])
def test_answers_equal_the_oracle_and_the_model(explorer, models, ply):
    task, moves = OthelloTask(6), full_game()
    states = oracle.walk(6, moves, False)
    found = explorer.answer({"moves": moves, "ply": ply})
    board, player, may = states[ply]
    discs = list(it.chain(*board))
    assert found["board"] == discs
    assert (found["mover"], set(found["legal"]), found["over"]) == (NAMES[player], may, False)
    assert found["discs"] == {"black": discs.count(1), "white": discs.count(-1)}
    assert [m["square"] for m in found["moves"]] == moves
    assert [m["player"] for m in found["moves"]] == [NAMES[p] for _, p, _ in states[:-1]]
    exact = [1 / len(may) if square in may else 0 for square in task.squares]
    assert found["prediction"]["exact"] == pytest.approx(exact)
    for name, model in models.items():
        tokens = [task.squares.index(move) for move in moves[:ply]]
        (*_, p), attention = direct(model, tokens)
        said = found["prediction"]["weights"][name]
        np.testing.assert_allclose(said["probabilities"], p, atol=CLOSE)
        illegal = [i for i, square in enumerate(task.squares) if square not in may]
        assert said["itr"] == pytest.approx(p[illegal].sum(), abs=CLOSE)
        assert said["tv"] == pytest.approx(np.abs(p - exact).sum() / 2, abs=CLOSE)
        assert said["top1"] == task.squares[int(np.argmax(p))]
        assert said["top1_illegal"] == (said["top1"] not in may)
        np.testing.assert_allclose(said["attention"], attention, atol=CLOSE)


def test_history_is_of_every_move(explorer, models):
    """Whatever move is looked at: the metrics of the whole game, and their sum up to each move."""
    task, moves = OthelloTask(6), full_game()
    found = explorer.position(moves, 4)["history"]
    assert found == explorer.position(moves)["history"]
    assert found["lengths"] == list(range(1, 32))
    states = oracle.walk(6, moves, False)
    tokens = [task.squares.index(move) for move in moves[:31]]
    for name, model in models.items():
        p, _ = direct(model, tokens)
        legal = np.array([[square in may for square in task.squares] for _, _, may in states[1:32]])
        itr = np.where(legal, 0, p).sum(axis=1)
        said = found["weights"][name]
        np.testing.assert_allclose(said["itr"], itr, atol=CLOSE)
        np.testing.assert_allclose(said["so_far"], np.cumsum(itr), atol=31 * CLOSE)
        top = p.argmax(axis=1)
        assert said["top1_illegal"] == [not row[i] for row, i in zip(legal, top, strict=True)]
        np.testing.assert_allclose(found["chance"], 1 - legal.mean(axis=1), atol=1e-12)


def test_one_program_serves_every_position():
    """Compiled when the explorer is made, for all weights, and never again."""
    task = OthelloTask(4, "pass", begin_token=True)
    config = lw.TransformerConfig(layers=1, heads=1, width=10)
    models = {f"w{i}": config.build(task.sizes, key=jr.key(i)) for i in range(3)}
    before = predict_traces()
    explorer = Explorer(task, models, seen=5, name="run")
    assert predict_traces() == before + 1
    for moves in (one_game(4, "pass", seed) for seed in range(4)):
        for ply in range(len(moves) + 1):
            explorer.position(moves[:ply])
            explorer.position(moves, ply)
    assert predict_traces() == before + 1


def test_passes_are_entries_and_the_begin_token_is_read():
    task = OthelloTask(4, "pass", begin_token=True)
    model = lw.TransformerConfig(layers=1, heads=1, width=8).build(task.sizes, key=jr.key(0))
    explorer = Explorer(task, {"raw": model}, seen=5, name="run")
    moves = first_game(4, "pass", lambda moves: PASS in moves)
    at = moves.index(PASS)
    found = explorer.position(moves, at)
    assert (found["pass"], found["legal"], found["forfeited"]) == (True, [], None)
    assert found["prediction"]["exact"] == [*[0] * 12, 1]
    assert "pass" in found["text"].split()
    begun = explorer.position(moves, 0)["prediction"]["weights"]["raw"]
    p = direct(model, [task.sizes.vocab])[0][-1]
    np.testing.assert_allclose(begun["probabilities"], p, atol=CLOSE)
    assert begun["attention"] == [[[1.0]]]
    tokens = [task.sizes.vocab, *(task.squares.index(move) for move in moves[: at + 1])]
    after = explorer.position(moves[: at + 1])["prediction"]["weights"]["raw"]
    p = direct(model, tokens)[0][-1]
    np.testing.assert_allclose(after["probabilities"], p, atol=CLOSE)


def test_where_there_is_no_prediction(explorer):
    moves = full_game()
    start = explorer.position([])
    assert (start["prediction"], start["mover"], len(start["legal"])) == (None, "black", 4)
    assert start["no_prediction"] == "The model predicts from the first move on: play one."
    assert start["history"] == {"lengths": [], "chance": [], "weights": {}}
    end = explorer.position(moves)
    assert (end["prediction"], end["over"], end["mover"], end["legal"]) == (None, True, None, [])
    assert end["no_prediction"].startswith("The game is over")
    assert sum(end["discs"].values()) == 36


def test_a_game_longer_than_the_model_has_places():
    """With passes as entries a game can be longer; the moves beyond are shown without a prediction."""
    moves = first_game(4, "pass", lambda moves: len(moves) > 12)
    task = OthelloTask(4, "pass")
    model = lw.TransformerConfig(layers=1, heads=1, width=8).build(task.sizes, key=jr.key(0))
    explorer = Explorer(task, {"raw": model}, seen=5, name="run")
    found = explorer.position(moves, 12)
    assert (
        found["no_prediction"]
        == "The model has places for 11 entries of a game: no prediction here."
    )
    assert found["history"]["lengths"] == list(range(1, 12))
    assert explorer.position(moves[:11])["prediction"] is not None


class Uniform(lw.AbstractModel):
    """No transformer: every token equally likely, or no number at all."""

    value: jax.Array
    config: None = None

    def __call__(self, tokens, *, dropout=None, key=None):
        return jnp.broadcast_to(self.value, (*tokens.shape, 32))


def test_a_model_that_is_no_transformer_has_no_attention():
    explorer = Explorer(OthelloTask(6), {"raw": Uniform(value=jnp.zeros(()))}, seen=5, name="run")
    said = explorer.answer({"text": "c2"})["prediction"]["weights"]["raw"]
    assert said["attention"] is None
    assert said["itr"] == pytest.approx(29 / 32)
    assert said["top1_illegal"], "a tie of legal and illegal squares is no knowledge"
    assert said["top1"] == 0


def test_weights_that_give_no_numbers_are_refused():
    with pytest.raises(lw.InputError, match="these weights give NaN"):
        Explorer(OthelloTask(6), {"raw": Uniform(value=jnp.array(jnp.nan))}, seen=5, name="run")
    with pytest.raises(lw.InputError, match="name a run with weights"):
        Explorer(OthelloTask(6), {}, seen=5, name="run")


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ([], "must be an object"),
        ({"move": 3}, "must be an object"),
        ({"moves": 3}, "whole numbers"),
        ({"moves": [True]}, "whole numbers"),
        ({"moves": [3.0]}, "whole numbers"),
        ({"moves": ["c2"]}, "whole numbers"),
        ({"moves": [8], "ply": 2}, r"`0 <= ply <= 1` must hold, but got \(ply=2\)"),
        ({"moves": [8], "ply": True}, "0 <= ply <= 1"),
        ({"text": 3}, "`text` is text"),
        ({"text": "c2 z9"}, r"ply=2, move='z9'"),
        ({"text": "c2 a1"}, r"ply=2, move=a1\), where the legal squares are b2, d2, b4"),
    ],
)
def test_bad_questions_get_a_sentence(explorer, question, sentence):
    with pytest.raises(lw.InputError, match=sentence):
        explorer.answer(question)
