import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["train", "tiny", "--help"]])
def test_help_imports_no_jax(words):
    code = (
        "import sys; from lengthwise.cli import main; status = main(sys.argv[1:]);"
        "heavy = {'jax', 'equinox', 'numpy', 'matplotlib', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert done.stdout.startswith("usage: lengthwise")
    assert done.stderr == ""


def test_help_says_what_there_is(capsys):
    from lengthwise.cli import main

    assert main([]) == main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in ("demo", "train", "evaluate", "report", "Exit codes", "130"):
        assert word in text
    assert main(["train", "minimal", "--help"]) == 0
    text = capsys.readouterr().out
    assert '{"max_length": 2}' in text
    for word in ("--model MODULE:CLASS", "--task MODULE:CLASS", "--hparams.dropout.attention"):
        assert word in text
    assert "{None}|FLOAT" in text


def test_every_line_fits_80_columns(capsys):
    from lengthwise.cli import main

    for words in (["--help"], ["train", "--help"], ["evaluate", "--help"], ["demo", "--help"]):
        main(words)
        assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_python_m_lengthwise_is_the_command():
    words = [sys.executable, "-m", "lengthwise", "no-such-command"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "(no-such-command)" in done.stderr
    assert "lengthwise" in done.stderr
