"""Every bad input gets one sentence; the sentences are kept in tests/snapshots.

Write them anew with `LENGTHWISE_UPDATE_SNAPSHOTS=1 pytest tests/cli/test_errors.py`, and read them.
"""

import errno
import json
import os
import pathlib

import pytest


SNAPSHOTS = pathlib.Path(__file__).parent.parent / "snapshots"
TRAIN = ["train", "tiny", "--no-report"]
RESUME = ["train", "--no-report", "--resume", "run"]


def refused(argv, name, code, capsys):
    """The command must fail with this status, and with one line, that of the snapshot."""
    from lengthwise.cli import main

    assert main(argv) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("lengthwise: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    assert out == ""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("LENGTHWISE_UPDATE_SNAPSHOTS"):
        path.write_text(lines[0] + "\n")
    assert path.read_text() == lines[0] + "\n"


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("unknown_command", ["trian"]),
        ("unknown_preset", ["train", "mininal"]),
        ("preset_later", ["train", "--seed", "3", "minimal"]),
        ("unknown_option", [*TRAIN, "--training.stepz", "20"]),
        ("not_a_number", [*TRAIN, "--hparams.learning-rate", "fast"]),
        ("vocab_1", [*TRAIN, "--task.vocab-size", "1"]),
        ("length_not_below_vocab", [*TRAIN, "--task.vocab-size", "3"]),
        ("heads_do_not_divide_width", [*TRAIN, "--model.heads", "3"]),
        ("negative_rate", [*TRAIN, "--hparams.learning-rate", "-1"]),
        ("negative_dropout", [*TRAIN, "--hparams.dropout.attention", "-0.1"]),
        ("steps_not_whole_chunks", [*TRAIN, "--training.steps", "33"]),
        ("component_text", [*TRAIN, "--model.attention", "Softmax"]),
        ("component_of_other_kind", [*TRAIN, "--model.attention", "lengthwise.training:BEMA"]),
        ("own_class_missing", [*TRAIN, "--model", "mypkg.attn:MyAttention"]),
        ("own_class_of_no_use", [*TRAIN, "--model", "lengthwise.training:BEMA"]),
        ("own_task_of_no_use", [*TRAIN, "--task", "lengthwise.training:BEMA"]),
        ("averages_twice", [*TRAIN, "--hparams.averages", *["lengthwise.training:BEMA"] * 2]),
        ("resume_with_options", [*RESUME, "--seed", "3"]),
        ("seed_negative", [*TRAIN, "--seed", "-3"]),
        ("report_without_runs", ["report"]),
        ("bounds_vocab_1", ["bounds", "--vocab", "1"]),
        ("bounds_width_negative", ["bounds", "--vocab", "8", "--width", "-1"]),
        ("bounds_of_nothing", ["bounds"]),
        ("bounds_of_run_and_vocab", ["bounds", "--run", "run", "--vocab", "8"]),
    ],
)
def test_bad_options(name, argv, capsys, place):
    refused(argv, name, 2, capsys)
    assert not any(place.iterdir())


def test_run_directory_exists(run, capsys):
    before = (run / "record.json").read_bytes()
    refused([*TRAIN, "--out", "run"], "run_directory_exists", 2, capsys)
    assert (run / "record.json").read_bytes() == before


def test_no_run_there(capsys):
    refused(["train", "--resume", "nowhere"], "resume_no_run", 4, capsys)
    refused(["evaluate", "nowhere"], "evaluate_no_run", 4, capsys)
    refused(["report", "nowhere"], "report_no_run", 4, capsys)
    refused(["bounds", "--run", "nowhere"], "bounds_no_run", 4, capsys)


def test_checkpoint_of_another_config(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config["hparams"]["fields"]["learning_rate"] = 0.5
    (run / "config.json").write_text(json.dumps(config))
    refused(RESUME, "checkpoint_of_another_config", 2, capsys)


def test_truncated_files(run, capsys):
    weights = run / "weights" / "raw.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    refused(["evaluate", "run"], "truncated_weights", 4, capsys)
    config = run / "config.json"
    config.write_bytes(config.read_bytes()[:100])
    refused(["evaluate", "run"], "truncated_config", 4, capsys)


@pytest.mark.filterwarnings("default::lengthwise.training.DamagedCheckpoint")
def test_a_truncated_checkpoint_is_named_and_the_one_before_it_used(run, capsys):
    from lengthwise.cli import main

    newest = max((run / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:100])
    weights = (run / "weights" / "raw.safetensors").read_bytes()
    assert main(RESUME) == 0
    err = capsys.readouterr().err
    assert f"lengthwise: warning: `{newest}` is damaged" in err
    assert (run / "weights" / "raw.safetensors").read_bytes() == weights
    for checkpoint in (run / "checkpoints").glob("*.safetensors"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert main(RESUME) == 4
    assert "must hold a whole checkpoint" in capsys.readouterr().err


def test_class_of_a_run_is_missing(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config["model"]["fields"]["attention"]["class"] = "mypkg.attn:MyAttention"
    (run / "config.json").write_text(json.dumps(config))
    refused(["evaluate", "run"], "class_of_a_run_missing", 2, capsys)


def test_two_writers(run, capsys):
    from lengthwise._core import sole_writer

    with sole_writer(run):
        refused(RESUME, "two_writers", 4, capsys)


def test_weights_of_a_run_that_did_not_end(run, capsys):
    (run / "weights" / "raw.safetensors").unlink()
    refused(["evaluate", "run"], "weights_missing", 4, capsys)
    refused(["bounds", "--run", "run"], "weights_missing", 4, capsys)


def test_read_only_disk(place, monkeypatch, capsys):
    mkdir = os.mkdir

    def refuse(path, *args, **kwargs):
        if str(path).startswith("run"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", refuse)
    refused([*TRAIN, "--out", "run"], "read_only_disk", 4, capsys)
    assert not any(place.iterdir())


@pytest.mark.parametrize("room_for", [0, 8])
def test_full_disk(room_for, finished, place, monkeypatch, capsys):
    """After space is freed, the same command (if nothing was begun) or `--resume` loses nothing."""
    replace, written = os.replace, []

    def full(source, target):
        if "run/" in str(target):
            written.append(target)
            if len(written) > room_for:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        refused([*TRAIN, "--out", "run"], f"full_disk_{room_for}", 4, capsys)
    assert not list(place.rglob("*.tmp"))
    from lengthwise.cli import main

    assert main(RESUME if room_for else [*TRAIN, "--out", "run"]) == 0
    for path in ("weights/raw.safetensors", "weights/BEMA.safetensors", "metrics.jsonl"):
        assert (place / "run" / path).read_bytes() == (finished / path).read_bytes()
