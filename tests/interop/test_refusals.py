"""What a layout cannot express, and files that are not what they should be: one sentence, no file."""

import json
import sys
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import lengthwise as lw
from lengthwise.interop import LAYOUTS, export_model, import_model, read_torch, write_run
from lengthwise.models import (
    ALiBi,
    LearnedPositions,
    RandomOffset,
    RotaryPositions,
    Softmax,
    gpt1_config,
    mingpt_config,
)
from lengthwise.tasks import OthelloTask


class Sharper(Softmax):
    """Another class of attention."""


FIELDS = {
    "norm": {"norm": "post"},
    "norm_kind": {"norm_kind": "rms"},
    "bias": {"bias": False},
    "residual": {"residual": False},
    "positions": {"positions": RotaryPositions()},
    "attention": {"attention": Sharper()},
    "key_dim": {"key_dim": 3},
    "value_dim": {"value_dim": 5},
    "mlp_ratio": {"mlp_ratio": None},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_no_layout_expresses_is_named(tmp_path, filled, field, layout):
    model, task = filled(**FIELDS[field])
    with pytest.raises(lw.InputError, match=rf"`{layout}` .* but got \({field}="):
        export_model(tmp_path / "out", model, task, layout=layout)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("positions", [ALiBi(), lw.models.NoPositions(), RandomOffset(3)])
def test_other_positions_are_refused(tmp_path, filled, positions):
    model, task = filled(positions=positions)
    with pytest.raises(lw.InputError, match=r"positions='lengthwise\.models:"):
        export_model(tmp_path / "out", model, task, layout="mingpt")


def test_what_mingpt_alone_cannot_express(tmp_path, filled):
    for field, fields in (("gelu", {"gelu": "tanh"}), ("mlp_ratio", {"mlp_ratio": 2})):
        model, task = filled(**fields)
        with pytest.raises(lw.InputError, match=rf"but got \({field}="):
            export_model(tmp_path / "no", model, task, layout="mingpt")
        export_model(tmp_path / f"{field}", model, task, layout="transformer-lens")
    model, task = filled(key_dim=4, value_dim=4)  # as they are by default
    export_model(tmp_path / "same", model, task, layout="mingpt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gelu", "mlp_ratio", "same"]


def test_gpt1_names_what_is_other(tmp_path, getkey):
    task = OthelloTask(4)
    model = gpt1_config(1, 2, 8).build(task.sizes, key=getkey())
    with pytest.raises(lw.InputError, match=r"\(norm='post', gelu='tanh'\)"):
        export_model(tmp_path / "out", model, task, layout="mingpt")
    with pytest.raises(lw.InputError, match=r"one of \(lengthwise, mingpt"):
        export_model(tmp_path / "out", model, task, layout="gpt2")


@pytest.mark.parametrize("task", [OthelloTask(4, "pass"), OthelloTask(4, begin_token=True)])
def test_a_token_without_a_published_number(tmp_path, getkey, task):
    model = mingpt_config(1, 2, 8).build(task.sizes, key=getkey())
    with pytest.raises(lw.InputError, match="no number for a pass or a begin"):
        export_model(tmp_path / "out", model, task, layout="mingpt")
    assert not any(tmp_path.iterdir())


def test_a_directory_that_exists_is_left_alone(tmp_path, filled):
    model, task = filled()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(lw.InputError, match="must be a new directory"):
        export_model(tmp_path, model, task)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path, filled, monkeypatch):
    model, task = filled()

    def full(path, value):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("lengthwise.interop._export.write_json", full)
    with pytest.raises(OSError, match="No space"):
        export_model(tmp_path / "out", model, task)
    assert not any(tmp_path.iterdir())


@pytest.fixture
def exported(tmp_path, filled):
    """A function that gives the folder of an exported model, by layout."""

    def make(layout):
        folder = tmp_path / layout
        export_model(folder, *filled(), layout=layout)
        return folder

    return make


def change(folder, arrays):
    """Put arrays in the place of those of a folder; `None` takes one out."""
    file = folder / "weights.safetensors"
    state = safetensors.numpy.load_file(file) | arrays
    kept = {name: array for name, array in state.items() if array is not None}
    safetensors.numpy.save_file(kept, file)


def test_a_model_of_another_class_has_the_own_layout_alone(tmp_path):
    class Uniform(lw.AbstractModel):
        config: str = "none"

        def __call__(self, tokens, *, dropout=None, key=None):
            raise NotImplementedError

    with pytest.raises(lw.InputError, match=r"must be a `Transformer`, but got \(.*Uniform\)"):
        export_model(tmp_path / "out", Uniform(), OthelloTask(4), layout="mingpt")
    assert not any(tmp_path.iterdir())


def test_arrays_of_another_model(tmp_path, exported):
    for names, text in (
        ({"blocks.1.mlp.0.weight": None}, r"missing=\['blocks.1.mlp.0.weight'\]"),
        ({"blocks.1.mlp.4.weight": np.ones(3)}, r"surplus=\['blocks.1.mlp.4.weight'\]"),
        ({"pos_emb": np.ones((1, 12, 8), np.float32)}, r"`pos_emb` as float32\[1, 11, 8\]"),
        ({"head.weight": np.ones((14, 8), np.float32)}, r"`head.weight` as float32\[13, 8\]"),
        ({"pos_emb": np.ones((1, 11, 8), np.float16)}, r"but got float16\[1, 11, 8\]"),
        ({"tok_emb.weight": np.ones(8, np.float32)}, "embedding of two axes"),
        ({"blocks.0.mlp.0.bias": np.ones(9, np.float32)}, "hidden=9, width=8"),
        ({"tok_emb.weight": None}, "in a layout that is not read"),
    ):
        folder = exported("mingpt")
        change(folder, names)
        with pytest.raises(lw.InputError, match=text):
            import_model(folder)
        folder.rename(tmp_path / f"{len(list(tmp_path.iterdir()))}")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {"unembed.b_U": np.full(13, np.nan, np.float32)},
            r"`unembed.b_U` has \(13\) that are not",
        ),
        ({"unembed.b_U": np.arange(13)}, r"`unembed.b_U` as float32\[13\].*got int64\[13\]"),
        ({"unembed.b_U": np.ones(1, np.float32)}, r"`unembed.b_U` as float32\[13\]"),
        ({"unembed.b_U": np.zeros(12, np.float32)}, r"`unembed.b_U` as float32\[13\]"),
        ({"unembed.W_U": np.ones((8, 13), np.int32)}, r"`unembed.W_U` as float32\[8, 13\]"),
        ({"unembed.W_U": np.full((8, 13), np.inf, np.float32)}, r"`unembed.W_U` has \(104\)"),
        ({"unembed.W_U": np.ones((0, 13), np.float32)}, r"`ln_final.b` as float32\[0\]"),
        ({"ln_final.b": np.ones((8, 1), np.float32)}, r"`ln_final.b` as float32\[8\]"),
        (
            {
                "unembed.b_U": np.zeros(13, np.float32),
                "blocks.1.mlp.W_in": np.full((8, 32), np.nan, np.float32),
            },
            r"`blocks.1.mlp.W_in` has \(256\)",
        ),
    ],
)
def test_weights_that_are_no_numbers_or_of_another_kind(exported, arrays, text):
    folder = exported("transformer-lens")
    bias = np.linspace(-1, 1, 13, dtype=np.float32)
    change(folder, {"unembed.b_U": bias} | arrays)
    with pytest.raises(lw.InputError, match=text):
        import_model(folder)


def test_another_vocabulary(exported):
    folder = exported("mingpt")
    file = folder / "weights.safetensors"
    with pytest.raises(lw.InputError, match=r"`tok_emb.weight` as float32\[33, 8\]"):
        import_model(file, heads=2, task=OthelloTask(6))
    change(folder, {"tok_emb.weight": np.ones((50, 8), np.float32)})
    with pytest.raises(lw.InputError, match=r"13, 33, 61 tokens.*\(50\)"):
        import_model(file, heads=2)


def test_what_is_given_must_not_contradict(exported):
    folder = exported("transformer-lens")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"heads": 4}, "`heads`.*4.*2"),
        ({"gelu": "tanh"}, "`gelu`.*'tanh'.*'exact'"),
        ({"task": OthelloTask(6)}, "`task`"),
        ({"seen": 12}, "`1 <= seen <= 11`"),
    ]
    for options, text in refused:
        with pytest.raises(lw.InputError, match=text):
            import_model(folder, **options)
    with pytest.raises(lw.InputError, match="`gelu` must be that of"):
        import_model(exported("mingpt"), gelu="tanh")


def test_a_gelu_that_the_layout_has_not(exported):
    folder = exported("transformer-lens")
    (folder / "config.json").unlink()
    file = folder / "weights.safetensors"
    with pytest.raises(
        lw.InputError, match=r"`gelu` of the layout `transf.* \(.*exact.*got \(quick"
    ):
        import_model(file, heads=2, gelu="quick")


@pytest.mark.parametrize("missing", ["unembed.W_U", "ln_final.b"])
def test_an_array_that_the_bias_of_the_logits_needs_is_missed_by_name(exported, missing):
    folder = exported("transformer-lens")
    change(folder, {"unembed.b_U": np.ones(13, np.float32), missing: None})
    with pytest.raises(lw.InputError, match=missing):
        import_model(folder)


@pytest.mark.parametrize(
    "argument",
    [
        {"normalization_type": "RMS"},
        {"positional_embedding_type": "rotary"},
        {"attn_only": True},
        {"parallel_attn_mlp": True},
        {"attn_scores_soft_cap": 50.0},
        {"eps": 1e-6},
        {"act_fn": "relu"},
        {"attn_scale": 1.0},
        {"attn_scale": "x"},
        {"attn_scale": 1, "d_head": "x"},
        {"attn_scale": 1, "d_head": -1},
        {"act_fn": ["gelu"]},
        {"eps": {}},
        {"n_heads": "x"},
    ],
)
@pytest.mark.parametrize("layout", ["transformer-lens", "transformer-lens-4"])
def test_arguments_of_another_model(exported, argument, layout):
    folder = exported(layout)
    config = json.loads((folder / "config.json").read_text())
    config["arguments"] |= argument
    (folder / "config.json").write_text(json.dumps(config))
    name = next(iter(argument)).removeprefix("n_")
    with pytest.raises(lw.InputError, match=f"{name}"):
        import_model(folder)


@pytest.mark.parametrize("layout", ["transformer-lens", "transformer-lens-4"])
def test_arguments_that_are_null_are_left_out(exported, layout):
    folder = exported(layout)
    config = json.loads((folder / "config.json").read_text())["arguments"]
    config |= dict.fromkeys(["attn_scale", "d_head", "eps", "attn_only", "use_attn_scale"])
    (folder / "config.json").write_text(json.dumps(config))
    assert import_model(folder).layout == layout
    (folder / "config.json").write_text(json.dumps(config | {"act_fn": None}))
    with pytest.raises(lw.InputError, match="`gelu` must be given"):
        import_model(folder)


@pytest.mark.parametrize("layout", ["lengthwise", "mingpt"])
def test_damaged_files(exported, layout):
    folder = exported(layout)
    file, config = folder / "weights.safetensors", folder / "config.json"
    whole = file.read_bytes()
    for data in (whole[:-10], whole[:50], b"", b"\xff" * 200):
        file.write_bytes(data)
        with pytest.raises(lw.StorageError, match="damaged"):
            import_model(folder)
    file.unlink()
    with pytest.raises(lw.StorageError, match="could not be read"):
        import_model(folder)
    text = config.read_text()
    for damaged in (text[:100], "[]", '{"layout": "mingpt"}', text[:-2] + ', "arguments": 3}'):
        config.write_text(damaged)
        with pytest.raises(lw.StorageError, match=r"config\.json"):
            import_model(folder)
    config.unlink()
    with pytest.raises(lw.StorageError, match=r"config\.json"):
        import_model(folder)
    with pytest.raises(lw.InputError, match="must be a directory, or a file that ends in"):
        import_model(folder / "weights.bin")


def test_weights_of_another_config(exported, filled):
    folder = exported("lengthwise")
    config = json.loads((folder / "config.json").read_text())
    config["model"]["fields"]["layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(lw.InputError, match="must hold the arrays of this config"):
        import_model(folder)


def test_a_checkpoint_without_pytorch_here(tmp_path):
    """An interpreter without packages: the sentence says what to do. (tests/peer reads checkpoints.)"""
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    file = tmp_path / "gpt.ckpt"
    with pytest.raises(lw.StorageError, match="could not be read"):
        read_torch(file)
    file.write_bytes(b"PK")
    with pytest.raises(lw.InputError, match=r"has no (torch|safetensors).*--torch-python"):
        read_torch(file, python=str(bare))
    with pytest.raises(lw.InputError, match="must be an interpreter"):
        import_model(file, torch_python=str(tmp_path / "python"))


@pytest.mark.parametrize(
    ("script", "error", "text"),
    [
        (
            "echo first >&2; echo 'it holds a list' >&2; exit 2",
            lw.InputError,
            "but it holds a list",
        ),
        ("echo 'EOFError: end' >&2; exit 4", lw.StorageError, r"read \(EOFError: end\)"),
        ("kill -9 $$", lw.StorageError, r"read \(\)"),
    ],
)
def test_what_an_interpreter_with_pytorch_says_of_a_checkpoint(tmp_path, script, error, text):
    python, file = tmp_path / "python", tmp_path / "gpt.ckpt"
    file.write_bytes(b"weights")
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with pytest.raises(error, match=text):
        read_torch(file, python=str(python))
    python.write_text('#!/bin/sh\ncp "$2" "$3"\n')  # of the script, its input and its output
    assert read_torch(file, python=str(python)) == b"weights"


STAND_IN = """
import json

class Tensor:
    def __init__(self, values):
        self.values = values
    detach = clone = contiguous = lambda self: self

def load(path, *, map_location, weights_only):
    assert (map_location, weights_only) == ("cpu", True)
    return json.loads(open(path).read(), object_hook=lambda found: {
        name: Tensor(x) if isinstance(x, list) else x for name, x in found.items()
    })

def save(tensors):
    return json.dumps({name: x.values for name, x in tensors.items()}).encode()
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"w": [1]}', b'{"w": [1]}'),
        ('{"epoch": 3, "state_dict": {"w": [1]}}', b'{"w": [1]}'),
        ('{"state_dict": {"model": {"w": [1]}}}', b'{"w": [1]}'),
        ("{}", "dictionary, but it holds no state dictionary but a dict"),
        ("3", "dictionary, but it holds no state dictionary but a int"),
        ('{"w": [1], "step": 3}', r"but it holds other things than tensors \(step\)"),
        ("PK", r"cannot be read \(JSONDecodeError: "),
    ],
)
def test_the_script_takes_the_tensors_out_of_what_pytorch_loads(tmp_path, text, found):
    """PyTorch is stood in for by JSON whose lists are tensors; tests/peer has PyTorch itself."""
    (tmp_path / "safetensors").mkdir()
    for name in ("torch.py", "safetensors/__init__.py", "safetensors/torch.py"):
        (tmp_path / name).write_text(STAND_IN)
    python, file = tmp_path / "python", tmp_path / "gpt.pt"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    file.write_text(text)
    if isinstance(found, bytes):
        assert read_torch(file, python=str(python)) == found
    else:
        with pytest.raises(lw.StorageError if text == "PK" else lw.InputError, match=found):
            read_torch(file, python=str(python))


def test_a_run_that_fails_leaves_nothing(tmp_path, exported, monkeypatch):
    found = import_model(exported("mingpt"))

    def fail(*args, directory, **kwargs):
        lw.train(*args, directory=directory, **kwargs)
        assert (directory / "record.json").exists()
        raise lw.StorageError("full")

    monkeypatch.setattr("lengthwise.interop._as_run.train", fail)
    with pytest.raises(lw.StorageError, match="full"):
        write_run(tmp_path / "run", found, lw.EvaluationConfig(examples=2, batch_size=2))
    assert [path.name for path in tmp_path.iterdir()] == ["mingpt"]


def test_scale_of_positions_is_no_matter(tmp_path, filled):
    model, task = filled(positions=LearnedPositions(0.5))
    export_model(tmp_path / "out", model, task, layout="mingpt")
