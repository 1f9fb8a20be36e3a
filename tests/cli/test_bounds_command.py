"""`lengthwise bounds`: the table, the JSON object, and the ranks of a trained model."""

import json

import pytest


TRAIN = [
    "train",
    "minimal",
    "--no-report",
    "--training.steps",
    "10",
    "--training.chunk-steps",
    "10",
]


def bounds(capsys, *words):
    from lengthwise.cli import main

    assert main(["bounds", *words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert max(len(line) for line in err.splitlines()) <= 96
    return json.loads(out), err


def test_floors_of_dimensions(capsys):
    values, text = bounds(capsys, "--vocab", "8", "--width", "7", "--value-dims", "3", "3")
    assert values["bounds"]["embedding"] == values["bounds"]["value_total"] == 7
    assert "d >= 7: enough" in text
    assert "sum d_v >= 7: too few" in text
    assert "none proved" in text
    floors = {(row["dimension"], row["quantity"]): row["floor"] for row in values["floors"]}
    assert floors["d", "tv"] == 0
    assert floors["d_v", "spread / m"] == 1 / 28
    assert values["checks"] == []


def test_one_below_by_default(capsys):
    values, text = bounds(capsys, "--vocab", "6")
    assert (values["width"], values["value_dims"]) == (4, [4])
    assert "d >= 5: too few" in text


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from lengthwise.cli import main

    directory = tmp_path_factory.mktemp("minimal") / "run"
    assert main([*TRAIN, "--training.evaluate-every", "0", "--out", str(directory)]) == 0
    return directory


def test_ranks_of_a_run(trained, capsys):
    capsys.readouterr()
    values, text = bounds(capsys, "--run", str(trained))
    assert [check["matrix"] for check in values["checks"]] == ["(B+D) P", "D P", "P D P"]
    assert all(check["holds"] for check in values["checks"])
    assert "sigma_(v-1)" in text


def test_a_model_that_the_theory_does_not_cover(finished, capsys):
    from lengthwise.cli import main

    assert main(["bounds", "--run", str(finished)]) == 2
    assert "A model that the theory covers" in capsys.readouterr().err
