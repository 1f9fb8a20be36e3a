from ._explorer import Explorer as Explorer
from ._game import Game as Game, follow as follow
from ._page import page as page
from ._predict import (
    Prediction as Prediction,
    predict as predict,
    predict_traces as predict_traces,
)
from ._read import read_game as read_game
from ._server import open_server as open_server, server_url as server_url
