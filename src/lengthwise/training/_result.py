"""What a run returns: failure and interruption are values, not exceptions."""

import dataclasses
import html
import pathlib
from typing import Any, Literal

from ..evaluation import Evaluation
from ..models import AbstractModel


Status = Literal["completed", "diverged", "interrupted"]


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    - `status`, `message`: how it ended, and a sentence about it.
    - `steps`: training steps done.
    - `models`: by name: "raw" and every average.
    - `evaluations`: the final `Evaluation` of each of them; empty if the run was interrupted.
    - `initial_mass`: what each average leaves on the initial weights (BEMA: its net coefficient).
    - `metrics`, `history`: rows as in `metrics.jsonl` and `history.csv`.
    - `seen`: the longest training length T.
    - `seconds`: wall time of the training steps.
    - `directory`: where the run was written, if anywhere.
    - `length_label`: what a length of the task is, as the label of an axis.
    """

    status: Status
    message: str
    steps: int
    models: dict[str, AbstractModel] = dataclasses.field(repr=False)
    evaluations: dict[str, Evaluation] = dataclasses.field(repr=False)
    initial_mass: dict[str, float]
    metrics: list[dict[str, Any]] = dataclasses.field(repr=False)
    history: list[dict[str, Any]] = dataclasses.field(repr=False)
    seen: int
    seconds: float
    directory: pathlib.Path | None
    length_label: str = "length s"

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `evaluation.csv`: those of every evaluation, with the weights' name."""
        return [
            {"weights": name} | row
            for name, found in self.evaluations.items()
            for row in found.rows
        ]

    def summary(self) -> list[dict[str, Any]]:
        """One row for each set of weights: ITR at T, at the longest length and over unseen ones."""
        rows = []
        for name, found in self.evaluations.items():
            itr = found.column("itr")
            rows.append(
                {
                    "weights": name,
                    "initial_mass": self.initial_mass[name],
                    "itr_at_T": itr[self.seen],
                    "itr_at_longest": itr[max(itr)],
                    "itr_unseen": found.mean("itr", seen=False),
                    "tv_unseen": found.mean("tv", seen=False),
                    "itr_unseen_fitted": found.mean("itr", seen=False, temperature="fitted"),
                }
            )
        return rows

    def _repr_html_(self) -> str:
        rows = self.summary()
        text = f"<p>{html.escape(self.status)}: {html.escape(self.message)}</p>"
        if not rows:
            return text
        head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
        cell = lambda x: (
            f"<td>{x:.4g}</td>" if isinstance(x, float) else f"<td>{html.escape(x)}</td>"
        )
        body = "".join(f"<tr>{''.join(cell(x) for x in row.values())}</tr>" for row in rows)
        return f"{text}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
