"""The result of an evaluation: one row for each length, a table that shows itself."""

import dataclasses
import html
from typing import Any


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Every metric of one model at every length.

    `rows` holds one dictionary for each length and temperature ("given" or "fitted"), with `length`,
    `seen`, `inputs`, `exhaustive`, `inverse_temperature`, and for each metric `m` of `METRICS`: `m`
    (mean), `m_low`, `m_high` (95 % interval), `m_min`, `m_max`; `chance_m` is that of a guess, which
    predicts `1 / v` for every token and orders them at random, for the metrics of `CHANCE`.
    """

    rows: list[dict[str, Any]]

    def column(self, name: str, *, temperature: str = "given") -> dict[int, Any]:
        """The values of a column by length."""
        return {r["length"]: r[name] for r in self.rows if r["temperature"] == temperature}

    def mean(self, name: str, *, seen: bool, temperature: str = "given") -> float:
        """The mean of a column over the seen or the unseen lengths, each length weighing the same."""
        chosen = [
            r[name] for r in self.rows if r["temperature"] == temperature and r["seen"] == seen
        ]
        return sum(chosen) / len(chosen) if chosen else float("nan")

    def _repr_html_(self) -> str:
        columns = [
            "length",
            "seen",
            "inputs",
            "itr",
            "chance_itr",
            "tv",
            "displacement",
            "separated",
            "coverage",
        ]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)

        def cell(value: Any) -> str:
            return f"<td>{value:.4g}</td>" if isinstance(value, float) else f"<td>{value}</td>"

        given = [r for r in self.rows if r["temperature"] == "given"]
        body = "".join(f"<tr>{''.join(cell(r[name]) for name in columns)}</tr>" for r in given)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
