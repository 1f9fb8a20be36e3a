"""A game as people write it down."""

import re

from .._core import InputError
from ..othello import PASS, square_name


_BETWEEN = r"[\s,;\[\]()]*"
_NAME = re.compile(rf"(?:{_BETWEEN}\d+\.)?{_BETWEEN}(pass|[a-z]\d)", re.IGNORECASE)
_NUMBER = re.compile(rf"{_BETWEEN}(-?\d+)(?![\d.])")


def read_game(text: str, size: int) -> tuple[int, ...]:
    """The entries of a game written as squares, `d3c5 e6 pass` or `1. d3 2. c5`, or as numbers.

    **Arguments:**

    - `text`: names (column, then row from the top) or numbers `size * row + column`, with anything of
      blanks, commas and brackets between them; -2 is a pass. Whether the moves are legal is not looked at.
    - `size`: side of the board.

    **Raises:** `InputError` with the number of the first entry that is no square of the board.
    """
    named = re.search("[a-z]", text, re.IGNORECASE) is not None
    pattern, numbers = (_NAME, _numbers_by_name(size)) if named else (_NUMBER, None)
    entries: list[int] = []
    place = 0
    while re.fullmatch(_BETWEEN, text[place:]) is None:
        found = pattern.match(text, place)
        word = None if found is None else found.group(1)
        entry = _entry(word, size, numbers)
        if found is None or entry is None:
            got = text[place:].split()[0][:12] if word is None else word
            raise InputError(
                f"A game must be a list of squares, a1 to {square_name(size * size - 1, size)} or 0 to "
                f"{size * size - 1}, but got (ply={len(entries) + 1}, move={got!r}): correct it."
            )
        entries.append(entry)
        place = found.end()
    return tuple(entries)


def _numbers_by_name(size: int) -> dict[str, int]:
    return {square_name(square, size): square for square in (*range(size * size), PASS)}


def _entry(word: str | None, size: int, numbers: dict[str, int] | None) -> int | None:
    if word is None:
        return None
    if numbers is not None:
        return numbers.get(word.lower())
    return (
        int(word) if len(word) < 4 and (0 <= int(word) < size * size or int(word) == PASS) else None
    )
