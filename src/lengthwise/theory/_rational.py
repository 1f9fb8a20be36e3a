r"""The constructions in exact rational numbers: no rounding anywhere, so equalities are equalities.

Only the exponential of the scores enters a prediction, so a model is B, D and
$w_q(x) = e^{C[q,x] - C[q,q]}$, and all three can be rational
(arXiv 2510.08341, section 4; docs/theory.md, "Construction").

**Factors at d = d_v = v - 1.** An orthonormal basis has square roots; another one has none:

1. $E = [I_{v-1} ; -1^T]$, `(v, v - 1)`: its columns $e_i - e_v$ are a basis of the centred space.
2. $E^T E = I + 1 1^T$, whose inverse is $I - 1 1^T / v$: the product is
   $I + (1 - 1/v - (v-1)/v)\, 1 1^T = I$.
3. So $E (E^T E)^{-1} E^T = P$, the projection on the columns of E. With $U = -r (E^T E)^{-1} E^T$ and
   $W_V W_O = (\delta' / r) I$: $B = E U = -r P$ and $D = E W_V W_O U = -\delta' P$, exactly.
4. With $W_Q W_K^T / \sqrt{d_k} = -\log(w) (E^T E)^{-1}$, $C = -\log(w) P$ too, so w is that of
   `Homogeneous`, a rational number. What follows is the proof of `Homogeneous`. QED.
"""

import dataclasses
import itertools as it
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from .._core import require
from ._horizon import balance_exists


Matrix = tuple[tuple[Fraction, ...], ...]


class Factors(NamedTuple):
    """Exact factors of B = E U and D = E W U.

    - `embedding`: E, `(vocab, d)`.
    - `values`: W = W_V W_O, `(d, d)`.
    - `unembedding`: U, `(d, vocab)`.
    """

    embedding: Matrix
    values: Matrix
    unembedding: Matrix


@dataclasses.dataclass(frozen=True)
class RationalModel:
    r"""$f(t) = B[t_s] + \sum_i a_i D[t_i]$, $a_i = w_q(t_i) / \sum_j w_q(t_j)$, in exact arithmetic.

    - `residual`: B, `(vocab, vocab)`.
    - `attention`: w, at `[q][x]` the attention of q on x over that on itself, `(vocab, vocab)`, positive.
    - `values`: D, `(vocab, vocab)`.
    - `factors`: of B and D, where they are known.
    """

    residual: Matrix
    attention: Matrix
    values: Matrix
    factors: Factors | None = None

    def __post_init__(self):
        size = len(self.residual)
        square = all(
            len(m) == size and all(len(row) == size for row in m)
            for m in (self.residual, self.attention, self.values)
        )
        require(
            square, "Three matrices of one shape `(v, v)`", "give one row for each token", rows=size
        )
        require(
            all(w > 0 for row in self.attention for w in row)
            and all(self.attention[q][q] == 1 for q in range(size)),
            "`attention` positive and 1 on its diagonal",
            "divide each row by its diagonal entry",
            diagonal=[str(self.attention[q][q]) for q in range(size)],
        )

    @staticmethod
    def homogeneous(
        vocab: int,
        attention_displacement: int | str | Fraction,
        residual_displacement: int | str | Fraction,
    ) -> "RationalModel":
        """`Homogeneous` in rational numbers, with its factors at d = d_v = v - 1 (steps 1 to 4).

        **Arguments:** anything that `fractions.Fraction` takes, such as `3` or `"1/2"`.
        """
        own, share = Fraction(attention_displacement), Fraction(residual_displacement)
        require(
            vocab >= 2 and 0 < abs(share) < own,
            "`vocab >= 2` and `0 < |residual_displacement| < attention_displacement`",
            "choose r between -delta' and delta', not 0",
            vocab=vocab,
            attention_displacement=str(own),
            residual_displacement=str(share),
        )
        less = vocab - 1
        embedding = _table(vocab, less, lambda x, i: -1 if x == less else int(x == i))
        inverse = _table(less, less, lambda i, j: int(i == j) - Fraction(1, vocab))
        unembedding = scaled(-share, product(inverse, transpose(embedding)))
        values = scaled(own / share, _table(less, less, lambda i, j: int(i == j)))
        weight = (own + share) / (own - share)
        return RationalModel(
            product(embedding, unembedding),
            _table(vocab, vocab, lambda q, x: 1 if q == x else weight),
            product(product(embedding, values), unembedding),
            Factors(embedding, values, unembedding),
        )

    @staticmethod
    def balanced(
        attention_displacements: Sequence[int | str | Fraction],
        residual_displacements: Sequence[int | str | Fraction],
    ) -> "RationalModel":
        """`Balanced` in rational numbers: B = -diag(r) P, D = -diag(delta') P.

        **Arguments:** for each token, anything that `fractions.Fraction` takes.
        """
        own = [Fraction(d) for d in attention_displacements]
        share = [Fraction(r) for r in residual_displacements]
        require(
            balance_exists(own, share),
            "`delta' > 0`, `delta' + r > 0`, and `r_q < delta'_x` for all x != q",
            "no attention balances these displacements: change them",
            attention_displacements=[str(d) for d in own],
            residual_displacements=[str(r) for r in share],
        )
        vocab = len(own)
        centred = lambda x, y: int(x == y) - Fraction(1, vocab)
        weight = lambda q, x: (own[q] + share[q]) / (own[x] - share[q])
        return RationalModel(
            _table(vocab, vocab, lambda q, y: -share[q] * centred(q, y)),
            _table(vocab, vocab, lambda q, x: 1 if q == x else weight(q, x)),
            _table(vocab, vocab, lambda x, y: -own[x] * centred(x, y)),
        )

    @property
    def vocab(self) -> int:
        """The number of tokens, v."""
        return len(self.residual)

    def logits(self, tokens: Sequence[int]) -> tuple[Fraction, ...]:
        """f(t) of one sequence, exact, `(vocab,)`."""
        last = tokens[-1]
        weights = [self.attention[last][x] for x in tokens]
        total = sum(weights, Fraction(0))
        mixed = (
            sum((w * self.values[x][y] for w, x in zip(weights, tokens, strict=True)), Fraction(0))
            for y in range(self.vocab)
        )
        return tuple(b + m / total for b, m in zip(self.residual[last], mixed, strict=True))

    def displacements(self, tokens: Sequence[int]) -> tuple[Fraction, ...]:
        """Mean valid logit minus its own, of each token, exact."""
        logits = self.logits(tokens)
        valid = [logits[y] for y in range(self.vocab) if y not in tokens]
        return tuple(sum(valid, Fraction(0)) / len(valid) - logits[x] for x in tokens)

    def illegal_margin(self, tokens: Sequence[int]) -> Fraction:
        """The smallest valid logit minus the largest invalid one, exact."""
        logits = self.logits(tokens)
        valid = min(logits[y] for y in range(self.vocab) if y not in tokens)
        return valid - max(logits[x] for x in tokens)

    def solves(self, length: int) -> bool:
        """Whether after **every** input of this length valid logits are equal and the others lower.

        By enumeration of v! / (v - length)! inputs.
        """
        for tokens in it.permutations(range(self.vocab), length):
            logits = self.logits(tokens)
            valid = {logits[y] for y in range(self.vocab) if y not in tokens}
            if len(valid) != 1 or max(logits[x] for x in tokens) >= min(valid):
                return False
        return True


def rank(matrix: Iterable[Iterable[Fraction]]) -> int:
    """The exact rank, by elimination in rational numbers."""
    rows = [list(map(Fraction, row)) for row in matrix]
    found = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        top = rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / top[column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], top, strict=True)]
        found += 1
    return found


def product(left: Matrix, right: Matrix) -> Matrix:
    """The matrix product, exact."""
    columns = transpose(right)
    dot = lambda a, b: sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
    return tuple(tuple(dot(row, column) for column in columns) for row in left)


def transpose(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


def scaled(factor: Fraction, matrix: Matrix) -> Matrix:
    """Every entry times `factor`."""
    return tuple(tuple(factor * x for x in row) for row in matrix)


def _table(rows: int, columns: int, entry) -> Matrix:
    return tuple(tuple(Fraction(entry(i, j)) for j in range(columns)) for i in range(rows))
