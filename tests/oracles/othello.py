"""Othello on lists of lists, by walking from disc to disc."""

from collections.abc import Sequence


EMPTY, BLACK, WHITE = 0, 1, -1
DIRECTIONS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
Board = list[list[int]]


def start(size: int) -> Board:
    board = [[EMPTY] * size for _ in range(size)]
    h = size // 2
    board[h - 1][h - 1] = board[h][h] = WHITE
    board[h - 1][h] = board[h][h - 1] = BLACK
    return board


def turned(board: Board, player: int, row: int, column: int) -> list[tuple[int, int]]:
    """The discs that a move turns; none if it is illegal."""
    size = len(board)
    if board[row][column] != EMPTY:
        return []
    found = []
    for i, j in DIRECTIONS:
        line, r, c = [], row + i, column + j
        while 0 <= r < size and 0 <= c < size and board[r][c] == -player:
            line.append((r, c))
            r, c = r + i, c + j
        if 0 <= r < size and 0 <= c < size and board[r][c] == player:
            found += line
    return found


def legal(board: Board, player: int) -> set[int]:
    size = len(board)
    return {s for s in range(size * size) if turned(board, player, s // size, s % size)}


def move(board: Board, player: int, square: int) -> Board:
    size = len(board)
    new = [list(row) for row in board]
    for r, c in turned(board, player, square // size, square % size):
        new[r][c] = player
    new[square // size][square % size] = player
    return new


def walk(size: int, moves: Sequence[int], passes: bool):
    """(board, player, legal squares) before every entry and after the last; -2 is a pass.

    A forfeited turn is gone through silently unless `passes`. After the end: player 0, no squares.
    """
    board, player, states = start(size), BLACK, []
    for entry in [*moves, None]:
        may = legal(board, player)
        if not may and legal(board, -player):
            if not passes:
                player = -player
                may = legal(board, player)
        elif not may:
            player = 0
        states.append((board, player, may))
        if entry is None:
            return states
        if entry == -2:
            assert passes
            assert player
            assert not may
        else:
            assert entry in may
            board = move(board, player, entry)
        player = -player
    raise AssertionError


def words(board: Board, player: int) -> tuple[int, int]:
    """The discs of a player and of the other one, bit `size * row + column`."""
    flat = [disc for row in board for disc in row]
    word = lambda p: sum(1 << s for s, disc in enumerate(flat) if disc == p)
    return word(player), word(-player)


def leaves(board: Board, player: int, depth: int) -> int:
    """Sequences of `depth` entries, passes counted; an ended game counts once."""
    if depth == 0:
        return 1
    may = legal(board, player)
    if not may:
        return leaves(board, -player, depth - 1) if legal(board, -player) else 1
    return sum(leaves(move(board, player, square), -player, depth - 1) for square in may)
