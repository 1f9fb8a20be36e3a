"""A game and what every set of weights says of it, as JSON values."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._core import InputError, require
from ..models import AbstractModel
from ..othello import square_name
from ..tasks import OthelloTask
from ._game import Game, follow
from ._predict import Prediction, predict
from ._read import read_game


PLAYERS = {1: "black", -1: "white", 0: None}


class Explorer:
    """The models of a run, ready to be asked about any game.

    Every question is answered by one pass of each model over the whole game, padded to the task's longest
    input, so that one program serves all; it is compiled here.

    **Arguments:**

    - `task`: the game that they were trained on.
    - `models`: by the name of their weights, all of one structure.
    - `seen`: the longest training length. (Keyword only argument.)
    - `name`: of the run. (Keyword only argument.)
    """

    def __init__(
        self, task: OthelloTask, models: Mapping[str, AbstractModel], *, seen: int, name: str
    ):
        require(len(models) > 0, "`len(models) >= 1`", "name a run with weights", models=models)
        self.task = task
        self.models = dict(models)
        self.seen = seen
        self.name = name
        self._lock = threading.Lock()  # several requests may come at once; one pass runs at a time
        self._token = {square: token for token, square in enumerate(task.squares)}
        first = task.squares[: task.first_length]  # any game has a pass through the model
        self._predict(first, np.zeros((0, task.sizes.vocab), np.float32), 0)

    def about(self) -> dict[str, Any]:
        """What is the same for every position."""
        task = self.task
        squares = range(task.size**2)
        lengths = task.lengths()
        return {
            "name": self.name,
            "size": task.size,
            "policy": task.policy,
            "begin": task.begin_token,
            "seen": self.seen,
            "lengths": [lengths[0], lengths[-1]],
            "names": [square_name(square, task.size) for square in squares],
            "tokens": list(task.squares),
            "weights": list(self.models),
        }

    def answer(self, question: Any) -> dict[str, Any]:
        """The position that a request asks for.

        **Arguments:**

        - `question`: JSON values: `{"moves": [19, 26], "ply": 1}`, with the numbers of squares, or
          `{"text": "d3c5"}`, a game as people write it; `ply`, by default all, is the number of moves
          to look at.

        **Raises:** `InputError` for an illegal move or anything else that cannot be answered.
        """
        if not isinstance(question, dict) or not question.keys() <= {"moves", "text", "ply"}:
            raise InputError(
                "A question must be an object with `moves` or `text`, and perhaps `ply`, but got "
                f"({question!r:.60}): correct it."
            )
        moves, ply = question.get("moves", []), question.get("ply")
        if (text := question.get("text")) is not None:
            require(isinstance(text, str), "`text` is text", "write the game as text", text=text)
            moves = read_game(text, self.task.size)
        whole = isinstance(moves, list | tuple) and all(type(m) is int for m in moves)
        require(whole, "`moves` are whole numbers", "give the numbers of squares", moves=moves)
        return self.position(moves, ply)

    def position(self, moves: Sequence[int], ply: int | None = None) -> dict[str, Any]:
        """The board after `ply` of `moves`, and what every set of weights predicts there.

        **Returns:** JSON values. `moves` (square, name, player, whose turn was forfeited before it) and
        `text`; of the position: `ply`, `board` (1 black, -1 white, 0 empty, by square), `mover`, `over`,
        `discs`, `legal`, `pass` (the next entry is a pass), `forfeited` (whose turn was left out
        before it); `prediction`, or `None` and the reason in `no_prediction`; and `history`, the metrics
        after each number of moves of the whole game. Probabilities are in the order of `tokens` of `about`.
        """
        game = follow(self.task.size, self.task.policy, moves)
        at = len(moves) if ply is None else ply
        within = type(at) is int and 0 <= at <= len(moves)
        require(within, f"`0 <= ply <= {len(moves)}`", "choose a move of the game", ply=at)
        lengths = [s for s in self.task.lengths() if s < len(game.movers) and game.movers[s]]
        first = self.task.first_length
        found = self._predict(game.moves, game.exact[first:], max(at - first, 0)) if lengths else {}
        return {
            **self._board(game, at),
            "prediction": self._prediction(game, at, found) if at in lengths else None,
            "no_prediction": None if at in lengths else self._why_not(game, at),
            "history": self._history(game, lengths, found),
        }

    def _predict(
        self, moves: Sequence[int], exact: np.ndarray, position: int
    ) -> dict[str, Prediction]:
        sizes = self.task.sizes
        begin = [sizes.vocab] * int(self.task.begin_token)
        read = [*begin, *(self._token[move] for move in moves)][: sizes.max_len]
        tokens = np.zeros(sizes.max_len, np.int32)
        tokens[: len(read)] = read
        targets = np.zeros((sizes.max_len, sizes.vocab), np.float32)
        targets[: len(exact)] = exact[: sizes.max_len]
        place = min(position, sizes.max_len - 1)
        with self._lock:
            return {
                name: predict(model, tokens, targets, place) for name, model in self.models.items()
            }

    def _board(self, game: Game, at: int) -> dict[str, Any]:
        board = game.boards[at].tolist()
        over = game.movers[at] == 0
        moves = [
            {
                "square": square,
                "name": square_name(square, self.task.size),
                "player": PLAYERS[game.movers[s]],
                "forfeited": PLAYERS[game.forfeited(s)],
            }
            for s, square in enumerate(game.moves)
        ]
        return {
            "moves": moves,
            "text": " ".join(move["name"] for move in moves),
            "ply": at,
            "board": board,
            "mover": PLAYERS[game.movers[at]],
            "over": over,
            "discs": {"black": board.count(1), "white": board.count(-1)},
            "legal": list(game.legal[at]),
            "pass": not over and not game.legal[at],
            "forfeited": PLAYERS[game.forfeited(at)],
        }

    def _prediction(self, game: Game, at: int, found: dict[str, Prediction]) -> dict[str, Any]:
        place = self.task.position(at)
        weights = {
            name: {
                "probabilities": one.probabilities[place].tolist(),
                "top1": self.task.squares[int(one.top1[place])],
                "top1_illegal": bool(one.top1_illegal[place]),
                "itr": float(one.itr[place]),
                "tv": float(one.tv[place]),
                "attention": None
                if one.attention is None
                else one.attention[..., : place + 1].tolist(),
            }
            for name, one in found.items()
        }
        return {"exact": game.exact[at].tolist(), "weights": weights}

    def _history(
        self, game: Game, lengths: list[int], found: dict[str, Prediction]
    ) -> dict[str, Any]:
        places = [self.task.position(s) for s in lengths]
        weights = {
            name: {
                "itr": one.itr[places].tolist(),
                "so_far": np.cumsum(one.itr[places], dtype=np.float64).tolist(),
                "top1_illegal": (one.top1_illegal[places] > 0).tolist(),
            }
            for name, one in found.items()
        }
        guess = 1 - np.mean(game.exact[lengths] > 0, axis=-1)  # every token equally probable
        return {"lengths": lengths, "chance": guess.tolist(), "weights": weights}

    def _why_not(self, game: Game, at: int) -> str:
        if game.movers[at] == 0:
            return "The game is over: there is nothing to predict."
        if at < self.task.first_length:
            return "The model predicts from the first move on: play one."
        return f"The model has places for {self.task.lengths()[-1]} entries of a game: no prediction here."
