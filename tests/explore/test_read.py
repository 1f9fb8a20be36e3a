"""Games as text: what is read, and what is refused by its ply."""

import pytest

from lengthwise import InputError
from lengthwise.explore import read_game
from lengthwise.othello import PASS


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("", []),
        (" \n", []),
        ("d3c5", [19, 34]),
        ("D3 C5 a1,h8", [19, 34, 0, 63]),
        ("1. d3 c5\n2. h1 pass", [19, 34, 7, PASS]),
        ("1.d3 2.c5", [19, 34]),
        ("d3passc5", [19, PASS, 34]),
        ("19 34 0 63", [19, 34, 0, 63]),
        ("[19, 34, -2]", [19, 34, PASS]),
        ("[[19,34]]", [19, 34]),
    ],
)
def test_games_are_read(text, moves):
    assert read_game(text, 8) == tuple(moves)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("d3 i1", r"ply=2, move='i1'"),
        ("d3c5 a9", r"ply=3, move='a9'"),
        ("d3 19", r"ply=2, move='19'"),
        ("19 64", r"ply=2, move='64'"),
        ("19 -3", r"ply=2, move='-3'"),
        ("19 99999999999999999999", r"ply=2, move='99999999"),
        ("19.5", r"ply=1, move='19.5'"),
        ("d3 <script>", r"ply=2, move='<script>'"),
        ("{}", r"ply=1, move='\{\}'"),
    ],
)
def test_what_is_no_square_is_refused(text, got):
    with pytest.raises(InputError, match=rf"a1 to h8 or 0 to 63, but got \({got}"):
        read_game(text, 8)
