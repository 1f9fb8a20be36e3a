"""What `make dist` built: whole, alike, and of use in an empty environment, far from a clone."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass

import pytest


pytestmark = pytest.mark.dist

ROOT = pathlib.Path(__file__).parents[2]
PINNED = ["-c", str(ROOT / "constraints.txt"), "--build-constraint", str(ROOT / "constraints.txt")]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
# Settings of the one who tests, under which the installed package might find the clone or its programs.
OURS = ("PYTHON", "VIRTUAL_ENV", "JAX_", "LENGTHWISE_", "COVERAGE_")


@dataclass(frozen=True)
class Installed:
    """An environment that holds the package and what it needs, and an unrelated directory to work in."""

    bin: pathlib.Path
    place: pathlib.Path
    cache: pathlib.Path  # of compiled programs: both environments hold the same package

    def call(self, *words, code=0):
        """What a command prints, on both streams."""
        command, *rest = map(str, words)
        settings = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        settings |= {"LENGTHWISE_CACHE": str(self.cache), "COLUMNS": "80"}
        done = subprocess.run(
            [self.bin / command, *rest],
            cwd=self.place, env=settings, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def built(pattern):
    found = list((ROOT / "dist").glob(pattern))
    assert len(found) == 1, f"dist/{pattern} must be one file, but got {found}: run `make dist`."
    return found[0]


@pytest.fixture(scope="module")
def wheel():
    return built("*.whl")


@pytest.fixture(scope="module")
def sdist():
    return built("*.tar.gz")


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    """The folder that the sdist unpacks to, outside of any clone."""
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    [folder] = place.iterdir()
    return folder


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def installed(request, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    python = place / "venv/bin/python"
    package = request.getfixturevalue(request.param)
    install = [*PIP, "--python", python, "install", "--no-compile", *PINNED, package]
    subprocess.run(install, check=True)  # most of what it would compile is never imported
    (place / "elsewhere").mkdir()
    cache = tmp_path_factory.getbasetemp() / "compiled"
    return Installed(place / "venv/bin", place / "elsewhere", cache)


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def differing(one, other):
    """The names that only one of two holds, or that they hold with other bytes; short where it fails."""
    return sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel):
    held = contents(wheel)
    about = {name: held.pop(name) for name in list(held) if ".dist-info/" in name}
    package = {f"lengthwise/{n}": data for n, data in files(ROOT / "src/lengthwise").items()}
    assert differing(held, package) == []
    [license_file] = [name for name in about if name.endswith("/licenses/LICENSE")]
    assert about[license_file] == (ROOT / "LICENSE").read_bytes()


def test_the_metadata_are_those_of_the_project(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [name] = [name for name in contents(wheel) if name.endswith(".dist-info/METADATA")]
    header, _, description = contents(wheel)[name].decode().partition("\n\n")
    assert description == (ROOT / "README.md").read_text()
    fields = [line.partition(": ")[::2] for line in header.splitlines()]
    of = {key: {value for k, value in fields if k == key} for key, _ in fields}
    assert of["Provides-Extra"] == set(project["optional-dependencies"])
    assert of["Requires-Python"] == {project["requires-python"]}
    assert of["Classifier"] == set(project["classifiers"])
    needed = {value for value in of["Requires-Dist"] if "extra ==" not in value}
    assert needed == set(project["dependencies"])


def test_the_sdist_holds_what_a_clone_does(unpacked):
    """All that git does not ignore, less what makes it a clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("git must know the files, but this is not a clone of the repository")
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = {name for name in listed.split("\0") if name and not name.startswith(".")}
    assert {"Makefile", "constraints.txt", "docs/install.md", "mkdocs.yml"} < known
    held = files(unpacked)
    assert {held.pop(".gitignore"), held.pop("PKG-INFO")}
    assert differing(held, {name: (ROOT / name).read_bytes() for name in known}) == []


def test_the_sdist_builds_the_same_wheel(wheel, sdist, tmp_path):
    subprocess.run([*PIP, "wheel", "--no-deps", *PINNED, "-w", tmp_path, sdist], check=True)
    [again] = tmp_path.glob("*.whl")
    assert again.name == wheel.name
    assert differing(contents(again), contents(wheel)) == []


def test_every_extra_resolves_with_the_pinned_versions(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = f"{wheel}[{','.join(project['optional-dependencies'])}]"
    subprocess.run([*PIP, "install", "--dry-run", *PINNED, everything], check=True)


def test_it_is_the_installed_package_that_is_imported(installed):
    where = installed.call("python", "-c", "import lengthwise; print(lengthwise.__file__)")
    assert pathlib.Path(where.strip()).is_relative_to(installed.bin.parent / "lib")


def test_what_is_required_is_there(installed):
    """Every name of every room but `testing` and `sweep`, whose extras are not installed, is found."""
    code = (
        "import importlib, pkgutil, lengthwise as lw;"
        "rooms = {m.name for m in pkgutil.iter_modules(lw.__path__) if m.name[0] != '_'};"
        "rooms -= {'testing', 'sweep'};"
        "rooms = [importlib.import_module('lengthwise.' + name) for name in sorted(rooms)];"
        "print(sum(getattr(r, n) is not None for r in [lw, *rooms] for n in dir(r)))"
    )
    assert int(installed.call("python", "-c", code)) > 200
    subprocess.run([*PIP, "--python", installed.bin / "python", "check"], check=True)


def test_the_demo_trains_and_makes_its_page(installed):
    assert installed.call("lengthwise", "--help").startswith("usage: lengthwise")
    printed = installed.call("lengthwise", "demo")
    [run] = (installed.place / "runs").iterdir()
    assert f"report  runs/{run.name}/report/index.html" in printed
    assert json.loads((run / "record.json").read_text())["status"] == "completed"
    assert json.loads((run / "record.json").read_text())["commit"] is None
    page = (run / "report/index.html").read_text()
    [style] = (installed.bin.parent / "lib").glob(
        "*/site-packages/lengthwise/report/templates/*.css"
    )
    assert style.read_text().strip() in page
    assert "</svg>" in (run / "report/figures/itr.svg").read_text()
    assert "</svg>" in page


def test_a_sweep_says_which_extra_it_needs(installed):
    refusal = installed.call("lengthwise", "sweep", "run", "--draws", "1", code=2)
    assert "`pip install 'lengthwise[sweep]'`" in refusal
    assert refusal.count("\n") == 1


def test_claims_are_not_in_it_and_it_says_where_they_are(installed):
    refusal = installed.call("lengthwise", "reproduce", "--list", code=4)
    assert refusal.count("\n") == 1
    assert "clone of the repository" in refusal
    assert "`--experiments`" in refusal


def test_the_claims_of_the_sdist_run_without_git(installed, unpacked):
    folder = unpacked / "experiments"
    listed = installed.call("lengthwise", "reproduce", "--list", "--experiments", folder)
    names = [line.split()[0].lower() for line in listed.splitlines()]
    assert sorted(names) == sorted(path.name.split("_")[0] for path in folder.glob("c[0-9]*.py"))
    smoke = ["C1", "--budget", "smoke", "--experiments", folder]
    assert "C1  smoke: no verdict" in installed.call("lengthwise", "reproduce", *smoke)
    record = ["C1", "--budget", "cpu", "--record", "--experiments", folder]
    refusal = installed.call("lengthwise", "reproduce", *record, code=2)
    assert "must be committed before its record is made" in refusal
    assert "Traceback" not in refusal
