import json
import os
import pathlib

import pytest


SNAPSHOTS = pathlib.Path(__file__).parent.parent / "snapshots"


def change(space, path, law):
    """The tiny space's JSON with one more law."""
    data = json.loads(json.dumps(space.to_json()))
    data["laws"][path] = law
    return data


def law(name, **fields):
    return {"class": f"lengthwise.sweep:{name}", "fields": fields}


@pytest.mark.parametrize("name", ["default", "wide", "attention-only", "tiny"])
def test_json_round_trip(name):
    from lengthwise.sweep import SearchSpace, named_space

    space = named_space(name)
    again = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.digest == space.digest


def test_default_space_has_eight_shapes_and_reaches_its_fields():
    from lengthwise.sweep import default_space

    space = default_space()
    assert len(space.shapes()) == 8
    params = {"model.width": 256, "hparams.dropout": 0.2, "training.lengths.max_length": 4}
    experiment = space.experiment(params, seed=7)
    assert experiment.model.width == 256
    assert experiment.hparams.dropout == (0.2, 0.2, 0.2)
    assert experiment.training.lengths.build().max_length == 4
    assert experiment.seed == 7
    one = space.experiment({"hparams.dropout.attention": 0.1}, seed=0)
    assert one.hparams.dropout == (0.0, 0.1, 0.0)


@pytest.mark.parametrize(
    ("name", "path", "described"),
    [
        ("unknown_field", "model.widht", law("Choice", values=[4, 8])),
        ("empty_range", "hparams.clip_norm", law("Uniform", low=1.0, high=1.0)),
        ("log_of_zero", "hparams.epsilon", law("LogUniform", low=0.0, high=1.0)),
        ("nothing_to_choose", "model.layers", law("Choice", values=[])),
        ("heads", "model.heads", law("Choice", values=[2, 3])),
        ("static_without_choice", "model.layers", law("Uniform", low=1.0, high=2.0)),
        ("log_dropout", "hparams.dropout", law("LogUniform", low=0.1, high=0.2)),
        (
            "condition_later",
            "hparams.b1",
            law(
                "Conditional",
                on="hparams.b2",
                equals=0.9,
                then=law("Uniform", low=0.1, high=0.2),
                otherwise=0.9,
            ),
        ),
    ],
)
def test_refused(name, path, described, tiny, place, capsys):
    from lengthwise.cli import main

    (place / "space.json").write_text(json.dumps(change(tiny, path, described)))
    assert main(["sweep", "run", "space.json", "--dry-run"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    snapshot = SNAPSHOTS / f"sweep_{name}.txt"
    if os.environ.get("LENGTHWISE_UPDATE_SNAPSHOTS"):
        snapshot.write_text(line + "\n")
    assert snapshot.read_text() == line + "\n"


def test_dry_run_says_what_would_happen_and_writes_the_space(call, tiny):
    from lengthwise.sweep import read_space

    values = call(["sweep", "run", "tiny", "--dry-run", "--draws", "5", "--out", "plan"])
    assert (values["trials"], values["compilations"]) == (10, 4)
    assert values["shapes"] == [{"model.width": 4}, {"model.width": 8}]
    assert read_space(pathlib.Path("plan/space.json")) == tiny


def test_unreachable_database_and_missing_sweep(call, tiny):
    url = "sqlite:////nowhere/at/all/study.db"
    values = call(["sweep", "work", "--storage", url, "--study", "s"], 4)
    assert values["error"].startswith(f"The database `{url}` must be reachable")
    assert "sweep run" in call(["sweep", "status", "nowhere"], 4)["error"]
    values = call(["sweep", "run", "tiny", "--sampler", "TPESampelr"], 2)
    assert "`--sampler` must name a sampler" in values["error"]
    values = call(["sweep", "run", "tinny"], 2)
    assert "`SPACE` in (default, wide" in values["error"]


@pytest.mark.parametrize("text", ["[]", "{}", '{"base": 3, "laws": {}}'])
def test_a_file_without_a_space_is_refused(call, place, text):
    (place / "space.json").write_text(text)
    error = call(["sweep", "run", "space.json", "--dry-run"], 4)["error"]
    assert "`space.json` must hold a search space" in error
