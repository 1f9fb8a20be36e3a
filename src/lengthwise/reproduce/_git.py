"""What git says of a claim's file."""

import pathlib
import subprocess


def newest_change(path: pathlib.Path) -> str | None:
    """The newest commit that changed the file; None if it is not committed as it is."""
    return (
        None if _changed(path) else _git(path, "log", "-1", "--format=%H", "--", path.name) or None
    )


def stands_at(path: pathlib.Path) -> str | None:
    """The commit at which the file stands; None if it is not committed as it is."""
    return None if _changed(path) else _git(path, "rev-parse", "HEAD")


def comes_before(path: pathlib.Path, first: str, second: str) -> bool:
    """Whether the commit `first` is `second`, or before it."""
    return _git(path, "merge-base", "--is-ancestor", first, second) is not None


def _changed(path: pathlib.Path) -> bool:
    return _git(path, "status", "--porcelain", "--", path.name) != ""


def _git(path: pathlib.Path, *words: str) -> str | None:
    """What git says in the folder of `path`; None where it fails or is not there."""
    command = ["git", "-C", str(path.resolve().parent), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
