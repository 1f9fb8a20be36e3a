import json

import pytest


@pytest.fixture(scope="session")
def tiny():
    from lengthwise.sweep import named_space

    return named_space("tiny")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, compiled):
    """An empty current directory, and compiled programs shared by these tests alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LENGTHWISE_CACHE", str(compiled))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return tmp_path


@pytest.fixture
def call(capsys):
    """Run a command; returns its JSON object."""

    def run(argv, code=0):
        from lengthwise.cli import main

        assert main([*argv, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run
