import csv
import json
import pathlib

import pytest
from test_errors import refused


SOLVES = 'lengthwise.theory:Homogeneous {"vocab": 6, "attention_displacement": 9.0}'
FAILS = (
    'lengthwise.theory:Homogeneous {"vocab": 7, "attention_displacement": 6.0, '
    '"residual_displacement": -2.01}'
)


def main(argv):
    from lengthwise.cli import main

    return main(argv)


@pytest.mark.parametrize("method", ["exact", "fast"])
def test_a_construction(method, capsys):
    assert main(["certify", SOLVES, "--method", method, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["certified"] == 5
    assert values["horizon"] is None
    assert [row["length"] for row in values["lengths"]] == [1, 2, 3, 4, 5]
    assert all(row["margin"] > 0 for row in values["lengths"])


def test_what_is_refuted_is_shown_with_its_sequence(place, capsys):
    argv = ["certify", FAILS, "--out", "table.csv", "--figure", "figure.svg"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "Proved up to length 4" in out
    assert "Refuted at length 5 by the sequence" in out
    assert all(len(line) <= 80 for line in out.splitlines() if "Proved" not in line)
    rows = list(csv.DictReader(pathlib.Path("table.csv").read_text().splitlines()))
    assert rows[4]["verdict"] == "refuted"
    assert rows[4]["witness"] in out
    assert "<svg" in pathlib.Path("figure.svg").read_text()


def test_a_run(minimal_run, capsys):
    assert main(["certify", str(minimal_run), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert len(values["lengths"]) == 5
    average = next(iter(sorted((minimal_run / "weights").glob("EMA*.safetensors")))).stem
    argv = ["certify", str(minimal_run), "--weights", average, "--lengths", "2", "3", "--json"]
    assert main(argv) == 0
    assert [row["length"] for row in json.loads(capsys.readouterr().out)["lengths"]] == [2, 3]


@pytest.fixture(scope="session")
def minimal_run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("minimal") / "run"
    argv = ["train", "minimal", "--no-report", "--out", str(directory)]
    argv += ["--task.vocab-size", "6", "--training.steps", "40", "--training.chunk-steps", "20"]
    argv += ["--training.evaluate-every", "0", "--training.checkpoint-every", "0"]
    argv += ["--training.lengths", 'lengthwise.tasks:FixedLength {"max_length": 3}']
    argv += ["--model.width", "6"]
    assert main(argv) == 0
    return directory


def test_bad_input(run, minimal_run, capsys):
    refused(["certify", "nowhere"], "certify_nothing", 2, capsys)
    refused(["certify", "lengthwise.theory:Homogenous {}"], "certify_unknown", 2, capsys)
    refused(["certify", "lengthwise.training:BEMA"], "certify_other_class", 2, capsys)
    refused(["certify", "run"], "certify_model_not_covered", 2, capsys)
    refused(
        ["certify", 'lengthwise.theory:Homogeneous {"vocab": 5}', "--lengths", "5"],
        "certify_length",
        2,
        capsys,
    )
    refused(["certify", "run", "--weights", "EMA"], "certify_weights", 2, capsys)
