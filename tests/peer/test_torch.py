"""Our training step and PyTorch's give the same losses, for every kind of model that both express.

Run by `make test-peer`: `PEER_PYTHON` is an interpreter with PyTorch.
"""

import importlib.util
import os
import pathlib

import pytest

import lengthwise as lw
from lengthwise.models import (
    ALiBi,
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
    gpt1_config,
    mingpt_config,
)


pytestmark = pytest.mark.peer

MODELS = {
    "pre": lw.TransformerConfig(layers=2, heads=4, width=16),
    "post": lw.TransformerConfig(layers=2, heads=2, width=16, norm="post"),
    "rms": lw.TransformerConfig(layers=1, heads=2, width=16, norm_kind="rms", bias=False),
    "post rms tied": lw.TransformerConfig(
        layers=1, heads=2, width=16, norm="post", norm_kind="rms", tied=True
    ),
    "learned positions": lw.TransformerConfig(
        layers=1, heads=2, width=16, positions=LearnedPositions()
    ),
    "minimal": lw.minimal_config(16, heads=2),
    "gpt1": gpt1_config(layers=2, heads=2, width=16),
}
PARTS = {  # of tests/peer/torch_positions.py
    "rotary": lw.TransformerConfig(2, 4, 16, positions=RotaryPositions()),
    "alibi": lw.TransformerConfig(2, 4, 16, norm="post", positions=ALiBi()),
    "sinusoidal": lw.TransformerConfig(2, 4, 16, positions=SinusoidalPositions()),
    "exact": mingpt_config(layers=2, heads=4, width=16),
}


@pytest.fixture(scope="module")
def benchmark():
    path = pathlib.Path(__file__).parents[2] / "benchmarks/train_step.py"
    spec = importlib.util.spec_from_file_location("train_step", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", MODELS)
def test_ten_losses_agree(tmp_path, benchmark, name):
    size = {"vocab": 12, "length": 6, "batch": 8, "model": MODELS[name]}
    python = os.environ["PEER_PYTHON"]
    # The losses are near log 12 = 2.5 in float32: 1e-5 is 17 units in the last place over 10 steps.
    assert benchmark.loss_difference(size, python, tmp_path) <= 1e-5


@pytest.mark.parametrize("part", PARTS)
def test_ten_losses_agree_with_other_parts(tmp_path, benchmark, monkeypatch, part):
    monkeypatch.setattr(benchmark, "PEER", pathlib.Path(__file__).with_name("torch_positions.py"))
    size = {"vocab": 12, "length": 6, "batch": 8, "model": PARTS[part]}
    python = os.environ["PEER_PYTHON"]
    monkeypatch.setenv("PART", part)
    assert benchmark.loss_difference(size, python, tmp_path) <= 1e-5
    if part != "exact":  # the two GELUs differ by 5e-4 at most, and less where weights are small
        monkeypatch.setenv("PART", "none")
        assert benchmark.loss_difference(size, python, tmp_path) > 1e-5, "positions change nothing"


def test_another_step_is_noticed(tmp_path, benchmark):
    size = {"vocab": 12, "length": 6, "batch": 8, "model": MODELS["pre"]}
    changed = benchmark.HPARAMS._replace(weight_decay=1.0)
    task, model, batches = benchmark.start(size)
    ours = benchmark.our_losses(size, task, model, batches)
    kept, benchmark.HPARAMS = benchmark.HPARAMS, changed
    try:
        other = benchmark.our_losses(size, task, model, batches)
    finally:
        benchmark.HPARAMS = kept
    assert abs(ours - other).max() > 1e-5
