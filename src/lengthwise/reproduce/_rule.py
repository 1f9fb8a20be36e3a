"""The commit in which a claim's rule stands."""

import pathlib
import subprocess

from .._core import InputError


def rule_commit(path: pathlib.Path) -> str:
    """The newest commit that changed a claim's file.

    **Raises:** `InputError` if the file is not committed as it is: a rule comes before its record.
    """
    git = ["git", "-C", str(path.resolve().parent)]
    try:
        ask = lambda *words: subprocess.run(
            [*git, *words, "--", path.name], capture_output=True, text=True, check=True
        ).stdout.strip()
        commit, changed = ask("log", "-1", "--format=%H"), ask("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        commit, changed = "", ""
    if not commit or changed:
        raise InputError(
            f"`{path}` must be committed before its record is written, but it is not: commit it, so that "
            "the record can name the commit of its rule."
        )
    return commit
