"""Equal logits of our model and of TransformerLens 3 and 4 themselves, by files in both directions.

Run by `make test-peer` (`make test-lens` for this file alone): `LENS_PYTHON` is an interpreter with
TransformerLens 3, `LENS_4` a folder with TransformerLens 4 for the same interpreter.
"""

import dataclasses
import json
import os
import pathlib
import subprocess

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from lengthwise.interop import export_model, import_model
from lengthwise.models import mingpt_config
from lengthwise.othello import random_games
from lengthwise.tasks import OthelloTask
from oracles.rounding import assert_equal_within_rounding


pytestmark = pytest.mark.peer
PEER = pathlib.Path(__file__).with_name("torch_lens.py")
MODELS = {
    "exact": (8, mingpt_config(3, 4, 64)),
    "tanh": (6, dataclasses.replace(mingpt_config(2, 2, 32), gelu="tanh", mlp_ratio=2)),
}


def filled(config, task):
    """A model with every weight random, gains and biases too, of the size that trained ones have."""
    rng = np.random.default_rng(0)
    model = config.build(task.sizes, key=jr.key(0))
    return jax.tree.map(
        lambda x: (
            x + 0.1 * jnp.asarray(rng.normal(size=x.shape), jnp.float32) if eqx.is_array(x) else x
        ),
        model,
    )


def tokens_of(task, count=4):
    played = random_games(task.size, 64, seed=2)
    whole = played.moves[played.lengths == task.size**2 - 4][:count, : task.sizes.max_len]
    assert len(whole) == count
    return np.array([[task.squares.index(s) for s in row] for row in whole], np.int32)


@pytest.fixture(scope="module", params=[(name, v) for name in MODELS for v in (3, 4)])
def made(request, tmp_path_factory):
    """The model, its tokens, and the folder of what TransformerLens of one version made of it."""
    name, version = request.param
    size, config = MODELS[name]
    folder, task = tmp_path_factory.mktemp("lens"), OthelloTask(size)
    model, own = filled(config, task), tokens_of(task)
    files = {"weights": "transformer-lens", "bridge": "transformer-lens-4"}
    files |= {"mingpt": "mingpt"} if name == "exact" else {}
    about = {key: export_model(folder / key, model, task, layout=x) for key, x in files.items()}
    job = {key: str(folder / key / "weights.safetensors") for key in files} | {
        "version": version,
        "arguments": about["weights"]["arguments"],
        "tokens": (own + 1).tolist(),
        "out": str(folder),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [os.environ["LENS_PYTHON"], str(PEER), str(folder / "job.json")]
    path = {"PYTHONPATH": os.environ["LENS_4"]} if version == 4 else {}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | path)
    assert done.returncode == 0, done.stderr
    return version, model, own, folder


def test_its_logits_are_ours(made):
    _, model, own, folder = made
    assert_equal_within_rounding(model, own, np.load(folder / "plain.npy")[:, :, 1:])


def test_what_it_saves_comes_back_bit_for_bit(made):
    _, model, _, folder = made
    file = folder / "plain.safetensors"
    found = import_model(file, heads=model.config.heads, gelu=model.config.gelu)
    assert found.model.config == model.config
    for ours, back in zip(jax.tree.leaves(model), jax.tree.leaves(found.model), strict=True):
        np.testing.assert_array_equal(ours, back)


def test_what_one_version_alone_does(made):
    """3 folds norms and centres, as in the OthelloGPT published for it; 4 reads a file of its own keys."""
    version, model, own, folder = made
    if version == 3:
        model = import_model(folder / "folded.safetensors", gelu=model.config.gelu).model
    other = np.load(folder / ("folded.npy" if version == 3 else "direct.npy"))
    assert_equal_within_rounding(model, own, other[:, :, 1:])
