import pathlib
import shutil

import pytest


@pytest.fixture(autouse=True)
def _here(place):
    """Every test of this folder runs in an empty directory."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A completed run of the preset `tiny`."""
    from lengthwise.cli import main

    directory = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", "tiny", "--no-report", "--out", str(directory)]) == 0
    return directory


@pytest.fixture
def run(finished, place) -> pathlib.Path:
    """A copy of it, to damage."""
    return pathlib.Path(shutil.copytree(finished, place / "run")).relative_to(place)


@pytest.fixture
def page(monkeypatch):
    """Calls of the report, which is tested elsewhere and takes seconds."""
    calls = []

    def make_report(runs, out):
        calls.append(([str(run) for run in runs], str(out)))
        return out / "index.html"

    monkeypatch.setattr("lengthwise.cli._show.make_report", make_report)
    return calls
