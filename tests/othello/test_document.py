"""The examples of docs/othello.md run."""

import os
import pathlib
import re
import subprocess
import sys


DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/othello.md"


def test_examples_run(tmp_path):
    blocks = re.findall(
        r"^```python\n(.*?)^```", DOCUMENT.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    assert len(blocks) >= 4
    command = [sys.executable, "-c", "\n".join(blocks)]
    # Unoptimized programs compile in half the time.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_room_imports_no_jax():
    code = (
        "import sys, lengthwise.othello as room; [getattr(room, name) for name in room.__all__];"
        "room.random_games(4, 1, seed=0); assert not {'jax', 'equinox'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
