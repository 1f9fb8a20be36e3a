import json

import pytest


@pytest.fixture(scope="session")
def tiny():
    from lengthwise.sweep import named_space

    return named_space("tiny")


@pytest.fixture(autouse=True)
def _here(place):
    """Every test of this folder runs in an empty directory."""


@pytest.fixture
def call(capsys):
    """Run a command; returns its JSON object."""

    def run(argv, code=0):
        from lengthwise.cli import main

        assert main([*argv, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run
