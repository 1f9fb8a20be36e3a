"""`lengthwise reproduce` on claims without JAX: what is run, kept, judged, recorded and compared."""

import gzip
import json
import pathlib
import subprocess
import sys
import time

import pytest


CLAIM = """
import pathlib
from lengthwise.reproduce import Claim, Verdict

def run(part):
    log = pathlib.Path(__file__).with_name("log.txt")
    with log.open("a") as file:
        file.write(f"{part['n']}\\n")
    if part["n"] in BROKEN:
        raise RuntimeError("broken")
    return [{"value": part["n"] / 3 * SCALE, "n": part["n"]}]

def judge(rows):
    total = sum(row["value"] for row in rows)
    return Verdict("holds" if total > 1 else "undecided", f"the sum is {total:.3f}")

BROKEN, SCALE = (), 1
CLAIM = Claim(
    name="C1", title="Sums grow", paper="It says so.", rule="Holds above 1.", differs="All.",
    parts=lambda budget: [{"n": n} for n in range({"smoke": 1, "cpu": 4, "gpu": 9}[budget])],
    run=run, judge=judge, tolerance=1e-3,
)
"""


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """A folder `experiments` with one claim, below the current directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "experiments"
    folder.mkdir()
    (tmp_path / "docs").mkdir()
    (folder / "c1_sums.py").write_text(CLAIM)
    return folder


@pytest.fixture
def call(capsys):
    """Run the command; its exit status, JSON and text."""

    def run(*words, code=0):
        from lengthwise.cli import main
        from lengthwise.reproduce import load_claim

        load_claim.cache_clear()
        assert main(["reproduce", *words, "--json"]) == code
        said = capsys.readouterr()
        return json.loads(said.out), said.err

    return run


def ran(folder):
    """The parts that were run, in no order."""
    log = folder / "log.txt"
    return sorted(int(line) for line in log.read_text().split()) if log.exists() else []


def commit(folder):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "rule"], check=True)


def test_parts_are_run_once_and_judged(claims, call):
    values, text = call("c1", "--budget", "smoke")
    assert "smoke: no verdict" in text
    assert values["claims"]["C1"] == {"verdict": None, "parts": 1}
    values, text = call("all", "--budget", "cpu")
    assert ran(claims) == [0, 1, 2, 3]  # 0 was kept
    assert values["claims"]["C1"] == {
        "verdict": "holds", "title": "Sums grow", "parts": 4, "recorded": 0, "paper": "It says so.",
        "here": "the sum is 2.000", "rule": "Holds above 1.", "differs": "All.",
    }  # fmt: skip
    assert "C1  Sums grow: holds\n    paper    It says so.\n    here     the sum is 2.000\n" in text
    call("all", "--budget", "cpu")
    assert ran(claims) == [0, 1, 2, 3]
    path = claims / "c1_sums.py"
    path.write_text(path.read_text().replace("tolerance=1e-3", "tolerance=1e-3, version=2"))
    call("all", "--budget", "cpu")
    assert ran(claims) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_workers_end_with_a_command_that_is_killed(claims):
    said = '    if part["n"] in BROKEN:'
    late = "    import time; time.sleep(4)\n    log.with_name('late.txt').touch()\n"
    (claims / "c1_sums.py").write_text(CLAIM.replace(said, late + said))
    command = [sys.executable, "-c", "from lengthwise.cli import main; main()", "reproduce", "all"]
    command += ["--budget", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not ran(claims):
        time.sleep(0.1)
        assert process.poll() is None
    process.kill()
    process.wait()
    time.sleep(6)
    assert not (claims / "late.txt").exists()


def test_a_part_that_fails_is_named_and_the_others_are_kept(claims, call):
    path = claims / "c1_sums.py"
    path.write_text(CLAIM.replace("BROKEN, SCALE = (), 1", "BROKEN, SCALE = (2,), 1"))
    values, text = call("all", "--budget", "cpu", code=1)
    assert "{'n': 2}: RuntimeError('broken')" in text
    assert "verdict" not in values["claims"]["C1"]
    path.write_text(CLAIM)
    call("all", "--budget", "cpu")
    assert ran(claims) == [0, 1, 2, 2, 3]


def test_a_record_names_the_commit_of_its_rule_and_spares_the_work(claims, call):
    _, text = call("C1", "--budget", "cpu", "--record", code=2)
    assert "must be committed before its record is made" in text
    commit(claims.parent)
    call("C1", "--budget", "cpu", "--record")
    from lengthwise.reproduce import Record, read_record, write_record

    path = claims / "records/reproduce/c1_cpu.jsonl.gz"
    record = read_record(path)
    head = subprocess.run(
        ["git", "-C", str(claims), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert record.header["rule_commit"] == head
    assert record.header["rule"] == "Holds above 1."
    assert [row["n"] for row in record.rows] == [0, 1, 2, 3]
    before = path.read_bytes()
    write_record(path, record)
    assert path.read_bytes() == before
    assert len(ran(claims)) == 4
    call("C1", "--budget", "cpu", "--out", "elsewhere")  # as in a fresh clone
    assert len(ran(claims)) == 4
    call("C1", "--budget", "cpu", "--out", "elsewhere", "--fresh")
    assert len(ran(claims)) == 8
    call("C1", "--budget", "cpu", "--out", "elsewhere", "--fresh")  # so that it can be stopped
    assert len(ran(claims)) == 8
    call("C1", "--budget", "cpu", "--out", "another", "--fresh")
    assert len(ran(claims)) == 12
    source = (claims / "c1_sums.py").read_text()
    (claims / "c1_sums.py").write_text(source.replace("1e-3", "1e-3, version=2"))
    call("C1", "--budget", "cpu", "--out", "elsewhere")  # a part of another version is another part
    assert len(ran(claims)) == 16
    (claims / "c1_sums.py").write_text(source.replace("1e-3", "1e-3, config=lambda part: 2"))
    call("C1", "--budget", "cpu", "--out", "elsewhere")
    assert len(ran(claims)) == 20
    (claims / "c1_sums.py").write_text(source)
    values, text = call("--list")
    assert values["claims"] == [{"claim": "C1", "title": "Sums grow", "verdict": "holds"}]
    path.write_bytes(before[:-9])
    _, text = call("C1", "--budget", "cpu", code=4)
    assert "must hold a record, but it is damaged" in text
    for header in ([1], "x", {"schema": 1}):
        path.write_bytes(gzip.compress(json.dumps(header).encode()))
        _, text = call("C1", "--budget", "cpu", code=4)
        assert "must hold a record, but it is damaged" in text
    write_record(path, Record(record.header, record.done[:2]))
    call("C1", "--budget", "cpu", "--out", "elsewhere")  # which takes what there is
    for words in (["--results"], ["C1", "--verify", "1", "--budget", "cpu"]):
        _, text = call(*words, code=4)
        assert "must hold its 4 parts, but 2 are missing" in text
    (claims / "c2_other.py").write_text(CLAIM.replace('"C1"', '"C2"'))
    values, text = call("--list", code=4)
    assert [one["verdict"] for one in values["claims"]] == ["not readable", "no record"]


def test_a_rule_comes_before_its_record_and_stays(claims, call):
    call("C1", "--budget", "cpu")
    commit(claims.parent)
    _, text = call("C1", "--budget", "cpu", "--record", code=2)  # run before the rule was committed
    assert "must be run after its rule was committed" in text
    assert not (claims / "records").exists()
    call("C1", "--budget", "cpu", "--record", "--fresh", "--out", "again")
    source = claims / "c1_sums.py"
    source.write_text(CLAIM.replace("Holds above 1.", "Holds above 0."))
    _, text = call("C1", "--budget", "cpu", "--record", code=2)
    assert "must be committed before its record is made" in text


def test_verify_tells_equal_near_and_other_numbers(claims, call):
    commit(claims.parent)
    call("C1", "--budget", "cpu", "--record")
    path = claims / "c1_sums.py"
    values, text = call("C1", "--budget", "cpu", "--verify", "2")
    assert [part["differing"] for part in values["parts"]] == [0, 0]
    assert "2 of 2 parts are equal or within the tolerance" in text
    for scale, code, holds in ((1.0005, 0, True), (1.01, 5, False)):
        path.write_text(CLAIM.replace("BROKEN, SCALE = (), 1", f"BROKEN, SCALE = (), {scale}"))
        values, _ = call("C1", "--budget", "cpu", "--verify", "4", code=code)
        changed = [part for part in values["parts"] if part["differing"]]
        assert len(changed) == 3  # that of n = 0 is 0
        assert all(part["holds"] == holds for part in changed)
        assert max(part["largest"] for part in changed) == pytest.approx(scale - 1, rel=1e-6)


def test_results_are_written_from_the_record(claims, call):
    commit(claims.parent)
    call("C1", "--budget", "cpu", "--record")
    call("--results")
    page = pathlib.Path("docs/results.md").read_text()
    for words in ("[C1](#c1-sums-grow)", "**holds**", "the sum is 2.000", "Holds above 1.", "All."):
        assert words in page
    call("--results")
    assert pathlib.Path("docs/results.md").read_text() == page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["C7"], 2, "must be `all` or some of (C1), but got (C7)"),
        ([], 2, "must be `all` or some of (C1)"),
        (["all", "--workers", "0"], 2, "`workers >= 1` must hold"),
        (["all", "--verify", "0"], 2, "`verify >= 1` must hold"),
        (["all", "--verify", "1"], 2, "There must be a record at the budget smoke to verify"),
        (["all", "--verify", "1", "--seed", "-1"], 2, "`seed >= 0` must hold"),
        (["all", "--verify", "1", "--record"], 2, "One thing at a time"),
        (["all", "--record"], 2, "A record of the budget cpu or gpu must hold"),
        (["all", "--experiments", "nowhere"], 4, "must hold claims"),
    ],
)
def test_bad_input(claims, call, words, code, said):
    _, text = call(*words, code=code)
    assert said in text


def test_a_file_without_a_claim_is_refused(claims, call):
    (claims / "c2_empty.py").write_text("")
    _, text = call("all", code=2)
    assert "must define `CLAIM`" in text
    (claims / "c2_empty.py").write_text("import there_is_no_such_package")
    _, text = call("all", code=2)
    assert "c2_empty.py` must be a Python file that can be run" in text
    (claims / "c2_empty.py").write_text(CLAIM)
    _, text = call("all", code=2)
    assert "are both C1" in text
