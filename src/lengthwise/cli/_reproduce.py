"""`lengthwise reproduce`."""

import datetime
import functools as ft
import pathlib
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from .._core import InputError, LengthwiseError, StorageError, require, sole_writer
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..reproduce import Claim, Found, Record, Verdict


@dataclass(frozen=True)
class Reproduce:
    """Test claims of the paper, each by a rule that was written before its record."""

    claims: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="CLAIM")] = ()
    """`C1`, `C2`, ..., or `all`."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only name the claims, with the verdicts of the committed records."""
    budget: Literal["smoke", "cpu", "gpu"] = "smoke"
    """smoke: a minute for all, no verdict. cpu: 127 core minutes for all, 98 of them C8. gpu: larger."""
    workers: int = 2
    """Processes, each on one core."""
    out: Annotated[pathlib.Path, tyro.conf.arg(metavar="DIR")] = pathlib.Path("runs/reproduce")
    """Where finished parts are kept; what is there, or in a committed record, is not run again."""
    fresh: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take nothing from committed records; parts in `--out` count, so name another to begin anew."""
    record: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write the record of each claim, whose rule must be committed, to be committed itself."""
    results: tyro.conf.FlagCreatePairsOff[bool] = False
    """Write docs/results.md and its figures from the committed records of the cpu budget."""
    verify: int | None = None
    """Run so many parts of each claim's record again, drawn at random, and compare every number."""
    seed: int = 0
    """Of that draw."""
    experiments: Annotated[pathlib.Path, tyro.conf.arg(metavar="DIR")] = pathlib.Path("experiments")
    """The folder of the claims, in a clone of the repository."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """List, run, verify or write the results."""
        from ..reproduce import find_claims

        require(self.workers >= 1, "`workers >= 1`", "start one at least", workers=self.workers)
        require(
            self.verify is None or self.verify >= 1,
            "`verify >= 1`",
            "verify one part at least",
            verify=self.verify,
        )
        require(self.seed >= 0, "`seed >= 0`", "choose another seed", seed=self.seed)
        asked = [n for n in ("list", "results", "record") if getattr(self, n)]
        asked += ["verify"] if self.verify is not None else []
        require(len(asked) <= 1, "One thing at a time", "give one of these", given=asked)
        require(
            not self.record or self.budget != "smoke",
            "A record of the budget cpu or gpu",
            "smoke has no verdict: give `--budget cpu`",
            budget=self.budget,
        )
        found = find_claims(self.experiments)
        if self.list:
            return self._list(found)
        if self.results:
            return self._results(found)
        chosen = self._chosen(found)
        if self.verify is not None:
            return self._verify(chosen, self.verify)
        return self._run(chosen)

    def _chosen(self, found: "Mapping[str, Found]") -> "dict[str, Found]":
        names = list(found) if self.claims == ("all",) else [name.upper() for name in self.claims]
        unknown = [name for name in names if name not in found]
        if unknown or not names:
            got = f"got ({', '.join(unknown)})" if unknown else "none was given"
            raise InputError(
                f"`CLAIM` must be `all` or some of ({', '.join(found)}), but {got}: see `lengthwise "
                "reproduce --list`."
            )
        return {name: found[name] for name in names}

    @property
    def _start(self) -> Callable[[], None]:
        return ft.partial(start_jax, self.common.compile_cache)

    @property
    def _records(self) -> pathlib.Path:
        return self.experiments / "records" / "reproduce"

    def _recorded(self, found: "Mapping[str, Found]", budget: str) -> "dict[str, Record]":
        """The committed records of those that have one."""
        from ..reproduce import committed_record

        every = {n: committed_record(self._records, one.claim, budget) for n, one in found.items()}
        return {name: record for name, record in every.items() if record is not None}

    def _whole(self, found: "Mapping[str, Found]", budget: str) -> "dict[str, Record]":
        """The same, none of which lacks a part."""
        from ..reproduce import check_whole

        records = self._recorded(found, budget)
        for name, record in records.items():
            check_whole(found[name].claim, record)
        return records

    def _list(self, found: "Mapping[str, Found]") -> Outcome:
        values, code = [], ExitCode.COMPLETED
        for name, one in found.items():
            verdict = "no record"
            try:
                if record := self._whole({name: one}, "cpu").get(name):
                    verdict = one.claim.judge(record.rows).verdict
            except LengthwiseError as error:  # of this one; the others are listed all the same
                verdict, code = "not readable", ExitCode.STORAGE
                print(f"lengthwise: {error}", file=sys.stderr)
            print(f"{name:4} {verdict:14} {one.claim.title}")
            values.append({"claim": name, "title": one.claim.title, "verdict": verdict})
        return Outcome(code, {"claims": values})

    def _run(self, chosen: "Mapping[str, Found]") -> Outcome:
        from ..reproduce import rule_commit, run_claims

        commits = {name: rule_commit(one.path) for name, one in chosen.items() if self.record}
        recorded = self._recorded(chosen, self.budget)
        kept = {name: record.done for name, record in recorded.items()}
        with sole_writer(self.out):
            done, failed = run_claims(
                chosen, self.budget, self.out,
                workers=self.workers, recorded=kept, fresh=self.fresh, start=self._start,
                show=_show,
            )  # fmt: skip
        values = {}
        for name, one in chosen.items():
            if name in failed:
                values[name] = {"failed": failed[name]}
                print("\n".join(f"{name}  failed: {reason}" for reason in failed[name]))
                continue
            rows = [row for part in done[name] for row in part.rows]
            verdict = one.claim.judge(rows)
            values[name] = {"verdict": None, "parts": len(done[name])}
            if self.budget == "smoke":
                print(f"{name}  smoke: no verdict ({len(done[name])} parts, {len(rows)} rows)")
                continue
            old = sum(any(part is other for other in kept.get(name, [])) for part in done[name])
            values[name] |= _tell(one.claim, verdict, recorded=old, parts=len(done[name]))
        if self.record and not failed:
            self._write(chosen, done, commits)
        code = ExitCode.UNEXPECTED if failed else ExitCode.COMPLETED
        return Outcome(code, {"budget": self.budget, "claims": values})

    def _write(
        self, chosen: "Mapping[str, Found]", done: Mapping[str, Any], commits: Mapping[str, str]
    ) -> None:
        from ..reproduce import Record, check_order, record_path, write_record

        for name, one in chosen.items():
            check_order(one, commits[name], done[name])
        for name, one in chosen.items():
            header = {
                "claim": name,
                "budget": self.budget,
                "command": shlex.join(["lengthwise", "reproduce", name, "--budget", self.budget]),
                "rule": one.claim.rule,
                "rule_commit": commits[name],
            }
            path = record_path(self._records, one.claim, self.budget)
            write_record(path, Record(header, done[name]))
            print(f"record  {path}")

    def _verify(self, chosen: "Mapping[str, Found]", count: int) -> Outcome:
        import numpy as np

        from ..reproduce import verify_parts

        records = self._whole(chosen, self.budget)
        if not records:
            raise InputError(
                f"There must be a record at the budget {self.budget} to verify, but there is none of "
                f"({', '.join(chosen)}): give `--budget cpu`, or make one by `--record`."
            )
        rng, drawn = np.random.default_rng(self.seed), []
        for name, record in records.items():
            few = min(count, len(record.done))
            numbers = rng.choice(len(record.done), few, replace=False)
            drawn += [(chosen[name], record.done[number]) for number in numbers]
        for name in chosen.keys() - records.keys():
            print(f"{name}  has no record at the budget {self.budget}")
        compared = []
        for found in verify_parts(drawn, workers=self.workers, start=self._start):
            print(("" if found.holds else "MISMATCH ") + found.message, flush=True)
            compared.append(found)
        same = sum(one.holds for one in compared)
        print(f"{same} of {len(compared)} parts are equal or within the tolerance")
        code = ExitCode.COMPLETED if same == len(compared) else ExitCode.MISMATCH
        return Outcome(code, {"parts": [vars(one) for one in compared]})

    def _results(self, found: "Mapping[str, Found]") -> Outcome:
        from ..reproduce import write_results

        docs = self.experiments.parent / "docs"
        if not docs.is_dir():
            raise StorageError(
                f"`{docs}` must be the folder of the documents, but it is not there: run this in a "
                "clone of the repository."
            )
        records = self._whole(found, "cpu")
        page = write_results(docs, {name: one.claim for name, one in found.items()}, records)
        print(f"results {page}")
        return Outcome(ExitCode.COMPLETED, {"page": str(page), "claims": list(records)})


def _tell(claim: "Claim", verdict: "Verdict", *, recorded: int, parts: int) -> dict[str, Any]:
    """Print what the paper says beside what was found, as wide as the terminal; returns the same."""
    about = {
        "paper": claim.paper,
        "here": verdict.text,
        "rule": claim.rule,
        "differs": claim.differs,
    }
    shown = dict(about)
    if recorded:
        shown["record"] = f"{recorded} of {parts} parts are those of the committed record; "
        shown["record"] += "`--fresh` makes them anew"
    print(f"{claim.name}  {claim.title}: {verdict.verdict}")
    width = min(shutil.get_terminal_size().columns, 100)
    for kind, text in shown.items():
        first, others = f"    {kind:9}", 13 * " "
        print(textwrap.fill(text, width, initial_indent=first, subsequent_indent=others))
    return {"verdict": verdict.verdict, "title": claim.title, "recorded": recorded, **about}


def _show(name: str, done: int, parts: int, seconds: float) -> None:
    passed = datetime.timedelta(seconds=round(seconds))
    text = f"{done}/{parts} parts · {passed}{f' · {name}' if name else ''}"
    if sys.stderr.isatty():
        end = "\n" if done == parts else ""
        print(f"\r\x1b[K{text}", end=end, file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
