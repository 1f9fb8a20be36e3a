"""The compiled part: bitboards, random games and replays. All of it in one file, as Numba's cache on
disk notices a change in the file of a function alone, not in those that it calls.

A board is two words, the discs of the player to move and of the other. Bit `8 row + column` is a
square of the 8x8 board; a smaller one lies in its middle, so that one compiled program with constant
shifts plays all sizes: what is beyond its edge is empty for good and never a move. Outside the
kernels bit and square `size * row + column` are used (`pack`, `unpack`).

Random numbers are counters, not a sequence: game `index` of a stream begins with the word

    state = stream * 2^62 + mix62(index + mix64(seed))

where `mix62` is one-to-one, so that different games of a seed, and games of different streams whatever
their seeds, never begin with the same word. Entry t of the game then uses mix64(state + t G), as
SplitMix64 does (Steele, Lea, Flood 2014): no draw depends on how many threads or chunks there are.
A move is entry floor(n * u / 2^32) of the n legal ones, of 32 random bits u: no move's chance is
off by more than 2^-32.

NumPy's rules turn a mix of int64 and uint64 into float64, so every number here is a uint64.
"""

from typing import no_type_check

import numba
import numpy as np


U = np.uint64
ZERO, ONE, TWO = U(0), U(1), U(2)
INNER = U(0x7E7E7E7E7E7E7E7E)  # columns b to g: a line of discs along a row ends at the edge
GAMMA = U(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
LOW_62 = U(2**62 - 1)
START_OWN, START_OTHER = U(0x0000000810000000), U(0x0000001008000000)  # black: e4 and d5
END, PASS = -1, -2
COMPLETE, ILLEGAL = -1, 0  # of a replay

# `no_type_check` keeps the tests' type hook from wrapping what Numba is to compile.
_inline = numba.njit(inline="always")
_compiled = numba.njit(cache=True, nogil=True)


@_inline
@no_type_check
def _mix64(z):
    z = (z ^ (z >> U(30))) * MIX_1
    z = (z ^ (z >> U(27))) * MIX_2
    return z ^ (z >> U(31))


@_inline
@no_type_check
def _first_word(seed, stream, index):
    z = (index + _mix64(seed + GAMMA)) & LOW_62
    z = ((z ^ (z >> U(30))) * MIX_1) & LOW_62
    z = ((z ^ (z >> U(27))) * MIX_2) & LOW_62
    return (stream << U(62)) | (z ^ (z >> U(31)))


@_inline
@no_type_check
def _count(x):
    x = x - ((x >> ONE) & U(0x5555555555555555))
    x = (x & U(0x3333333333333333)) + ((x >> TWO) & U(0x3333333333333333))
    x = (x + (x >> U(4))) & U(0x0F0F0F0F0F0F0F0F)
    return (x * U(0x0101010101010101)) >> U(56)


# Parallel prefix (Kogge and Stone): from every disc of `discs` along one direction over an unbroken
# line in `through`, up to 6 long, in 1 + 1 + 2 + 2 steps.
@_inline
@no_type_check
def _up(discs, through, shift):
    line = through & (discs << shift)
    line |= through & (line << shift)
    pairs = through & (through << shift)
    line |= pairs & (line << (shift + shift))
    line |= pairs & (line << (shift + shift))
    return line


@_inline
@no_type_check
def _down(discs, through, shift):
    line = through & (discs >> shift)
    line |= through & (line >> shift)
    pairs = through & (through >> shift)
    line |= pairs & (line >> (shift + shift))
    line |= pairs & (line >> (shift + shift))
    return line


@_inline
@no_type_check
def _legal(own, other, board):
    inner = other & INNER
    ends = (_up(own, inner, U(1)) << U(1)) | (_down(own, inner, U(1)) >> U(1))
    ends |= (_up(own, inner, U(7)) << U(7)) | (_down(own, inner, U(7)) >> U(7))
    ends |= (_up(own, other, U(8)) << U(8)) | (_down(own, other, U(8)) >> U(8))
    ends |= (_up(own, inner, U(9)) << U(9)) | (_down(own, inner, U(9)) >> U(9))
    return ends & board & ~(own | other)


@_inline
@no_type_check
def _held_up(move, own, through, shift):
    line = _up(move, through, shift)
    return line if (line << shift) & own != ZERO else ZERO


@_inline
@no_type_check
def _held_down(move, own, through, shift):
    line = _down(move, through, shift)
    return line if (line >> shift) & own != ZERO else ZERO


@_inline
@no_type_check
def _flips(move, own, other):
    inner = other & INNER
    flips = _held_up(move, own, inner, U(1)) | _held_down(move, own, inner, U(1))
    flips |= _held_up(move, own, inner, U(7)) | _held_down(move, own, inner, U(7))
    flips |= _held_up(move, own, other, U(8)) | _held_down(move, own, other, U(8))
    return flips | _held_up(move, own, inner, U(9)) | _held_down(move, own, inner, U(9))


@_compiled
@no_type_check
def pack(x, size):
    """Bits of the middle of the 8x8 board to bits of squares."""
    if size == 8:
        return x
    packed = ZERO
    edge = U((8 - size) // 2)
    row = (ONE << U(size)) - ONE
    for r in range(size):
        packed |= ((x >> (U(8) * (U(r) + edge) + edge)) & row) << U(size * r)
    return packed


@_compiled
@no_type_check
def unpack(x, size):
    """The inverse of `pack`."""
    if size == 8:
        return x
    unpacked = ZERO
    edge = U((8 - size) // 2)
    row = (ONE << U(size)) - ONE
    for r in range(size):
        unpacked |= ((x >> U(size * r)) & row) << (U(8) * (U(r) + edge) + edge)
    return unpacked


@_compiled
@no_type_check
def board_of(size):
    """All squares of the board, unpacked."""
    return unpack(~ZERO if size == 8 else (ONE << U(size * size)) - ONE, size)


@_compiled
@no_type_check
def play_random(size, passes, seed, stream, first, moves, legal, lengths):
    """Play the games `first, first + 1, ...` into the rows of the arrays."""
    board = board_of(size)
    width = moves.shape[1]
    for game in range(moves.shape[0]):
        state = _first_word(seed, stream, first + U(game))
        own, other, t = START_OWN, START_OTHER, 0
        while t < width:
            choices = _legal(own, other, board)
            if choices == ZERO:
                own, other = other, own
                choices = _legal(own, other, board)
                if choices == ZERO:
                    break
                if passes:
                    legal[game, t] = ZERO
                    moves[game, t] = PASS
                    t += 1
                    if t == width:
                        break
            left = ((_mix64(state + U(t) * GAMMA) >> U(32)) * _count(choices)) >> U(32)
            move = choices
            while left != ZERO:
                move &= move - ONE
                left -= ONE
            move &= ~move + ONE
            legal[game, t] = pack(choices, size)
            moves[game, t] = _count(pack(move - ONE, size))
            flips = _flips(move, own, other)
            own, other = other & ~flips, own | flips | move
            t += 1
        lengths[game] = t
        moves[game, t:] = END
        legal[game, t:] = ZERO


# Inlined where every cycle counts, above; compiled once for the rest, which takes a third of the time.
@_compiled
@no_type_check
def legal_once(own, other, board):
    """The legal squares of the player of `own`."""
    return _legal(own, other, board)


@_compiled
@no_type_check
def flips_once(move, own, other):
    """The discs that a move turns."""
    return _flips(move, own, other)


@_compiled
@no_type_check
def replay_games(size, passes, moves, boards, legal, lengths, ends):
    """Play the rows of `moves`; `ends` says of each how it went.

    Entry t of `boards` (if it is not empty) and `legal` is the position before move t, after a skipped
    turn: own discs, other discs, and 1 where black is to move. A row stops at its first illegal
    move; `legal` has one more entry, for what could follow. `ends` is COMPLETE, or the number of the
    illegal entry.
    """
    board = board_of(size)
    width = moves.shape[1]
    for game in range(moves.shape[0]):
        own, other, black, t = START_OWN, START_OTHER, ONE, 0
        ends[game] = COMPLETE
        while True:
            choices = legal_once(own, other, board)
            forfeited = False
            if choices == ZERO:
                choices = legal_once(other, own, board)
                if choices != ZERO:
                    own, other, black = other, own, ONE - black
                    forfeited = passes
            legal[game, t] = ZERO if forfeited else pack(choices, size)
            if t == width or moves[game, t] == END:
                break
            if boards.shape[0]:
                turned = forfeited  # before a pass it is the turn of the player who has none
                boards[game, t, 0] = pack(other if turned else own, size)
                boards[game, t, 1] = pack(own if turned else other, size)
                boards[game, t, 2] = ONE - black if turned else black
            square = moves[game, t]
            if forfeited:
                if square != PASS:
                    ends[game] = t
                    break
                t += 1
                continue
            move = unpack(ONE << U(square), size) if 0 <= square < size * size else ZERO
            if move & choices == ZERO:
                ends[game] = t
                break
            flips = flips_once(move, own, other)
            own, other, black = other & ~flips, own | flips | move, ONE - black
            t += 1
        lengths[game] = t
        legal[game, t + 1 :] = ZERO


@_compiled
@no_type_check
def spread(legal, squares, shares):
    """1 / n on each of the n legal squares; a further column, if there is one, is the pass."""
    for game in range(legal.shape[0]):
        for t in range(legal.shape[1]):
            bits = legal[game, t]
            share = np.float32(1) / np.float32(_count(bits) if bits != ZERO else ONE)
            for k in range(squares.shape[0]):
                shares[game, t, k] = share if (bits >> squares[k]) & ONE != ZERO else np.float32(0)
            if squares.shape[0] < shares.shape[2]:
                shares[game, t, -1] = np.float32(1) if bits == ZERO else np.float32(0)


@_compiled
@no_type_check
def legal_board(own, other, size):
    """The legal squares of the player of `own`, in packed words."""
    return pack(legal_once(unpack(own, size), unpack(other, size), board_of(size)), size)


@_compiled
@no_type_check
def flips_board(square, own, other, size):
    """The discs that a move on `square` turns."""
    move = unpack(ONE << U(square), size)
    return pack(flips_once(move, unpack(own, size), unpack(other, size)), size)


@_compiled
@no_type_check
def count_leaves(own, other, depth, board):
    """Sequences of `depth` entries, passes counted as entries; an ended game counts once."""
    if depth == 0:
        return 1
    choices = legal_once(own, other, board)
    if choices == ZERO:
        if legal_once(other, own, board) == ZERO:
            return 1
        return count_leaves(other, own, depth - 1, board)
    leaves = 0
    while choices != ZERO:
        move = choices & (~choices + ONE)
        choices &= choices - ONE
        flips = flips_once(move, own, other)
        leaves += count_leaves(other & ~flips, own | flips | move, depth - 1, board)
    return leaves
