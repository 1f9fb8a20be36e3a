"""What is written is what the other tool's own definition reads, and comes back bit for bit."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import lengthwise as lw
from lengthwise.evaluation import forward
from lengthwise.interop import LAYOUTS, export_model, import_model, vocabulary_of
from lengthwise.models import LearnedPositions, RotaryPositions
from lengthwise.othello import random_games
from lengthwise.tasks import OthelloTask
from oracles import mingpt, transformer_lens


def published(size):
    """The published tokens of squares: those that occur in games, sorted, behind the padding."""
    games = random_games(size, 500, seed=0)
    squares = sorted(set(games.moves[games.moves >= 0].tolist()))
    return {square: token for token, square in enumerate([-100, *squares])}


def wide(model):
    """The same weights as float64 arrays; to be called inside `jax.enable_x64`."""
    to = lambda x: jnp.asarray(np.asarray(x, np.float64)) if hasattr(x, "dtype") else x
    return jax.tree.map(to, model)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_tokens_are_those_of_the_published_dataset(size):
    task = OthelloTask(size)
    tokens = published(size)
    vocabulary = vocabulary_of(task)
    assert vocabulary.size == len(tokens) == size * size - 3
    assert [tokens[square] for square in task.squares] == list(vocabulary.inputs)
    assert vocabulary.outputs == vocabulary.inputs


def test_published_tokens_of_some_squares():
    """By the published tables of 8x8: 26 -> 27, 29 -> 28, 34 -> 33, 37 -> 34, 63 -> 60."""
    vocabulary, task = vocabulary_of(OthelloTask(8)), OthelloTask(8)
    known = {0: 1, 26: 27, 29: 28, 34: 33, 37: 34, 63: 60}
    assert {s: vocabulary.inputs[task.squares.index(s)] for s in known} == known


@pytest.mark.parametrize("size", [4, 6])
@pytest.mark.parametrize("name", ["mingpt", "transformer-lens"])
def test_logits_of_games_equal_those_of_the_layouts_own_definition(
    tmp_path, filled, read, name, size
):
    gelu = "exact" if name == "mingpt" else "tanh"
    model, task = filled(size, gelu=gelu)
    about = export_model(tmp_path / "out", model, task, layout=name)
    state, tokens = read(tmp_path / "out"), published(size)
    games = random_games(size, 2, seed=1)
    batch = task.tokens(games)[:, : task.sizes.max_len]
    with jax.enable_x64(True):
        got = np.asarray(forward(wide(model), batch))
    for game, logits in zip(games.moves, got, strict=True):
        row = np.array([tokens[s] for s in game[: task.sizes.max_len] if s >= 0])
        if name == "mingpt":
            theirs = mingpt.forward(state, row, about["arguments"]["n_head"])
        else:
            theirs = transformer_lens.forward(state, row, about["arguments"]["act_fn"])
        own = theirs[:, [tokens[square] for square in task.squares]]
        # Both are float64: 300 roundings on the way, which norms multiply by at most 30.
        limit = 300 * 30 * np.abs(own).max() * 2.0**-53
        np.testing.assert_allclose(logits[: len(row)], own, rtol=0, atol=limit)
        # The column of padding is rounded to float32 once: 60 terms at most.
        size_of_terms = np.abs(own).max() * 64 * 2.0**-24
        np.testing.assert_allclose(theirs[:, 0], own.mean(axis=1), rtol=0, atol=size_of_terms)
        shares = np.exp(theirs - theirs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        assert (shares[:, 0] < 1 / theirs.shape[1]).all()


def test_the_other_gelu_would_be_noticed(tmp_path, filled, read):
    model, task = filled(4, gelu="tanh")
    export_model(tmp_path / "out", model, task, layout="transformer-lens")
    state, row = read(tmp_path / "out"), np.arange(1, 12)
    one, other = (transformer_lens.forward(state, row, name) for name in ("gelu", "gelu_new"))
    assert np.abs(one - other).max() > 1e4 * 300 * 30 * np.abs(one).max() * 2.0**-53


@pytest.mark.parametrize("name", ["lengthwise", *LAYOUTS])
@pytest.mark.parametrize("size", [4, 6, 8])
def test_round_trip_is_bit_for_bit(tmp_path, filled, equal, name, size):
    model, task = filled(size)
    about = export_model(tmp_path / "out", model, task, layout=name, weights="EMA", seen=7)
    found = import_model(tmp_path / "out")
    assert equal(found.model, model)
    assert found[1:] == (task, "EMA", name, 7)
    assert json.loads((tmp_path / "out/config.json").read_text()) == about


@pytest.mark.parametrize(
    ("task", "config"),
    [
        (lw.SetComplement(5, True), lw.minimal_config(4, heads=2)),
        (
            OthelloTask(6, "pass"),
            lw.TransformerConfig(1, 2, 8, norm="post", positions=RotaryPositions(), tied=True),
        ),
    ],
)
def test_our_own_layout_holds_any_model(tmp_path, equal, getkey, task, config):
    model = config.build(task.sizes, key=getkey())
    export_model(tmp_path / "out", model, task)
    found = import_model(tmp_path / "out")
    assert equal(found.model, model)
    assert found.task == task
    assert found.seen == task.lengths()[-1]


def test_a_tied_model_with_a_begin_token(tmp_path, getkey, read):
    """Tokens as they are; the begin token, which is no output, gets the mean logit; tied no more."""
    task = lw.SetComplement(5, begin_token=True)
    config = lw.TransformerConfig(1, 2, 8, mlp_ratio=2, tied=True, positions=LearnedPositions(0.5))
    model = config.build(task.sizes, key=getkey())
    about = export_model(tmp_path / "out", model, task, layout="transformer-lens")
    assert about["arguments"]["d_vocab"] == 6
    assert about["arguments"]["d_mlp"] == 16
    row = np.array([5, 3, 1, 0])
    theirs = transformer_lens.forward(read(tmp_path / "out"), row, "gelu_new")
    with jax.enable_x64(True):
        ours = np.asarray(forward(wide(model), row[None]))[0]
    np.testing.assert_allclose(theirs[:, :5], ours, rtol=0, atol=1e-12)
    assert (theirs.argmax(axis=1) < 5).all()
    found: Any = import_model(tmp_path / "out").model
    np.testing.assert_array_equal(found.unembedding, np.asarray(model.embedding[:5]).T)


@pytest.mark.parametrize("name", ["lengthwise", *LAYOUTS])
def test_the_dtype_of_the_activations_comes_back(tmp_path, filled, equal, name):
    model, task = filled(activations="bfloat16")
    export_model(tmp_path / "out", model, task, layout=name)
    found = import_model(tmp_path / "out")
    assert found.model.config.activations == "bfloat16"
    assert equal(found.model, model)
    weights = (tmp_path / "out" / "weights.safetensors").rename(tmp_path / "w.safetensors")
    if name != "lengthwise":  # alone it says nothing of it
        alone: Any = import_model(weights, heads=2, gelu="exact").model
        assert alone.config.activations == "float32"


def test_files_that_say_nothing_need_a_word(tmp_path, filled, equal):
    """Of another tool's file: the board follows from the vocabulary, heads and GELU are given."""
    model, task = filled(6)
    needed: dict[str, Any] = {
        "mingpt": {"heads": 2},
        "transformer-lens": {"gelu": "exact"},
        "transformer-lens-4": {"heads": 2, "gelu": "exact"},
    }
    for name, options in needed.items():
        export_model(tmp_path / name, model, task, layout=name)
        file = tmp_path / f"{name}.safetensors"
        (tmp_path / name / "weights.safetensors").rename(file)
        found = import_model(file, **options)
        assert equal(found.model, model)
        assert found.task == task
        for left_out in options:
            rest = {key: value for key, value in options.items() if key != left_out}
            with pytest.raises(lw.InputError, match=f"`{left_out}` must be given"):
                import_model(file, **rest)
        # Their own arguments as `config.json` say the same.
        arguments = json.loads((tmp_path / name / "config.json").read_text())["arguments"]
        (tmp_path / name / "config.json").write_text(json.dumps(arguments))
        file.rename(tmp_path / name / "weights.safetensors")
        assert equal(import_model(tmp_path / name).model, model)


def test_masks_are_those_of_the_published_files(tmp_path, filled, read):
    model, task = filled(4)
    export_model(tmp_path / "out", model, task, layout="mingpt")
    state = read(tmp_path / "out")
    mask = state["blocks.1.attn.mask"]
    assert mask.shape == (1, 1, 11, 11)
    assert mask.dtype == np.float32
    assert [[mask[0, 0, i, j] == (j <= i) for j in range(11)] for i in range(11)] == [
        [True] * 11
    ] * 11
    assert state["tok_emb.weight"][0].tolist() == [0.0] * 8


def folded(state):
    """What `fold_ln` of TransformerLens does, in float64: norms without weights, a bias of the logits."""
    w = {name: np.asarray(array, np.float64) for name, array in state.items()}
    for name in [name for name in w if name.endswith(".W_Q")]:
        block = name[: -len(".attn.W_Q")]
        gain, shift = w.pop(f"{block}.ln1.w"), w.pop(f"{block}.ln1.b")
        for part in "QKV":
            matrix = w[f"{block}.attn.W_{part}"]
            w[f"{block}.attn.b_{part}"] += np.einsum("hdk,d->hk", matrix, shift)
            w[f"{block}.attn.W_{part}"] = matrix * gain[:, None]
        gain, shift = w.pop(f"{block}.ln2.w"), w.pop(f"{block}.ln2.b")
        w[f"{block}.mlp.b_in"] += shift @ w[f"{block}.mlp.W_in"]
        w[f"{block}.mlp.W_in"] *= gain[:, None]
    gain, shift = w.pop("ln_final.w"), w.pop("ln_final.b")
    w["unembed.b_U"] = w["unembed.b_U"] + shift @ w["unembed.W_U"]
    w["unembed.W_U"] = w["unembed.W_U"] * gain[:, None]
    return {name: array.astype(np.float32) for name, array in w.items()}


def test_folded_weights_are_read(tmp_path, filled, read):
    """As the OthelloGPT that is published for TransformerLens: LNPre, with a bias of the logits."""
    model, task = filled(4, width=16)
    export_model(tmp_path / "out", model, task, layout="transformer-lens")
    state = folded(read(tmp_path / "out"))
    state |= {
        "blocks.0.attn.IGNORE": np.array(-np.inf, np.float32),
        "blocks.0.attn.mask": np.ones((3, 3)),
    }
    safetensors.numpy.save_file(state, tmp_path / "folded.safetensors")
    found: Any = import_model(tmp_path / "folded.safetensors", gelu="exact").model
    row = np.arange(11, dtype=np.int32)
    theirs = transformer_lens.forward(state, row + 1, "gelu")[:, 1:]
    with jax.enable_x64(True):
        ours = np.asarray(forward(wide(found), row[None]))[0]
    # The shift is rounded to float32: a bias of at most 16 terms each off by half a unit.
    terms = np.abs(np.asarray(found.norm_final.shift)) @ np.abs(state["unembed.W_U"])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * terms.max() * 2.0**-24)
    assert np.abs(state["unembed.b_U"]).max() > 1
    state["unembed.W_U"] = state["unembed.W_U"][:, :1].repeat(13, axis=1)
    safetensors.numpy.save_file(state, tmp_path / "folded.safetensors")
    with pytest.raises(lw.InputError, match=r"unembed\.b_U"):
        import_model(tmp_path / "folded.safetensors", gelu="exact")
