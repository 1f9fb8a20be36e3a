"""`lengthwise export` and `lengthwise import`, from a run to a run."""

import json
import pathlib

import numpy as np
import pytest
import safetensors.numpy


TINY = ["--examples", "16", "--batch-size", "16", "--exhaustive-inputs", "16"]
TRAIN = [
    *("train", "tiny", "--task", "lengthwise.tasks:OthelloConfig", "--task.size", "4"),
    *("--model.norm", "pre", "--model.gelu", "exact"),
    *("--model.positions", 'lengthwise.models:LearnedPositions {"scale": 0.0}'),
    *(
        "--training.steps",
        "10",
        "--training.evaluate-every",
        "0",
        "--training.checkpoint-every",
        "0",
    ),
    *("--hparams.averages", 'lengthwise.training:EMA {"decay": 0.9}', "--no-report"),
]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A small run of Othello in the shape of minGPT."""
    from lengthwise.cli import main

    directory = tmp_path_factory.mktemp("othello") / "run"
    assert (
        main(
            [
                *TRAIN,
                *(f"--training.evaluation.{x[2:]}" if x[0] == "-" else x for x in TINY),
                "--out",
                str(directory),
            ]
        )
        == 0
    )
    return directory


def call(argv, capsys, code=0):
    from lengthwise.cli import main

    capsys.readouterr()
    assert main([str(word) for word in [*argv, "--json"]]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("layout", ["lengthwise", "mingpt", "transformer-lens"])
def test_from_run_to_run(trained, place, capsys, layout):
    words = ["export", trained, "--weights", "EMA_decay0.9", "--layout", layout, "--out", "out"]
    values = call(words, capsys)
    assert values["weights_file"] == "out/weights.safetensors"
    assert sorted(path.name for path in pathlib.Path("out").iterdir()) == [
        "config.json",
        "weights.safetensors",
    ]
    assert values["seen"] == 3
    values = call(["import", "out", "--out", "again", *TINY], capsys)
    assert values["directory"] == "again"
    [row] = values["summary"]
    wanted = (trained / "weights/EMA_decay0.9.safetensors").read_bytes()
    assert pathlib.Path("again/weights/raw.safetensors").read_bytes() == wanted
    # The same examples, drawn from the same seed.
    [known] = [
        row
        for row in json.loads((trained / "record.json").read_text())["summary"]
        if row["weights"] == "EMA_decay0.9"
    ]
    columns = ("itr_at_T", "itr_at_longest", "itr_unseen", "tv_unseen")
    assert [row[name] for name in columns] == [known[name] for name in columns]
    assert call(["evaluate", "again", *TINY], capsys)["summary"] == values["summary"]
    # A run of no steps that is resumed keeps its weights.
    assert call(["train", "--resume", "again", "--no-report"], capsys)["steps"] == 0
    assert pathlib.Path("again/weights/raw.safetensors").read_bytes() == wanted
    assert not list(place.glob(".*"))


def test_a_file_alone(trained, place, capsys):
    call(["export", trained, "--layout", "mingpt", "--out", "out"], capsys)
    file = pathlib.Path("out/weights.safetensors")
    words = ["import", file, "--out", "again", *TINY]
    assert "`heads` must be given" in call(words, capsys, code=2)["error"]
    assert not pathlib.Path("again").exists()
    record = call([*words, "--heads", "2"], capsys)
    assert record["summary"][0]["itr_unseen"] is None  # it may have seen all lengths
    config = json.loads(pathlib.Path("again/config.json").read_text())
    assert config["task"]["fields"]["size"] == 4
    assert config["training"]["fields"]["lengths"]["fields"] == {"max_length": 11}


def test_refusals_are_one_sentence(trained, place, capsys):
    words = ["export", trained, "--out", "out", "--weights", "EMA"]
    assert "`weights`" in call(words, capsys, code=2)["error"]
    call(["export", trained, "--out", "out"], capsys)
    assert (
        "must be a new directory" in call(["export", trained, "--out", "out"], capsys, 2)["error"]
    )
    task = 'lengthwise.tasks:FixedLength {"max_length": 3}'
    words = ["import", "out", "--out", "again", "--task", task]
    assert "`--task`" in call(words, capsys, code=2)["error"]
    call(["import", "nowhere.safetensors", "--out", "again"], capsys, code=4)
    file = pathlib.Path("out/weights.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    assert "damaged" in call(["import", "out", "--out", "again"], capsys, code=4)["error"]
    assert sorted(path.name for path in place.iterdir()) == ["out"]


def test_another_task_by_name(place, capsys, getkey):
    import lengthwise as lw
    from lengthwise.interop import export_model
    from lengthwise.models import LearnedPositions

    task = lw.SetComplement(5)
    config = lw.TransformerConfig(1, 2, 8, positions=LearnedPositions())
    export_model("out", config.build(task.sizes, key=getkey()), task, layout="transformer-lens")
    file = pathlib.Path("out/weights.safetensors")
    assert np.shape(safetensors.numpy.load_file(file)["embed.W_E"]) == (5, 8)
    words = ["import", file, "--out", "again", "--gelu", "tanh", "--seen", "2", *TINY]
    task_words = ["--task", 'lengthwise.tasks:SetComplementConfig {"vocab_size": 5}']
    assert "13, 33, 61" in call(words, capsys, code=2)["error"]
    call([*words, *task_words], capsys)
    assert json.loads(pathlib.Path("again/record.json").read_text())["seen"] == 2
