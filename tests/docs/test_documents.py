"""Every Python block of the README and the docs runs, and the tutorial notebook executes."""

import copy
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient


ROOT = pathlib.Path(__file__).parents[2]


def blocks(path):
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), flags=re.DOTALL | re.MULTILINE)


# Rooms whose own tests run the blocks of their document.
ELSEWHERE = {
    "docs/othello.md": "tests/othello/test_document.py",
    "docs/interop.md": "tests/interop/test_interop_document.py",
}
WITH_BLOCKS = [
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
    if blocks(path)
]


@pytest.mark.parametrize("name", sorted(set(WITH_BLOCKS) - set(ELSEWHERE)))
def test_python_blocks_run(tmp_path, name):
    # In a process of its own, as a user's script: their classes live in an importable module.
    code = "\n".join(blocks(ROOT / name))
    (tmp_path / "blocks.py").write_text(code)
    # Pytest runs the blocks as it imports them, and then the suites that they show.
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if "import pytest" in code else []
    # Unoptimized programs compile in half the time.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, *runner, "blocks.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_document_is_forgotten():
    assert {"README.md", "docs/extending.md", "docs/theory.md", *ELSEWHERE} <= set(WITH_BLOCKS)
    for name, test in ELSEWHERE.items():
        assert name in (ROOT / test).read_text()


def test_what_the_theory_names_exists():
    """Every function, file and test that docs/theory.md names."""
    import lengthwise.evaluation
    import lengthwise.report
    import lengthwise.testing
    import lengthwise.theory

    text = (ROOT / "docs/theory.md").read_text()
    names = set(re.findall(r"`([\w.]+)`", re.sub(r"\n *", " ", text)))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    rooms = [lengthwise.theory, lengthwise.testing, lengthwise.evaluation, lengthwise.report]
    assert len(names) > 60
    for name in sorted(names):
        known = (
            any((ROOT / folder / name).exists() for folder in ("src/lengthwise/theory", "."))
            or f"def {name}(" in tests
            or any(path.name == name for path in (ROOT / "tests").rglob("test_*.py"))
            or any(hasattr(room, name.split(".")[-1]) for room in rooms)
            or (
                hasattr(lengthwise.theory, name.split(".")[0])
                and hasattr(getattr(lengthwise.theory, name.split(".")[0]), name.split(".")[-1])
            )
        )
        assert known or name in {"lengthwise.theory"}, name


def test_class_examples_have_about_twenty_lines():
    for block in blocks(ROOT / "docs/extending.md")[:3]:
        found = re.search(r"^class .*?(?=^\S)", block, flags=re.DOTALL | re.MULTILINE)
        assert found
        assert len([line for line in found.group().splitlines() if line.strip()]) <= 25


@pytest.mark.filterwarnings("default")  # of Jupyter's own packages
def test_tutorial_executes():
    stored = nbformat.read(ROOT / "docs/tutorial.ipynb", as_version=4)
    notebook = copy.deepcopy(stored)
    resources = {"metadata": {"path": str(ROOT / "docs")}}  # it reads ../experiments
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", coalesce_streams=True, resources=resources
    ).execute()
    shown = [[kinds(output) for output in cell.get("outputs", [])] for cell in notebook.cells]
    assert {"text/html", "image/png"} <= {kind for cell in shown for of in cell for kind in of}
    # The outputs that are stored, which the page and code hosts show, are of the same blocks.
    assert [len(cell.get("outputs", [])) for cell in stored.cells] == [len(cell) for cell in shown]
    assert all(
        kinds(output) <= found
        for cell, of in zip(stored.cells, shown, strict=True)
        for output, found in zip(cell.get("outputs", []), of, strict=True)
    )
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # from one run, top to bottom


def kinds(output):
    return set(output.get("data", {output.output_type: None}))


def test_named_experiments_exist():
    """In the README, the pages and the sources; the site's build looks at its own pages alone."""
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    texts += (ROOT / "src").rglob("*.py")
    named = {
        name for path in texts for name in re.findall(r"experiments/(\w+)\.py", path.read_text())
    }
    assert named
    assert not [name for name in named if not (ROOT / f"experiments/{name}.py").is_file()]


COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def test_verdicts_in_sentences_are_those_of_the_records():
    """The README counts and names them, and docs/terms.md gives the reason of each undecided one."""
    results = (ROOT / "docs/results.md").read_text()
    found = re.findall(r"^\| \[(C\d+)\].*?\| \*\*(.+?)\*\* \|", results, flags=re.MULTILINE)
    assert len(found) >= 10
    groups = {verdict: {name for name, its in found if its == verdict} for _, verdict in found}
    readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
    counted = re.findall(r"(\w+) (hold|does not hold|are undecided) \(([C\d, ]+)\)", readme)
    assert len(counted) == len(groups)
    for count, verb, names in counted:
        verdict = {"hold": "holds", "are undecided": "undecided"}.get(verb, verb)
        assert set(names.split(", ")) == groups[verdict]
        assert COUNTS.index(count) == len(groups[verdict])
    headings = re.findall(r"\((C[C\d, ]*) (holds?|undecided)\)", readme)
    assert len(headings) >= 3
    for names, verb in headings:
        assert set(names.split(", ")) <= groups["undecided" if verb == "undecided" else "holds"]
    reasons = re.findall(r"^- (C\d+):", (ROOT / "docs/terms.md").read_text(), flags=re.MULTILINE)
    assert set(reasons) == groups["undecided"]
