"""Apply each named mutant to a copy of `src` and show that its tests fail: run.py [NAME...].

A mutant is an entry of `mutants.toml`: text of one source file that is replaced, and the tests that
must then fail. Exit status 0 only if every mutant is caught; a mutant whose text is no longer in
its file, or not once, is stale.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib


ROOT = pathlib.Path(__file__).resolve().parents[2]
MUTANTS = pathlib.Path(__file__).with_name("mutants.toml")
TESTS_FAILED = 1  # pytest's exit status; others mean that the tests did not run
TIMEOUT_S = 300


def main(names: list[str]) -> int:
    """Judge the named mutants, or all."""
    mutants = {m["name"]: m for m in tomllib.loads(MUTANTS.read_text())["mutant"]}
    unknown = sorted(set(names) - set(mutants))
    if unknown:
        print(f"Unknown mutants {unknown}: choose from {sorted(mutants)}.", file=sys.stderr)
        return 2
    chosen, verdicts = names or list(mutants), {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # pytest is another process
        judged = {pool.submit(judge, mutants[name]): name for name in chosen}
        for future in concurrent.futures.as_completed(judged):
            name = judged[future]
            verdicts[name] = future.result()
            print(f"{verdicts[name]:9} {mutants[name]['suite']:12} {name}", flush=True)
    caught = sum(verdict == "caught" for verdict in verdicts.values())
    print(f"{caught} of {len(verdicts)} caught")
    return int(caught < len(verdicts))


def judge(mutant: dict) -> str:
    """`caught` if every one of its tests fails, `survived` if one does not, `stale` or `broken`."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        source = pathlib.Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        file = source / mutant["file"]
        text = file.read_text() if file.exists() else ""
        if text.count(mutant["before"]) != 1 or mutant["before"] == mutant["after"]:
            return "stale"
        file.write_text(text.replace(mutant["before"], mutant["after"]))
        environment = _environment(source)
        if not _comes_from(source, environment):
            return "broken"  # another copy of the package would be tested
        for test in mutant["tests"]:
            status = _pytest(test, environment)
            if status != TESTS_FAILED:
                return "survived" if status == 0 else "broken"
    return "caught"


def _environment(source: pathlib.Path) -> dict[str, str]:
    # PYTHONPATH comes before the paths of an editable install. No bytecode is written or shared,
    # and no compiled program is read from a cache on disk.
    return os.environ | {
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(source / "pycache"),
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "CI": "1",
    }


def _comes_from(source: pathlib.Path, environment: dict[str, str]) -> bool:
    code = "import lengthwise; print(lengthwise.__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.startswith(str(source))


def _pytest(test: str, environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    try:
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return TESTS_FAILED  # a mutant that never ends is noticed too
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
