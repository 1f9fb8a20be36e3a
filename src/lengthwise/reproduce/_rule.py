"""The commit in which a claim's rule stands, and that it comes before the record."""

import pathlib
from collections.abc import Sequence

from .._core import InputError
from ._git import comes_before, newest_change
from ._load import Found
from ._record import Done


def rule_commit(path: pathlib.Path) -> str:
    """The newest commit that changed a claim's file.

    **Raises:** `InputError` if the file is not committed as it is: a rule comes before its record.
    """
    commit = newest_change(path)
    if commit is None:
        raise InputError(
            f"`{path}` must be committed before its record is made, but it is not: commit it, so that "
            "the record can name the commit of its rule."
        )
    return commit


def check_order(found: Found, commit: str, done: Sequence[Done]) -> None:
    """Refuse parts that were run before the rule was committed.

    **Raises:** `InputError` naming the first one.
    """
    for one in done:
        ran = one.about.get("claim_commit")
        if ran is None or not comes_before(found.path, commit, ran):
            raise InputError(
                f"{found.claim.name} {dict(one.part)} must be run after its rule was committed "
                f"({commit[:12]}), but it was run at ({(ran or 'no commit')[:12]}): run it again, by "
                "`--fresh` with another `--out`."
            )
