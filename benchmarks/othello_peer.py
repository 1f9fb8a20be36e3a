"""Random 8x8 games by OpenSpiel and pgx, for `othello.py`: one word in, one line of JSON out.

Each plays uniformly over the legal moves and looks at the legal set of every ply; a forfeited turn is an
action of both. OpenSpiel is driven from Python, as its users do; pgx plays 1,024 games at a time in one
compiled loop.
"""

import json
import random
import sys
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import pgx
import pyspiel


GAME = pyspiel.load_game("othello")
ENVIRONMENT = pgx.make("othello")
BATCH = 1024


def open_spiel(seconds):
    rng, games, began = random.Random(0), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        state = GAME.new_initial_state()
        while not state.is_terminal():
            state.apply_action(rng.choice(state.legal_actions()))
        games += 1
    return games


def _step(carry):
    state, key = carry
    key, draw = jr.split(key)
    logits = jnp.where(state.legal_action_mask, 0.0, -jnp.inf)
    action = jr.categorical(draw, logits, axis=-1)
    return jax.vmap(ENVIRONMENT.step)(state, action), key


@jax.jit
def _whole(key):
    init, play = jr.split(key)
    state = jax.vmap(ENVIRONMENT.init)(jr.split(init, BATCH))
    going = lambda carry: ~jnp.all(carry[0].terminated)
    state, _ = jax.lax.while_loop(going, _step, (state, play))
    return state.rewards


def by_pgx(seconds):
    games, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        _whole(jr.key(games)).block_until_ready()
        games += BATCH
    return games


if __name__ == "__main__":
    by_pgx(0)  # compiles
    for line in sys.stdin:
        name, seconds = line.split()
        clock = time.process_time()
        played = {"open_spiel": open_spiel, "pgx": by_pgx}[name](float(seconds))
        print(json.dumps({"games": played, "cpu": time.process_time() - clock}), flush=True)
