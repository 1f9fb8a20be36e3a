import pathlib
import re
import sys
import tomllib

import pytest


ROOT = pathlib.Path(__file__).parents[2]


def test_the_page_on_installing_names_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs/install.md").read_text()
    [table] = re.findall(r"^\| extra \|.*?\n\n", page, flags=re.DOTALL | re.MULTILINE)
    first = [line.split("|")[1] for line in table.strip().splitlines()[2:]]
    named = [name for cell in first for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(project["optional-dependencies"])


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["work", "--storage", "sqlite:///x", "--study", "x"],
        ["status", "x"],
        ["replicate", "x"],
    ],
)
def test_a_sweep_without_optuna_names_its_extra(words, place, capsys, monkeypatch):
    from lengthwise.cli import main

    for name in ("optuna", "lengthwise.sweep._study", "lengthwise.sweep._work"):
        monkeypatch.setitem(
            sys.modules, name, None
        )  # as if it were not installed, nor imported yet
    assert main(["sweep", *words]) == 2
    refusal = capsys.readouterr().err
    assert "`pip install 'lengthwise[sweep]'`" in refusal
    assert refusal.count("\n") == 1
    assert list(place.iterdir()) == []
