"""Probe every layer of a model at every move, seen and unseen."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int8, PRNGKeyArray

from .._core import InputError, require
from ..evaluation import Tally
from ..models import AbstractModel, Transformer, residual_streams
from ..tasks import AbstractTask, OthelloTask
from ._config import ProbeConfig
from ._fit import LinearProbe, fit_probe


RANDOM = "random"
"""The name of the model with fresh weights that is probed beside the others."""
Streams = Callable[[Int[np.ndarray, "batch len"]], Float[np.ndarray, "layers batch len width"]]


@dataclasses.dataclass(frozen=True)
class Probes:
    """How well the board is read at every layer and move.

    `rows` holds one dictionary for each set of weights, layer and length, with `weights`, `layer` (0 is
    the embedding, l what comes out of block l), `length` (moves read), `seen`, `games`, `accuracy` (the
    share of squares that are read as they are, its mean over games), `accuracy_low`, `accuracy_high`
    (95 % interval over games), and `majority`: the accuracy of the most frequent class of each square
    at this very move, as counted on the games that probes are fitted on.

    `fits` holds the `LinearProbe` of each (weights, layer).
    """

    rows: list[dict[str, Any]]
    fits: dict[tuple[str, int], LinearProbe]

    def column(self, name: str, *, layer: int, weights: str = "raw") -> dict[int, Any]:
        """The values of a column by length, of one layer."""
        chosen = [r for r in self.rows if (r["weights"], r["layer"]) == (weights, layer)]
        require(
            bool(chosen) and name in chosen[0],
            "A column, layer and weights of the rows",
            f"choose one of {list(self.fits)}",
            name=name,
            layer=layer,
            weights=weights,
        )
        return {r["length"]: r[name] for r in chosen}


def probe(
    task: AbstractTask,
    models: Transformer | Streams | Mapping[str, Transformer | Streams],
    config: ProbeConfig | None = None,
    *,
    seen: int,
    key: PRNGKeyArray,
) -> Probes:
    """Read the board (mine, theirs, empty) from the residual stream by a linear probe at each layer.

    Probes are fitted at the moves of the training range, on games of the validation stream, and judged at
    every move, on games of the test stream. Beside the models the same probes are fitted on one
    with fresh weights: what is read there needs no training. "Mine" is of the player to move, whom the
    engine knows, as forfeited turns shift the parity of moves.
    (Nanda, Lee and Wattenberg 2023, arXiv 2309.00941.)

    **Arguments:**

    - `task`: an `OthelloTask`, of any board and policy.
    - `models`: a transformer, called "raw", or several by name; in place of one, any function from tokens
      `(batch, len)` to residual streams `(layers, batch, len, width)`, NumPy in and NumPy out.
    - `config`: how many games, and how probes are fitted.
    - `seen`: the longest training length T: moves that probes are fitted at. (Keyword only argument.)
    - `key`: draws the games and the fresh weights. (Keyword only argument.)

    **Example:** `probe(task, model, seen=16, key=jr.key(0)).column("accuracy", layer=4)[20]`
    """
    config = config or ProbeConfig()
    if not isinstance(task, OthelloTask):
        raise InputError(
            f"Probes read an Othello board, but got a run on ({type(task).__name__}): train on "
            "`OthelloTask`."
        )
    require(
        task.lengths()[0] <= seen <= task.lengths()[-1],
        f"`{task.lengths()[0]} <= seen <= {task.lengths()[-1]}`",
        "give the longest training length",
        seen=seen,
    )
    named = dict(models) if isinstance(models, Mapping) else {"raw": models}
    require(RANDOM not in named, f"No model is called {RANDOM!r}", "rename it", models=list(named))
    for name, model in named.items():
        if isinstance(model, AbstractModel) and not isinstance(model, Transformer):
            raise InputError(
                f"A model must be a `Transformer`, but got ({name}={type(model).__name__}): give a "
                "function from tokens to its residual streams instead."
            )
    data_key, weights_key = jr.split(key)
    fresh = next((model for model in named.values() if isinstance(model, Transformer)), None)
    if fresh is not None:
        named[RANDOM] = fresh.config.build(task.sizes, key=weights_key)
    seed = int(jr.bits(data_key, dtype=jnp.uint32))
    fit = _draw(task, config.fit_games, "validation", seed)
    test = _draw(task, config.test_games, "test", seed)
    majority = _by_length(task, _majority(fit)[None] == test.boards, test.mask)
    rows, fits = [], {}
    for name, model in named.items():
        function = _streams(model) if isinstance(model, Transformer) else model
        for layer, found in enumerate(_fitted(task, function, fit, seen, config)):
            fits[name, layer] = found
        layers = len([1 for one, _ in fits if one == name])
        tallies: list[Tally] = []
        for part, streams in _passes(function, test, config.batch_size):
            for layer in range(layers):
                right = np.asarray(fits[name, layer](streams[layer])) == part.boards
                tally = Tally.of(right.mean(axis=-1), part.mask)
                if layer < len(tallies):
                    tallies[layer] = tallies[layer].merge(tally)
                else:
                    tallies.append(tally)
        for layer, tally in enumerate(tallies):
            for place, length in enumerate(task.lengths()):
                summary = tally.summary(place, proportion=False, exact=False)
                rows.append(
                    {"weights": name, "layer": layer, "length": length, "seen": length <= seen}
                    | {"games": int(tally.count[place]), "accuracy": summary["mean"]}
                    | {f"accuracy_{end}": summary[end] for end in ("low", "high")}
                    | {"majority": majority[length]}
                )
    return Probes(rows, fits)


@dataclasses.dataclass(frozen=True)
class _Games:
    tokens: Int[np.ndarray, "games len"]
    boards: Int8[np.ndarray, "games len squares"]
    mask: Bool[np.ndarray, "games len"]

    def part(self, rows: slice) -> "_Games":
        return _Games(self.tokens[rows], self.boards[rows], self.mask[rows])


def _draw(task: OthelloTask, games: int, stream: str, seed: int) -> _Games:
    positions = task.sizes.max_len
    batch = task.batch(0, games, positions, stream=stream, seed=seed)
    boards = task.boards(0, games, positions, stream=stream, seed=seed)
    return _Games(np.asarray(batch.tokens), boards, np.asarray(batch.mask))


def _streams(model: Transformer) -> Streams:
    return lambda tokens: np.asarray(_stacked(model, jnp.asarray(tokens)))


@eqx.filter_jit
def _stacked(model: Transformer, tokens: Int[Array, "batch len"]) -> Array:
    streams = jnp.stack(residual_streams(model, tokens))
    return streams.astype(jnp.promote_types(streams.dtype, jnp.float32))  # SciPy has no bfloat16


def _passes(function: Streams, games: _Games, size: int):
    """The games in batches of one shape, so that one compilation serves all, and their streams."""
    for start in range(0, len(games.tokens), size):
        part = games.part(slice(start, start + size))
        tokens = np.zeros((size, games.tokens.shape[1]), games.tokens.dtype)
        tokens[: len(part.tokens)] = part.tokens
        streams = np.asarray(function(tokens))
        if streams.ndim != 4 or streams.shape[1:3] != tokens.shape:
            raise InputError(
                f"Residual streams must have the shape (layers, {tokens.shape[0]}, "
                f"{tokens.shape[1]}, width), but got {streams.shape}: one row for every token."
            )
        yield part, streams[:, : len(part.tokens)]


def _fitted(
    task: OthelloTask, function: Streams, games: _Games, seen: int, config: ProbeConfig
) -> list[LinearProbe]:
    """The probe of every layer, fitted at the moves of the training range."""
    places = task.position(seen) + 1
    kept = []
    for part, streams in _passes(function, games, config.batch_size):
        kept.append(streams[:, :, :places][:, part.mask[:, :places]])
    features = np.concatenate(kept, axis=1)  # (layers, samples, width)
    classes = games.boards[:, :places][games.mask[:, :places]]
    return [fit_probe(layer, classes, config) for layer in features]


def _majority(games: _Games) -> Int8[np.ndarray, "len squares"]:
    """The most frequent class of each square at each length."""
    counted = games.mask[..., None]
    counts = [((games.boards == kind) & counted).sum(axis=0) for kind in range(3)]
    return np.argmax(np.stack(counts), axis=0).astype(np.int8)


def _by_length(
    task: OthelloTask, right: Bool[np.ndarray, "games len squares"], mask: np.ndarray
) -> dict[int, float]:
    tally = Tally.of(right.mean(axis=-1), mask)
    found = [tally.summary(p, proportion=False, exact=True) for p in range(mask.shape[1])]
    return {length: found[place]["mean"] for place, length in enumerate(task.lengths())}
