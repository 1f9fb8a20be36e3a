"""The shell blocks of docs/cluster.md parse, and so does every `lengthwise` command in them."""

import pathlib
import re
import shlex
import subprocess


PAGE = pathlib.Path(__file__).parents[2] / "docs/cluster.md"


def blocks():
    return re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)


def test_shell_blocks_parse():
    found = blocks()
    assert len(found) == 7
    for block in found:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, (block, done.stderr)


def test_commands_are_ours():
    from lengthwise.cli._main import _parse

    lines = [line for block in blocks() for line in block.splitlines()]
    commands = [line.removeprefix("srun ") for line in lines]
    commands = [command for command in commands if command.startswith("lengthwise ")]
    assert len(commands) == 5
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "lengthwise"
        _parse(words)
