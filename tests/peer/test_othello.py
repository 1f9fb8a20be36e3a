"""Games and positions against OpenSpiel, which shares no code with the oracle of the default tests.

Run by `make test-peer`: `PEER_PYTHON` is an interpreter with OpenSpiel.
"""

import json
import os
import subprocess

import numpy as np
import pytest

from lengthwise.othello import PASS, positions, random_games


pytestmark = pytest.mark.peer

# For each game: at each ply who is to move, the legal actions (64 is a pass) and the board; the end.
CODE = """
import json, sys, pyspiel
game, found = pyspiel.load_game("othello"), []
for moves in json.load(sys.stdin):
    state, plies = game.new_initial_state(), []
    for move in moves:
        rows = str(state).splitlines()
        board = "".join("".join(row.split()[1:-1]) for row in rows if row[:1].isdigit())
        plies.append((state.current_player(), state.legal_actions(), board))
        state.apply_action(move)
    found.append((plies, state.is_terminal()))
json.dump(found, sys.stdout)
"""


def squares(word):
    return [s for s in range(64) if int(word) >> s & 1]


def test_300_games_and_all_their_positions():
    games = random_games(8, 300, seed=0, policy="pass")
    boards = positions(games)
    rows = [row[: games.lengths[g]] for g, row in enumerate(games.moves)]
    asked = json.dumps([np.where(row == PASS, 64, row).tolist() for row in rows])
    command = [os.environ["PEER_PYTHON"], "-c", CODE]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    passes = 0
    for g, (plies, ended) in enumerate(json.loads(done.stdout)):
        assert ended
        for t, (player, legal, board) in enumerate(plies):
            passes += legal == [64]
            assert legal == (squares(games.legal[g, t]) or [64])
            assert boards.black[g, t] == (player == 0)
            own, other = "xo" if player == 0 else "ox"
            assert len(board) == 64
            assert [s for s in range(64) if board[s] == own] == squares(boards.own[g, t])
            assert [s for s in range(64) if board[s] == other] == squares(boards.other[g, t])
    assert passes > 50
