"""The effects of a sweep as text for the terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ._format import MISSING, format_value, table_line
from ._sweep_effects import FAMILIES
from ._sweep_trials import PRIMARY


HEAD = ("contrast", "n", "median", "95 % interval", "p Holm", "better", "power")
WIDTHS = (27, 6, 7, 15, 7, 6, 6)
"""Columns of the terminal, 80 with a space between them."""


def effects_table(rows: Sequence[Mapping[str, Any]], *, endpoint: str = PRIMARY) -> str:
    """The contrasts at one endpoint, and those that have endpoints of their own, as text.

    **Arguments:**

    - `rows`: from `sweep_effects`.
    - `endpoint`: its name; the primary one by default. (Keyword only argument.)

    **Returns:** text, no line longer than 80 columns: for each contrast n, the median log ratio
    and its interval, p after Holm's correction, the share of pairs that improved, and the smallest
    median that would be found with 80 % power. A line follows where pairs are missing, diverged or
    not finite.
    """
    lines = []
    for family, title in FAMILIES.items():
        mine = [r for r in rows if r["family"] == family]
        if any(r["endpoint"] == PRIMARY for r in mine):  # others have endpoints of their own
            mine = [r for r in mine if r["endpoint"] == endpoint]
        for measured in dict.fromkeys(r["endpoint"] for r in mine):
            part = [r for r in mine if r["endpoint"] == measured]
            heading = f"{title}: {measured} (Holm over {part[0]['family_size']})"
            lines += ["", *textwrap.wrap(heading, 80), table_line(HEAD, WIDTHS)]
            by_weights = len({r["weights"] for r in part}) > 1 or part[0]["weights"] != "raw"
            last = None
            for row in part:
                if by_weights and row["weights"] != last:
                    lines += textwrap.wrap(row["weights"], 80)
                    last = row["weights"]
                lines += [table_line(_cells(row), WIDTHS), *_aside(row)]
    return "\n".join(line.rstrip() for line in lines[1:])


def contrast_label(row: Mapping[str, Any]) -> str:
    """The cell of a contrast in words."""
    named = {"rate": "rate ", "width": "width ", "learning_rate": "lr ", "schedule": "", "loss": ""}
    parts = [f"{prefix}{row[name]}" for name, prefix in named.items() if row[name] != "all"]
    return ", ".join(parts) or "all"


def effect_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The numbers of a contrast as texts, by the titles in `HEAD`."""
    share = row["share_improved"]
    interval = f"{_signed(row['low'])} {_signed(row['high'])}"
    untested = row["low"] != row["low"]
    return {
        "n": f"{row['n']}+{row['n_other']}" if row["n_other"] else str(row["n"]),
        "median": _signed(row["median"]),
        "95 % interval": MISSING if untested else interval,
        "p Holm": format_value(row["p_holm"], digits=2),
        "better": MISSING if share != share else f"{100 * share:.0f} %",
        "power": format_value(row["detectable"], digits=2),
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [contrast_label(row), *effect_cells(row).values()]


def missing_pairs(row: Mapping[str, Any]) -> str:
    """How many pairs have no difference, and the sign test that counts them; "" if none is lost."""
    names = {"without_twin": "without twin", "diverged": "diverged", "not_finite": "not finite"}
    lost = [f"{row[name]} {text}" for name, text in names.items() if row[name]]
    if not lost:
        return ""
    signs = ""
    if row["sign_pairs"]:
        signs = f"; sign test {row['sign_gains']} of {row['sign_pairs']} better, "
        signs += f"p {format_value(row['sign_p'], digits=2)}"
    return ", ".join(lost) + signs


def _aside(row: Mapping[str, Any]) -> list[str]:
    text = missing_pairs(row)
    return textwrap.wrap(text, 80, initial_indent="    ", subsequent_indent="    ") if text else []


def _signed(value: float) -> str:
    if value != value:
        return MISSING
    return f"{value:+.3f}" if abs(value) < 10 else f"{value:+.1f}"
