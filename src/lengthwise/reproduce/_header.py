"""A claim from the header of its file, which says in words what its functions do. No JAX."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core import InputError, require
from ._claim import BUDGETS, Claim, Part, Row, Verdict


TEXTS = ("paper", "rule", "differs")
"""What a header says in paragraphs that begin with "Paper:", "Rule:" and "Differs:"."""


def claim_of(
    header: str | None,
    parts: Mapping[str, Sequence[Part]],
    run: Callable[[Part], list[Row]],
    judge: Callable[[list[Row]], Verdict],
    **options: Any,
) -> Claim:
    """The claim of a file, its texts read from the file's docstring.

    **Arguments:**

    - `header`: `__doc__`. Its first line is the name and the title, as in "C1. Bounds are tight"; one
      paragraph each is for `paper`, `rule` and `differs` of `Claim`. What else it says, such as the
      command, its time and the numbers to expect, is for the reader.
    - `parts`: of each budget of `BUDGETS`.
    - `run`, `judge`, and `options` by name: as of `Claim`.

    **Raises:** `InputError` if the header lacks one of these, or there are other budgets.

    **Example:** `CLAIM = claim_of(__doc__, PARTS, run, judge, tolerance=0.2)`
    """
    require(
        set(parts) == set(BUDGETS),
        "Parts for each budget",
        f"name those of {', '.join(BUDGETS)}",
        budgets=list(parts),
    )
    of = lambda budget: list(parts[budget])
    return Claim(**read_header(header or ""), parts=of, run=run, judge=judge, **options)


def read_header(header: str) -> dict[str, str]:
    """`name`, `title`, `paper`, `rule` and `differs` of a header, without its line breaks."""
    first, *others = inspect.cleandoc(header).split("\n\n")
    name, _, title = first.partition(". ")
    found = {"name": name, "title": title}
    for paragraph in others:
        kind, _, text = paragraph.strip().partition(": ")
        if kind.lower() in TEXTS:
            require(
                kind.lower() not in found,
                f"One paragraph of the header for `{kind}:`",
                "join them",
                first=found.get(kind.lower()),
                second=text,
            )
            found[kind.lower()] = " ".join(text.split())
    missing = [text for text in ("title", *TEXTS) if not found.get(text)]
    if missing:
        raise InputError(
            f"A claim's file must begin with its name and title, and have a paragraph each for "
            f"({', '.join(name.capitalize() for name in TEXTS)}), but got (missing={missing}): write them "
            "into its docstring, such as `Rule: The claim holds if ...`."
        )
    return found
