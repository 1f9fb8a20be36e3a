"""The examples of docs/interop.md run."""

import os
import pathlib
import re
import subprocess
import sys


DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/interop.md"


def test_examples_of_interop_run(tmp_path):
    text = DOCUMENT.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    command = [sys.executable, "-c", "\n".join(blocks)]
    # Unoptimized programs compile in half the time.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
