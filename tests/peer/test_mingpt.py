"""Equal logits of our model and of a PyTorch minGPT, by files in both directions.

Run by `make test-peer`: `PEER_PYTHON` is an interpreter with PyTorch and safetensors.
"""

import json
import os
import pathlib
import subprocess

import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.interop import export_model, import_model
from lengthwise.models import mingpt_config
from lengthwise.othello import random_games
from lengthwise.tasks import OthelloTask
from oracles.rounding import assert_equal_within_rounding


pytestmark = pytest.mark.peer
PEER = pathlib.Path(__file__).with_name("torch_mingpt.py")
SHAPES = {6: (31, 33, 4, 4, 32), 8: (59, 61, 8, 8, 64)}  # places, vocabulary, layers, heads, width


def games(size, count=8):
    """Whole random games as our tokens, and in the published numbers: squares sorted behind the padding."""
    task, played = OthelloTask(size), random_games(size, 64, seed=2)
    whole = played.moves[played.lengths == size * size - 4][:count, : task.sizes.max_len]
    assert len(whole) == count
    known = {s: n for n, s in enumerate([-100, *sorted(set(played.moves[played.moves >= 0]))])}
    assert len(known) == size * size - 3
    own = np.array([[task.squares.index(s) for s in row] for row in whole], np.int32)
    return own, [[known[s] for s in row] for row in whole]


def call_peer(folder, **job):
    """The logits of the peer for a job."""
    job = {name: str(x) if isinstance(x, pathlib.Path) else x for name, x in job.items()}
    file = folder / "job.json"
    file.write_text(json.dumps(job | {"logits": str(folder / "logits.npy")}))
    command = [os.environ["PEER_PYTHON"], str(PEER), str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "logits.npy")


@pytest.mark.parametrize("size", SHAPES)
def test_pytorch_reads_what_is_exported(tmp_path, size):
    _, _, layers, heads, width = SHAPES[size]
    task = OthelloTask(size)
    model = mingpt_config(layers, heads, width).build(task.sizes, key=jr.key(0))
    about = export_model(tmp_path / "out", model, task, layout="mingpt")
    own, tokens = games(size)
    arguments, file = about["arguments"], tmp_path / "out/weights.safetensors"
    theirs = call_peer(tmp_path, arguments=arguments, tokens=tokens, read=file)
    assert_equal_within_rounding(model, own, theirs[:, :, 1:])
    assert (theirs[:, :, 0] < theirs[:, :, 1:].max(axis=-1)).all()


@pytest.mark.parametrize("size", SHAPES)
def test_a_published_checkpoint_is_read(tmp_path, size):
    """A `.ckpt` as `torch.save(model.state_dict())` writes it, masks and all."""
    places, vocabulary, layers, heads, width = SHAPES[size]
    names = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")
    arguments = dict(zip(names, (vocabulary, places, layers, heads, width), strict=True))
    own, tokens = games(size)
    file = tmp_path / "gpt.ckpt"
    theirs = call_peer(tmp_path, arguments=arguments, tokens=tokens, write=file)
    found = import_model(file, heads=heads, torch_python=os.environ["PEER_PYTHON"])
    assert found.task == OthelloTask(size)
    assert found.model.config == mingpt_config(layers, heads, width)
    assert_equal_within_rounding(found.model, own, theirs[:, :, 1:])
    with pytest.raises(lw.InputError, match="`heads` must be given"):
        import_model(file, torch_python=os.environ["PEER_PYTHON"])
    wrong = import_model(file, heads=heads // 2, torch_python=os.environ["PEER_PYTHON"])
    with pytest.raises(AssertionError):  # the measure tells models apart
        assert_equal_within_rounding(wrong.model, own, theirs[:, :, 1:])


CODE = """
import pathlib, sys, torch
if sys.argv[2] == "code":
    class Evil:
        def __reduce__(self):
            return (pathlib.Path.touch, (pathlib.Path(sys.argv[1] + ".ran"),))
    found = {"tok_emb.weight": Evil()}
else:
    nested = {"state_dict": {"b": torch.ones(2)}}
    found = {"list": [1, 2], "number": {"a": 3}, "nested": nested}[sys.argv[2]]
torch.save(found, sys.argv[1])
"""


def test_checkpoints_that_are_none(tmp_path):
    python, file = os.environ["PEER_PYTHON"], tmp_path / "x.ckpt"
    for kind, error, text in (
        ("code", lw.StorageError, "of tensors alone"),
        ("list", lw.InputError, "no state dictionary but a list"),
        ("number", lw.InputError, r"other things than tensors \(a\)"),
        ("nested", lw.InputError, "in a layout that is not read"),
    ):
        subprocess.run([python, "-c", CODE, str(file), kind], check=True)
        with pytest.raises(error, match=text):
            import_model(file, torch_python=python)
    assert [path.name for path in tmp_path.iterdir()] == ["x.ckpt"]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(lw.StorageError, match="cannot be read"):
        import_model(file, torch_python=python)
