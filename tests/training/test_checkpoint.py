"""Damaged, foreign and missing checkpoints: named, and nothing lost."""

import dataclasses
import json
import os
import shutil

import jax
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise._core import RunFiles, sole_writer
from lengthwise.training import (
    DamagedCheckpoint,
    init_state,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
    traced_hparams,
    tree_to_bytes,
)


TASK = lw.SetComplement(6)
CONFIG = lw.TrainingConfig(
    steps=30, chunk_steps=10, batch_size=4, lengths=lw.FixedLength(3), evaluate_every=0,
    checkpoint_every=10,
    evaluation=lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0),
)  # fmt: skip
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()))
MODEL = lw.TransformerConfig(layers=1, heads=1, width=4, mlp_ratio=None, bias=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "whole"
    model = MODEL.build(TASK.sizes, key=jr.key(0))
    lw.train(TASK, model, CONFIG, HPARAMS, directory=directory, key=jr.key(1))
    return directory


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def newest(directory, suffix):
    return sorted((directory / "checkpoints").glob(f"*{suffix}"))[-1]


def cut_short(directory):
    path = newest(directory, ".safetensors")
    path.write_bytes(path.read_bytes()[:-20])


def flip_one_bit(directory):
    path = newest(directory, ".safetensors")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def lose_the_arrays(directory):
    newest(directory, ".safetensors").unlink()


def cut_the_json(directory):
    path = newest(directory, ".json")
    path.write_text(path.read_text()[:30])


@pytest.mark.parametrize("damage", [cut_short, flip_one_bit, lose_the_arrays, cut_the_json])
def test_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(finished, copy, damage):
    assert len(list((copy / "checkpoints").glob("*.json"))) == CONFIG.keep_checkpoints == 2
    damage(copy)
    with pytest.warns(DamagedCheckpoint, match="step-000000030.*checkpoint before it is used"):
        result = lw.resume(copy)
    assert result.status == "completed"
    for name in ("weights/raw.safetensors", "weights/BEMA.safetensors", "metrics.jsonl"):
        assert (copy / name).read_bytes() == (finished / name).read_bytes()


def test_arrays_without_json_are_no_checkpoint(finished, copy):
    # As a process leaves it that is killed between the two writes.
    newest(copy, ".json").unlink()
    assert lw.resume(copy).status == "completed"  # and no warning, which would be an error here
    assert (copy / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


def test_all_damaged_is_an_error_that_touches_nothing(copy):
    before = (copy / "metrics.jsonl").read_bytes()
    for path in (copy / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(DamagedCheckpoint):
        with pytest.raises(lw.StorageError, match="must hold a whole checkpoint"):
            lw.resume(copy)
    assert (copy / "metrics.jsonl").read_bytes() == before


def test_a_run_without_a_checkpoint_is_not_begun_with_other_weights(copy):
    before = (copy / "metrics.jsonl").read_bytes()
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(lw.StorageError, match=r"must hold a whole checkpoint.*start the run anew"):
        lw.resume(copy)
    assert (copy / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["step-000000000.json", "config.json"])
def test_stopped_before_its_config_a_run_can_be_started_again(
    finished, tmp_path, monkeypatch, name
):
    import lengthwise._core._storage as storage

    class Stop(BaseException):
        pass

    replace = os.replace

    def stop(source, target):
        if target.name == name:
            shutil.copy(source, f"{source}.tmp")  # as -9 leaves it
            raise Stop
        replace(source, target)

    directory, model = tmp_path / "run", MODEL.build(TASK.sizes, key=jr.key(0))
    start = lambda: lw.train(TASK, model, CONFIG, HPARAMS, directory=directory, key=jr.key(1))
    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "replace", stop)
        with pytest.raises(Stop):
            start()
    assert list(directory.rglob("*.tmp"))
    with pytest.raises(lw.StorageError, match=r"config.json"):
        lw.resume(directory)
    assert start().status == "completed"
    for weights in ("raw", "BEMA"):
        path = f"weights/{weights}.safetensors"
        assert (directory / path).read_bytes() == (finished / path).read_bytes()


def test_checkpoint_of_another_config_is_refused(copy):
    path = copy / "config.json"
    config = json.loads(path.read_text())
    config["training"]["fields"]["batch_size"] = 8
    path.write_text(json.dumps(config))
    with pytest.raises(lw.InputError, match=r"must be of this run's config.*restore"):
        lw.resume(copy)


def test_state_comes_back_bit_for_bit(tmp_path):
    files = RunFiles(tmp_path)
    hparams = traced_hparams(HPARAMS)
    model = MODEL.build(TASK.sizes, key=jr.key(0))
    state = init_state(model, hparams, CONFIG)
    save_checkpoint(files, state, {"a": 1}, {"seconds": 1.5}, keep=1)
    like = init_state(MODEL.build(TASK.sizes, key=jr.key(5)), hparams, CONFIG)
    loaded, extra = load_checkpoint(files, like, {"a": 1})
    assert extra == {"seconds": 1.5}
    assert tree_to_bytes(loaded) == tree_to_bytes(state)
    for a, b in zip(jax.tree.leaves(loaded), jax.tree.leaves(state), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert np.array_equal(a, b)


def test_only_the_newest_are_kept(tmp_path):
    files = RunFiles(tmp_path)
    hparams = traced_hparams(HPARAMS)
    state = init_state(MODEL.build(TASK.sizes, key=jr.key(0)), hparams, CONFIG)
    for step in (10, 20, 30):
        state = dataclasses.replace(state, step=state.step * 0 + step)
        save_checkpoint(files, state, {}, {}, keep=2)
    left = sorted(path.name for path in files.checkpoints.iterdir())
    names = [f"step-0000000{step}" for step in (20, 30)]
    assert left == sorted(f"{n}.{suffix}" for n in names for suffix in ("json", "safetensors"))


def test_weights_of_another_model_are_refused(tmp_path):
    model = MODEL.build(TASK.sizes, key=jr.key(0))
    save_weights(tmp_path / "w.safetensors", model)
    wider = dataclasses.replace(MODEL, width=8).build(TASK.sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match=r"must hold `embedding` as float32\[6, 8\]"):
        load_weights(tmp_path / "w.safetensors", wider)
    deeper = dataclasses.replace(MODEL, layers=2).build(TASK.sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match=r"missing=\['blocks.1"):
        load_weights(tmp_path / "w.safetensors", deeper)


def test_bfloat16_is_named_and_not_called_damaged(tmp_path):
    path = tmp_path / "w.safetensors"
    about = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    header = json.dumps({"embedding": about}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    model = MODEL.build(TASK.sizes, key=jr.key(0))
    with pytest.raises(lw.InputError, match=r"got \(bfloat16\): convert it to float32"):
        load_weights(path, model)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(lw.StorageError, match="damaged"):
        load_weights(path, model)


def test_two_writers_cannot_share_a_directory(copy):
    with sole_writer(copy), pytest.raises(lw.StorageError, match="one writer"):
        lw.resume(copy)
