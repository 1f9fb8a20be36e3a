import pathlib
import subprocess
import sys

import pytest

from . import helpers


RENDER = """
import sys
import lengthwise.report as report
report.render(sys.argv[1:-1], sys.argv[-1])
assert "jax" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> pathlib.Path:
    return helpers.write_run(tmp_path_factory.mktemp("runs") / "<script>alert(1)<&$x_")


@pytest.fixture(scope="session")
def page(run, tmp_path_factory) -> pathlib.Path:
    """The page of `run`, made in a process of its own, which checks that JAX is not imported."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-W", "error", "-c", RENDER, str(run), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "index.html"
