"""`docs/results.md`: our number beside the paper's claim, from the records alone."""

import pathlib
from collections.abc import Mapping

from .._core import write_bytes
from ._claim import Claim, Verdict
from ._record import Record


HEAD = """# Results

<!-- Written by `lengthwise reproduce --results` from experiments/records/reproduce: do not edit. -->

Nine claims of arXiv 2510.08341 (v1, and v2 where it says so) and a control of ours (C10), what was found
here, and the verdict of a rule that was committed before its record. `lengthwise reproduce CLAIM --budget
cpu --fresh` makes a record's parts anew, and `--verify 1` makes one of them again and compares every
number: equal on the machine that made it, elsewhere within the claim's `tolerance`, a share of the largest
value in its column (at the end of each file). All records are of the budget `cpu`: 127 core minutes, 98 of
them C8. A verdict is about the sizes named here, not about all transformers.
"""


def write_results(
    docs: pathlib.Path, claims: Mapping[str, Claim], records: Mapping[str, Record]
) -> pathlib.Path:
    """Write `results.md` into the folder of the documents, and each claim's figures into `figures`.

    **Arguments:**

    - `docs`: the folder.
    - `claims`: by name, in the order of the page.
    - `records`: of those that have one.

    **Returns:** the page.
    """
    verdicts = {name: claims[name].judge(record.rows) for name, record in records.items()}
    figures: dict[str, dict[str, str]] = {}
    for name, record in records.items():
        for title, figure in claims[name].figures(record.rows).items():
            path = docs / "figures" / f"{name.lower()}_{title}.svg"
            figure.savefig(path, metadata={"Date": None})
            figures.setdefault(name, {})[title] = path.relative_to(docs).as_posix()
    page = docs / "results.md"
    write_bytes(page, results_page(claims, records, verdicts, figures).encode())
    return page


def results_page(
    claims: Mapping[str, Claim],
    records: Mapping[str, Record],
    verdicts: Mapping[str, Verdict],
    figures: Mapping[str, Mapping[str, str]],
) -> str:
    """The page as Markdown.

    **Arguments:**

    - `claims`: by name, in the order of the page; those without a record are listed as such.
    - `records`, `verdicts`: by name.
    - `figures`: of each claim, by their names, paths relative to the page.
    """
    lines = [HEAD, "| claim | verdict | what was found |", "|---|---|---|"]
    for name, claim in claims.items():
        if name in records:
            verdict = verdicts[name]
            cells = (f"[{name}](#{_anchor(name, claim)}) {claim.title}", f"**{verdict.verdict}**")
            lines.append("| " + " | ".join([*cells, verdict.headline or verdict.text]) + " |")
        else:
            lines.append(f"| {name} {claim.title} | no record | |")
    for name in records:
        section = _section(claims[name], records[name], verdicts[name], figures.get(name, {}))
        lines += ["", *section]
    return "\n".join(lines) + "\n"


def _section(
    claim: Claim, record: Record, verdict: Verdict, figures: Mapping[str, str]
) -> list[str]:
    header, minutes = record.header, round(sum(done.seconds for done in record.done) / 60)
    time = f"{minutes} core minute{'s' if minutes > 1 else ''}" if minutes else "less than a minute"
    about = record.done[0].about
    machine = f"{about['machine']}, JAX {about['versions']['jax']}"
    lines = [f"## {claim.name}. {claim.title}", "", f"**The paper.** {claim.paper}", ""]
    lines += [f"**Here: {verdict.verdict}.** {verdict.text}", ""]
    for title, path in figures.items():
        lines += [f"![{claim.title}: {title}]({path})", ""]
    lines += [f"**The rule.** {header['rule']}", "", f"**What differs.** {claim.differs}", ""]
    lines.append(
        f"`{header['command']}`: {len(record.done)} parts, {time} "
        f"({machine}); the rule stood in commit `{header['rule_commit'][:12]}`."
    )
    return lines


def _anchor(name: str, claim: Claim) -> str:
    """The fragment that code hosts and MkDocs give to the section's title."""
    text = f"{name} {claim.title}".lower()
    kept = "".join(c for c in text if c.isalnum() or c in " -_")
    return "-".join(kept.split())
