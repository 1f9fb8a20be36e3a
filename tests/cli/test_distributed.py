"""`lengthwise train` in several processes."""

import json
import os
import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--processes", "2"], "add --coordinator and --process-index"),
        (["--coordinator", "h:1", "--processes", "2"], "add --process-index"),
        (["--distributed", "--process-index", "0"], "add --coordinator and --processes"),
    ],
)
def test_processes_that_are_not_all_named_are_refused(place, capsys, words, missing):
    from lengthwise.cli import main

    assert main(["train", "tiny", *words]) == 2
    assert missing in capsys.readouterr().err
    assert not any(place.iterdir())


def test_after_jax_was_used_it_is_too_late(place, capsys):
    import jax

    from lengthwise.cli import main

    assert jax.devices()
    assert main(["train", "tiny", "--distributed"]) == 2
    assert "has used JAX already: start each by a command of its own" in capsys.readouterr().err
    assert not any(place.iterdir())


def test_without_a_cluster_distributed_is_refused(place, capsys, monkeypatch):
    from lengthwise.cli import main

    # As in a process of its own: this one has used JAX for other tests.
    monkeypatch.setattr("jax._src.xla_bridge.backends_are_initialized", lambda: False)
    assert main(["train", "tiny", "--distributed"]) == 2
    assert "The processes of a run must find each other" in capsys.readouterr().err
    assert not any(place.iterdir())


@pytest.mark.slow
def test_two_processes_train_and_resume(tmp_path):
    """Each in a folder of its own, of which the second stays empty."""
    from lengthwise import read_run

    code = "import sys; from lengthwise.cli import main; sys.exit(main(sys.argv[1:]))"

    def both(*words):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-c", code, "train", *words, "--json"]
        command += ["--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process-index"]
        started = []
        for index in range(2):
            folder = tmp_path / str(index)
            folder.mkdir(exist_ok=True)
            started.append(
                subprocess.Popen(
                    [*command, str(index)], cwd=folder, env=os.environ | {"LENGTHWISE_CACHE": "off"},
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
        # Little is printed, and Gloo, which sums on CPUs, greets on stdout before.
        ended = [process.communicate(timeout=300) for process in started]
        codes = [process.returncode for process in started]
        return codes, [json.loads(out.splitlines()[-1]) for out, _ in ended], ended

    codes, values, ended = both("tiny")
    assert codes == [0, 0], ended
    assert [v["status"] for v in values] == ["completed", "completed"]
    run = tmp_path / "0" / values[0]["directory"]
    assert "in 2 processes" in read_run(run).record["device"]
    for path in [*run.glob("checkpoints/step-000000040.*"), run / "record.json"]:
        path.unlink()
    codes, _, ended = both("--resume", values[0]["directory"])
    assert codes == [0, 0], ended
    assert read_run(run).record["status"] == "completed"
    assert not any((tmp_path / "1").iterdir())
    # What process 0 refuses, as no run is there, process 1 refuses in the same words.
    codes, values, ended = both("--resume", "nowhere")
    assert codes == [4, 4], ended
    assert values[0]["error"] == values[1]["error"]
