"""Games, and what a model says of them when it is called by itself."""

import itertools as it

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from lengthwise.models import attention_weights
from lengthwise.othello import random_games


def one_game(size, policy, seed):
    """The entries of a random game."""
    games = random_games(size, 1, seed=seed, stream="test", policy=policy)
    return games.moves[0, : games.lengths[0]].tolist()


def first_game(size, policy, wanted):
    """The first of the random games that is as wanted."""
    games = (one_game(size, policy, seed) for seed in it.count())
    return next(moves for moves in games if wanted(moves))


def direct(model, tokens):
    """Probabilities after every token, and the attention of the last: no padding, no positions beyond."""
    logits, attention = _direct(model, jnp.array(tokens))
    logits = np.asarray(logits, np.float64)
    # Rounding of the logits is carried by the softmax: see the tolerance of those who compare.
    assert np.abs(logits).max() < 30
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True), np.asarray(attention)


@eqx.filter_jit
def _direct(model, tokens):
    return model(tokens), jnp.stack([layer[:, -1] for layer in attention_weights(model, tokens)])
