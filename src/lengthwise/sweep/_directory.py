"""The directory of a sweep, the only place that knows its file names.

sweep.json     study, storage (without a password), seed, sampler
space.json     the search space
study.db       Optuna's database, unless `--storage` names another
trials.jsonl   one line a complete trial, everything that was measured
trials.csv     the same, flat, without the curves by length
replicates.*   the same of the best configurations, made again with fresh seeds
"""

import json
import pathlib
from dataclasses import dataclass
from typing import Any

from .._core import StorageError, read_json, write_bytes, write_csv, write_json
from ._database import hidden
from ._space import SearchSpace


@dataclass(frozen=True)
class SweepFiles:
    """The files of the sweep directory `path`."""

    path: pathlib.Path

    def storage(self, url: str | None) -> str:
        """`url`, or the one of `sweep.json`, or SQLite in the directory."""
        if url is not None:
            return url
        there = self.path / "sweep.json"
        remembered = read_json(there)["storage"] if there.exists() else None
        return remembered or f"sqlite:///{(self.path / 'study.db').resolve()}"

    def study_name(self) -> str:
        """The study's name.

        **Raises:** `StorageError` if there is no sweep here.
        """
        if not (self.path / "sweep.json").exists():
            raise StorageError(
                f"`{self.path}` must hold a sweep, but it has no sweep.json: check the path, or begin "
                f"with `lengthwise sweep run --out {self.path}`."
            )
        return read_json(self.path / "sweep.json")["study"]

    def begin(
        self, space: SearchSpace, storage: str | None, *, study: str, seed: int, sampler: str
    ) -> None:
        """Write what was asked for."""
        write_json(self.path / "space.json", space.to_json())
        remembered = None if storage is None else hidden(storage)
        about = {"study": study, "storage": remembered, "seed": seed, "sampler": sampler}
        write_json(self.path / "sweep.json", about)

    def seed(self) -> int:
        """The seed of the sweep, or of its sampler."""
        return read_json(self.path / "sweep.json")["seed"]

    def export(self, results: list[dict[str, Any]], *, table: str = "trials") -> pathlib.Path:
        """Write a table of complete trials, as JSON lines and CSV; returns the path of the former."""
        path = self.path / f"{table}.jsonl"
        write_bytes(path, "".join(json.dumps(r) + "\n" for r in results).encode())
        rows = [_flat(result) for result in results]
        columns = dict.fromkeys(name for row in rows for name in row)
        write_csv(self.path / f"{table}.csv", [{n: row.get(n) for n in columns} for row in rows])
        return path


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    flat = {n: v for n, v in result.items() if n not in ("params", "weights", "mediators")}
    flat |= result["params"]
    for name, measured in result["weights"].items():
        flat |= {f"{m}/{name}": v for m, v in measured.items() if m != "by_length"}
    return flat
