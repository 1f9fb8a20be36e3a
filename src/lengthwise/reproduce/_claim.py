"""A claim of the paper as data: what is run for it, and the rule that judges it. No JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._core import require


if TYPE_CHECKING:
    from matplotlib.figure import Figure

Budget = Literal["smoke", "cpu", "gpu"]
"""How much a reproduction may cost, see `BUDGETS`."""
BUDGETS: tuple[Budget, ...] = ("smoke", "cpu", "gpu")
"""Minutes for all and no verdict; at most 100 minutes on 2 cores; more seeds, or larger models."""
Part = Mapping[str, Any]
"""One piece of a claim's work: JSON values, such as a seed and the name of a variant."""
Row = dict[str, Any]
"""One line of what a part finds."""


@dataclass(frozen=True)
class Verdict:
    """What a rule says of the rows.

    - `verdict`: whether the claim holds here.
    - `text`: a sentence with the effect, its interval and the number of seeds.
    - `headline`: its main number in a few words, for a table; the whole text if there is none.
    """

    verdict: Literal["holds", "does not hold", "undecided"]
    text: str
    headline: str = ""


def decide(text: str, *, headline: str = "", holds: bool, refuted: bool) -> Verdict:
    """What a rule of two conditions says: undecided where neither is met.

    **Arguments:**

    - `text`, `headline`: as of `Verdict`.
    - `holds`, `refuted`: when the claim holds, and when it does not. (Keyword only arguments.)

    **Raises:** `InputError` if both are met.
    """
    require(
        not (holds and refuted),
        "A rule by which a claim holds, or does not, or neither",
        "write conditions that exclude each other",
        holds=holds,
        refuted=refuted,
    )
    verdict = "holds" if holds else "does not hold" if refuted else "undecided"
    return Verdict(verdict, text, headline)


@dataclass(frozen=True)
class Claim:
    """A claim, the work that tests it, and its rule.

    **Arguments:**

    - `name`: "C1", "C2", ...; `title`: in a few words.
    - `paper`: what the paper says, and where.
    - `rule`: in words and with its thresholds, when the claim holds, does not, or is undecided. It is
      written before the record, which names its commit.
    - `differs`: what is not as in the paper.
    - `parts`: by budget, the pieces of work. Each is run by itself, on one core, and kept under a hash.
    - `run`: a part's rows; a function of the part alone, so that it can be run again.
    - `judge`: the rule, as a function of all rows.
    - `figures`: names and figures of the rows.
    - `version`: raised when `run` changes what it finds, so that kept parts are run anew.
    - `config`: what else a part stands for, such as the config of a preset: a change of it is another
      part.
    - `tolerance`: how far, relative to the largest value of a column, a number may be from the
      recorded one, as roundings differ from machine to machine and training amplifies them.
    """

    name: str
    title: str
    paper: str
    rule: str
    differs: str
    parts: Callable[[Budget], list[Part]]
    run: Callable[[Part], list[Row]]
    judge: Callable[[list[Row]], Verdict]
    figures: "Callable[[list[Row]], dict[str, Figure]]" = lambda rows: {}
    version: int = 1
    config: Callable[[Part], Any] = lambda part: None
    tolerance: float = 0.0

    def __post_init__(self):
        texts = {n: getattr(self, n) for n in ("name", "title", "paper", "rule", "differs")}
        empty = [name for name, text in texts.items() if not text]
        require(not empty, "A claim says everything", "write what is empty", empty=empty)
        require(self.tolerance >= 0, "`tolerance >= 0`", "raise it", tolerance=self.tolerance)
