"""The commands of every document: shell blocks parse, and so does each `lengthwise` command."""

import pathlib
import re
import shlex
import subprocess

import pytest


ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def blocks(*languages):
    """The blocks of all documents in these languages, `""` where none is named."""
    found = [(path.name, *block) for path in DOCUMENTS for block in FENCE.findall(path.read_text())]
    return [(name, block) for name, language, block in found if language in languages]


def commands():
    """Each line of a block that is a command of ours."""
    lines = [
        (name, line.removeprefix("srun "))
        for name, block in blocks("bash", "")
        for line in block.splitlines()
    ]
    return sorted({(name, line) for name, line in lines if line.startswith("lengthwise ")})


def mentions():
    """Each command of ours between backticks in a sentence; it may be a part of one."""
    spans = set()
    for path in DOCUMENTS:
        text = re.sub(r"\s*\n *", " ", FENCE.sub("", path.read_text()))
        spans |= {(path.name, span) for span in re.findall(r"`(lengthwise [^`]+)`", text)}
    return sorted(spans)


def test_shell_blocks_parse():
    found = blocks("bash")
    assert len(found) >= 7
    for _, block in found:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, (block, done.stderr)


MINE = """
import lengthwise as lw

class MyAttention(lw.Softmax):
    floor: float = 0.1

class NoRepeat(lw.SetComplement):
    vocab_size: int = 5
    max_len: int = 12

Nearby, Mean = MyAttention, lw.NoAverage
"""


@pytest.mark.parametrize(("document", "command"), commands())
def test_commands_are_ours(document, command, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)  # the reader's own, in documents
    monkeypatch.syspath_prepend(tmp_path)
    from lengthwise.cli._main import _parse

    _, *words = shlex.split(command, comments=True)
    _parse(words)


@pytest.mark.parametrize(("document", "command"), mentions())
def test_mentioned_commands_are_ours(document, command):
    from lengthwise.cli._main import COMMANDS, _parse
    from lengthwise.cli._parse import UsageError

    _, *words = shlex.split(command)
    if words[0] in COMMANDS and not words[1:]:
        return  # a command's name alone
    refusal = "Missing"
    try:
        _parse(words)
    except UsageError as error:
        refusal = str(error)
    assert refusal.startswith("Missing")  # nothing unknown, only not all of it


def test_both_kinds_are_found():
    assert {name for name, _ in commands()} >= {
        "README.md",
        "cluster.md",
        "othello.md",
        "interop.md",
    }
    assert len(commands()) >= 20
    assert len(mentions()) >= 10


def test_make_knows_the_targets():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        (path.name, name)
        for path in DOCUMENTS
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), flags=re.MULTILINE)
    }
    assert len(named) >= 10
    assert {name for _, name in named} <= targets, named
