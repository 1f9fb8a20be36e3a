"""Othello as a task: predict a uniformly random legal move."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int8

from .._core import InputError, Sizes, require
from ..othello import (
    END,
    PASS,
    Games,
    Policy,
    check_policy,
    check_size,
    discs,
    legal_after,
    next_move,
    positions as boards_of,
    random_games,
    tokens_of,
)
from ._base import AbstractHostTask, Batch, check_length


class OthelloTask(AbstractHostTask):
    r"""Given the moves of a random game so far, predict the next one: uniform over the legal moves.

    $$p^*(y \mid m_1 \dots m_s) = \frac{1[y \in L(m_1 \dots m_s)]}{|L(m_1 \dots m_s)|}$$

    Length $s$ is the number of entries read, 1 to $n^2 - 5$ on a board of $n \times n$: after the
    last there is nothing to predict, and so is after a game that ended early (masked). Tokens are
    the squares outside the centre, row by row (`squares[token]` is `n * row + column`); with the policy
    `pass` one more token, the last, is a forfeited turn. Games come from `lengthwise.othello`, which
    needs no disk, and no stream shares a start of its random numbers with another.

    **Arguments:**

    - `size`: side of the board, 4, 6 or 8.
    - `policy`: "skip" leaves forfeited turns out, as the published corpus does; "pass" writes them.
    - `begin_token`: put a token of its own before every game, so that length 0 is a prediction too.

    **Example:**

    ```python
    task = OthelloTask(size=6)
    batch = task.batch(0, 64, 16, stream="train", seed=0)  # 64 games, cut to their first 16 moves
    ```
    """

    length_label: ClassVar[str] = "moves read"

    size: int = 6
    policy: Policy = "skip"
    begin_token: bool = False

    def __check_init__(self):
        check_size(self.size)
        check_policy(self.policy)

    @property
    def sizes(self) -> Sizes:
        """Squares outside the centre, and a pass if it is an entry; a begin token comes in only."""
        squares, begin = self.size**2 - 4, int(self.begin_token)
        vocab = squares + int(self.policy == "pass")
        return Sizes(vocab, vocab + begin, squares - 1 + begin)

    @property
    def first_length(self) -> int:
        """0 with a begin token, else 1."""
        return 1 - int(self.begin_token)

    @property
    def squares(self) -> tuple[int, ...]:
        """The square of each token; `PASS` for the pass."""
        return tokens_of(self.size, self.policy)

    def label(self, tokens: Int[Array, " len"]) -> Float[Array, "len vocab"]:
        """Uniform over the legal moves of each prefix, replayed on the host."""
        shape = jax.ShapeDtypeStruct((*tokens.shape, self.sizes.vocab), jnp.float32)
        return jax.pure_callback(self._labels, shape, tokens, vmap_method="expand_dims")

    def batch(self, index: int, size: int, positions: int, *, stream: str, seed: int) -> Batch:
        """Games `index * size` to `index * size + size - 1` of a stream, and their legal moves."""
        games = self._games(index, size, positions, stream=stream, seed=seed)
        mask = np.arange(positions) + self.first_length < games.lengths[:, None]
        entries = self.tokens(games)
        begin = np.full((size, int(self.begin_token)), self.sizes.vocab, np.int32)
        tokens = np.concatenate([begin, entries], axis=1)[:, :positions]
        ahead = slice(self.first_length, None)
        targets = next_move(self.size, games.legal[:, ahead], policy=self.policy)
        return Batch(tokens, entries[:, ahead], targets, mask)

    def boards(
        self, index: int, size: int, positions: int, *, stream: str, seed: int
    ) -> Int8[np.ndarray, "batch len squares"]:
        """What is on each of the n² squares where the `batch` of the same arguments predicts.

        `EMPTY`, `MINE` or `THEIRS` of `lengthwise.othello`: the board before the next entry, seen by the
        player whose entry it is, forfeited turns taken into account. All empty where the batch's mask
        is false, after the end of the game.
        """
        games = self._games(index, size, positions, stream=stream, seed=seed)
        return discs(self.size, boards_of(games))[:, self.first_length :]

    def tokens(self, games: Games) -> Int[np.ndarray, "games entries"]:
        """The tokens of games; 0 after their end, where the mask is false."""
        table = np.zeros(self.size**2 + 2, np.int32)  # the last two, at -2 and -1: PASS and END
        table[list(self.squares)] = np.arange(len(self.squares))
        return table[games.moves]

    def count_inputs(self, length: int) -> int | float:
        """1, 4, 12; longer ones are not enumerated, as random play does not make them equally likely."""
        check_length(self, length)
        return (1, 4, 12)[length] if length <= 2 else math.inf

    def enumerate_inputs(self, length: int) -> Int[np.ndarray, "inputs positions"]:
        """The first one or two moves."""
        check_length(self, length)
        if length > 2:
            raise InputError(
                "`length <= 2` must hold, as longer beginnings are not equally likely, but got "
                f"({length=}): sample instead of enumerating."
            )
        found: list[tuple[int, ...]] = [()]
        for _ in range(length):
            moves = np.array(found, np.int8).reshape(len(found), -1)
            legal, _ = legal_after(self.size, moves, policy=self.policy)
            found = [
                (*start, square)
                for start, bits in zip(found, legal[:, -1].tolist(), strict=True)
                for square in self.squares
                if square != PASS and bits >> square & 1
            ]
        games = np.array(found, np.int8).reshape(len(found), length)
        token = {square: number for number, square in enumerate(self.squares)}
        begin = [self.sizes.vocab] * int(self.begin_token)
        return np.array([begin + [token[s] for s in game] for game in games.tolist()], np.int32)

    def _games(self, index: int, size: int, positions: int, *, stream: str, seed: int) -> Games:
        require(
            1 <= positions <= self.sizes.max_len,
            f"`1 <= positions <= {self.sizes.max_len}`",
            "ask for a length of the task",
            positions=positions,
        )
        return random_games(
            self.size,
            size,
            seed=seed,
            stream=stream,
            first=index * size,
            policy=self.policy,
            entries=positions + self.first_length,
        )

    def _labels(self, tokens: Int[Array | np.ndarray, "*batch len"]) -> np.ndarray:
        rows = np.asarray(tokens).reshape(-1, tokens.shape[-1])[:, int(self.begin_token) :]
        square = np.array([*self.squares, END], np.int8)  # no other token is one
        moves = square[np.where(rows < len(self.squares), rows, -1)]
        legal, _ = legal_after(self.size, moves, policy=self.policy)
        shares = next_move(self.size, legal[:, self.first_length :], policy=self.policy)
        return shares.reshape(*tokens.shape, -1)
