"""B, C and D say everything about the minimal model, and are refused where they do not."""

import dataclasses
import itertools as it

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_transformer import doubled, filled

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.models import LearnedPositions


CONFIGS = {
    "one head": lw.minimal_config(4),
    "two heads": lw.minimal_config(4, heads=2),
    "narrow": lw.minimal_config(4, heads=3, key_dim=2, value_dim=1),
    "wide": lw.minimal_config(3, heads=1, key_dim=5, value_dim=7),
    "tied": lw.minimal_config(4, heads=2, tied=True),
    "no residual": dataclasses.replace(lw.minimal_config(4, heads=2), residual=False),
}


def formula(matrices, tokens):
    """`f(t) = B[t_s] + sum_h sum_i a_i D[t_i]`, `a = softmax_i(C[t_s, t_i])`, in float64."""
    b, c, d = (np.asarray(x, np.float64) for x in matrices)
    last = tokens[-1]
    logits = b[last].copy()
    for scores, values in zip(c, d, strict=True):
        weights = np.exp([scores[last, t] for t in tokens])
        logits += sum(w / weights.sum() * values[t] for w, t in zip(weights, tokens, strict=True))
    return logits


@pytest.mark.parametrize("name", CONFIGS)
def test_matrices_reproduce_the_model_on_every_input(name):
    task = lw.SetComplement(4)
    begin = CONFIGS[name].heads == 2  # a row of the embedding that B, C and D have no part in
    model = filled(CONFIGS[name], dataclasses.replace(task.sizes, inputs=4 + begin))
    tokens = np.array(list(it.permutations(range(4), 3)), np.int32)
    with jax.enable_x64(True):
        wide = doubled(model)
        logits = np.asarray(forward(wide, tokens))
        matrices = lw.minimal_matrices(wide)
        assert matrices.residual.shape == (4, 4)
        assert matrices.scores.shape == matrices.values.shape == (CONFIGS[name].heads, 4, 4)
        for row, found in zip(tokens, logits, strict=True):
            for end in range(1, 4):
                # Some 100 roundings of float64, of numbers below 100.
                np.testing.assert_allclose(
                    found[end - 1], formula(matrices, row[:end]), rtol=0, atol=1e4 * 2.0**-53
                )
    if name == "no residual":
        assert not np.asarray(matrices.residual).any()


@pytest.mark.parametrize(
    "fields",
    [
        {"layers": 2},
        {"mlp_ratio": 1},
        {"norm": "pre"},
        {"norm": "post"},
        {"bias": True},
        {"positions": LearnedPositions()},
    ],
    ids=str,
)
def test_anything_else_is_refused(fields):
    config = dataclasses.replace(lw.minimal_config(4), **fields)
    model = filled(config, lw.Sizes(4, 4, 3))
    with pytest.raises(lw.InputError, match=rf"A minimal model.*{next(iter(fields))}="):
        lw.minimal_matrices(model)


class Uniform(lw.AbstractAttention):
    """Another attention: the mean over what is visible."""

    def init(self, heads, key_dim, *, key):
        del heads, key_dim, key

    def weights(self, params, query, key, bias, mask):
        del params, key, bias
        shares = mask / jnp.sum(mask, axis=-1, keepdims=True)
        return jnp.broadcast_to(shares, (*query.shape[:-1], mask.shape[-1])).astype(query.dtype)


def test_another_attention_is_refused():
    config = dataclasses.replace(lw.minimal_config(4), attention=Uniform())
    with pytest.raises(lw.InputError, match=r"attention="):
        lw.minimal_matrices(filled(config, lw.Sizes(4, 4, 3)))
