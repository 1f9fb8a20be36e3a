"""What a record says of where it was made."""

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys

import lengthwise
from lengthwise._core import provenance


def test_a_package_without_metadata_costs_no_run(monkeypatch):
    known = importlib.metadata.version

    def version(name):
        if name == "lengthwise":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    versions = provenance()["versions"]
    assert versions["lengthwise"] is None
    assert versions["jax"] == known("jax")


def test_a_machine_without_git_costs_no_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    about = provenance()
    assert about["commit"] is None
    assert about["versions"]["jax"] == importlib.metadata.version("jax")


def test_a_copy_in_somebody_elses_repository_has_no_commit(tmp_path):
    """As in a `.venv` inside it: theirs is not ours."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    package = pathlib.Path(lengthwise.__file__).parent
    shutil.copytree(package, tmp_path / "lengthwise", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import lengthwise, lengthwise._core as c; print(lengthwise.__file__, c.provenance()['commit'])"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "lengthwise" / "__init__.py"), "None"]
