"""Trials per hour of our sweep against the same trials as a PyTorch and Optuna loop, on the same cores.

    .venv/bin/python benchmarks/sweep.py --peer-python .venv-peer/bin/python     # about 8 minutes
    .venv/bin/python benchmarks/sweep.py --peer-python .venv-peer/bin/python --case storage

For each case, some rows of the design are checked first: from equal weights, on equal batches and
without dropout, 10 losses and the total variation at every length of the raw and averaged weights
must agree to 1e-5 in both, or no ratio is printed. Then PyTorch runs the rows once in every arrangement
of processes and threads, and compiled (with dropout only if `--compiled` asks for it: its compilations
take minutes); the best one and ours take turns. Both train the same
rows, draw their own data, track the same averages, and measure total variation at every length at the
end of each trial (we measure more: every metric, fitted temperatures, attention, gradient noise).

    whole run   trials by the wall time of the command, its start and all compilations included
    steady      trials that each process completed after its first one, by the time since then
    25 trials   whole run, extended at the steady rate to as many trials as the default sweep has of
                each shape

Ours is `lengthwise sweep run` with two workers and an empty compilation cache. `storage` measures the
rest of a worker's loop: everything between two trials, and what the process that waits for the
workers does, at various numbers of trials.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from unittest import mock

import jax
import numpy as np
import optuna
import safetensors.numpy

import lengthwise as lw
from lengthwise.evaluation import Evaluator
from lengthwise.models import DropoutRates
from lengthwise.sweep import (
    SearchSpace,
    _study,
    default_space,
    design,
    make_study,
    named_space,
    open_study,
    run_trial,
)
from lengthwise.training import (
    Feed,
    averaged_models,
    build_task,
    init_state,
    make_chunk,
    traced_hparams,
)
from train_step import SIZES, start, write_peer_files


PEER = pathlib.Path(__file__).parent / "torch_sweep.py"
WORKERS = 2
SHAPE_TRIALS = 25
"""100 draws and their twins of the default space, by its 8 shapes."""
TOLERANCE = 1e-5
"""That of `train_step.py`."""


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How the peer uses the cores."""

    processes: int
    threads: int
    compile: str = "none"

    def __str__(self):
        compiled = "eager" if self.compile == "none" else f"compile {self.compile}"
        return f"{self.processes} processes x {self.threads} threads, {compiled}"


EAGER = (Arrangement(2, 1), Arrangement(1, 2), Arrangement(3, 1))
COMPILED = (Arrangement(2, 1, "default"), Arrangement(2, 1, "cpp-wrapper"))


@dataclasses.dataclass(frozen=True)
class Case:
    """What is swept, how many configurations, and the ratio to reach."""

    space: SearchSpace
    draws: int
    target: float

    def arrangements(self, compiled: bool) -> tuple[Arrangement, ...]:
        """Those that the peer tries: compiled ones where they can win, or where they are asked for.

        PyTorch compiles anew for every dropout rate (its attention is given it as a number), which
        takes 7 seconds of a core, and a trial of 1000 eager steps 3.
        """
        return (*EAGER, *(COMPILED if compiled or not self.space.has_twins else ()))


def width_64(steps: int, draws: int) -> Case:
    """The default space's smallest shape: one layer, norms before the branches."""
    space = default_space()
    training = dataclasses.replace(space.base.training, steps=steps)
    base = dataclasses.replace(space.base, training=training)
    return Case(SearchSpace(base, space.traced), draws, 2.0)


def tiny(steps: int, draws: int) -> Case:
    """The tiny size of `train_step.py`; it has no dropout, so there are no twins."""
    space, size = default_space(), SIZES["tiny"]
    training = dataclasses.replace(
        space.base.training, steps=steps, batch_size=size["batch"],
        lengths=lw.FixedLength(size["length"]),
    )  # fmt: skip
    base = dataclasses.replace(
        space.base,
        model=size["model"],
        training=training,
        hparams=space.base.hparams._replace(dropout=DropoutRates()),
    )
    traced = {path: law for path, law in space.traced.items() if path != "hparams.dropout"}
    return Case(SearchSpace(base, traced), draws, 4.0)


@dataclasses.dataclass(frozen=True)
class Run:
    """A whole sweep: its wall seconds, and of each trial the process, the end and the value."""

    began: float
    seconds: float
    trials: list[tuple[int, float, float]]

    @property
    def whole(self) -> float:
        """Trials per hour of the whole run."""
        return 3600 * len(self.trials) / self.seconds

    @property
    def steady(self) -> float:
        """Trials per hour once every process has completed one."""
        rate = 0.0
        for process in {process for process, _, _ in self.trials}:
            ends = sorted(end for p, end, _ in self.trials if p == process)
            if len(ends) > 1:
                rate += 3600 * (len(ends) - 1) / (ends[-1] - ends[0])
        return rate

    @property
    def extended(self) -> float:
        """Trials per hour of a run with `SHAPE_TRIALS`, from this one's start and steady rate."""
        rest = max(self.seconds - 3600 * len(self.trials) / self.steady, 0.0)
        return 3600 * SHAPE_TRIALS / (rest + 3600 * SHAPE_TRIALS / self.steady)

    @property
    def value(self) -> float:
        """The mean of the trials' values: log total variation beyond the training length."""
        return statistics.mean(value for _, _, value in self.trials)


RATES = {"whole run": "whole", f"{SHAPE_TRIALS} trials": "extended", "steady": "steady"}


def run_ours(case: Case, folder: pathlib.Path) -> Run:
    """`lengthwise sweep run`, as a user would begin it, with nothing compiled before."""
    with tempfile.TemporaryDirectory(dir=folder) as text:
        out = pathlib.Path(text)
        (out / "space.json").write_text(json.dumps(case.space.to_json()))
        command = [pathlib.Path(sys.executable).with_name("lengthwise"), "sweep", "run"]
        command += [out / "space.json", "--draws", case.draws, "--workers", WORKERS]
        command += ["--out", out / "sweep"]
        environment = os.environ | {"LENGTHWISE_CACHE": str(out / "cache")}
        began, clock = time.time(), time.perf_counter()
        call(command, env=environment)
        seconds = time.perf_counter() - clock
        study = open_study(f"sqlite:///{out / 'sweep' / 'study.db'}", "sweep")
        trials = [
            (t.user_attrs["process"][1], t.datetime_complete.timestamp(), t.value)
            for t in study.trials(optuna.trial.TrialState.COMPLETE)
            if t.datetime_complete is not None and t.value is not None
        ]
    return complete(case, Run(began, seconds, trials))


def run_peer(case: Case, arrangement: Arrangement, python: str, folder: pathlib.Path) -> Run:
    """The peer's whole sweep."""
    with tempfile.TemporaryDirectory(dir=folder) as text:
        storage = pathlib.Path(text) / "journal.log"
        command = [python, PEER, "run", "--plan", folder / "plan.json", "--storage", storage]
        command += ["--processes", arrangement.processes, "--threads", arrangement.threads]
        command += ["--compile", arrangement.compile]
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(pathlib.Path(text) / "cache")}
        began, clock = time.time(), time.perf_counter()
        found = json.loads(call(command, env=environment))["trials"]
        seconds = time.perf_counter() - clock
    trials = [(t["process"], t["completed"], t["value"]) for t in found]
    return complete(case, Run(began, seconds, trials))


def complete(case: Case, run: Run) -> Run:
    """The run, if no trial is missing."""
    rows = len(design(case.space, case.draws, 0))
    if len(run.trials) != rows:
        raise SystemExit(f"{len(run.trials)} of {rows} trials are complete")
    return run


def call(command: list, **options) -> str:
    """The standard output of a command; what it says of a failure is shown."""
    text = [str(word) for word in command]
    done = subprocess.run(text, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(text)}\n{done.stderr[-2000:]}")
    return done.stdout


def peer_hparams(params: dict) -> dict:
    """A row's parameters in the peer's names."""
    return {"dropout": 0.0} | {path.removeprefix("hparams."): v for path, v in params.items()}


def check(case: Case, python: str, folder: pathlib.Path) -> tuple[float, float]:
    """The largest differences of 10 losses, and of total variations after them, over some rows.

    It leaves the peer's `plan.json` in the folder.
    """
    base = case.space.base
    lengths = base.training.lengths.build()
    size = {
        "vocab": build_task(base).sizes.vocab, "length": lengths.max_length,
        "batch": base.training.batch_size, "model": base.model,
    }  # fmt: skip
    task, model, batches = start(size)
    write_peer_files(folder, size, task, model, batches)
    written = json.loads((folder / "config.json").read_text())
    rows = design(case.space, case.draws, 0)
    plan = {
        "model": {name: value for name, value in written.items() if name != "optimizer"},
        "optimizer": written["optimizer"] | {"steps": base.training.steps},
        "averages": [(a.target.split(":")[1], json.loads(a.fields)) for a in base.hparams.averages],
        "rows": [{"seed": row.seed, "hparams": peer_hparams(row.params)} for row in rows],
        "steps": base.training.steps, "batch": size["batch"], "length": size["length"],
        "dropout": case.space.has_twins, "examples": base.training.evaluation.examples,
        "exhaustive_inputs": base.training.evaluation.exhaustive_inputs,
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))

    evaluator = Evaluator(
        task, base.training.evaluation, seen=lengths.max_length, key=jax.random.key(3)
    )
    sampled = [batch.tokens for batch in evaluator.examples if batch.counted[:, -1].any()]
    tokens = np.concatenate(sampled).astype(np.int64)
    safetensors.numpy.save_file({"tokens": tokens}, folder / "examples.safetensors")
    # One row of each loss and schedule, by the number of the row in the plan.
    kinds = {(r.params["hparams.exact_loss"], r.params["hparams.cosine"]): r for r in rows}
    chosen = [rows.index(row) for row in kinds.values()]
    command = [python, PEER, "check", "--plan", folder / "plan.json", "--rows", *chosen]
    for name in ("weights", "batches", "examples"):
        command += [f"--{name}", folder / f"{name}.safetensors"]
    theirs = json.loads(call(command))["rows"]

    config = dataclasses.replace(base.training, chunk_steps=10)
    chunk, feed = make_chunk(task, config), Feed(jax.random.split(jax.random.key(0), 10), batches)
    losses, variations = [], []
    for index, found in zip(chosen, theirs, strict=True):
        hparams = rows[index].experiment(case.space).hparams
        off = DropoutRates(*(None if rate is None else 0.0 for rate in hparams.dropout))
        traced = traced_hparams(hparams._replace(dropout=off))
        state, metrics = chunk(init_state(model, traced, config), traced, feed)
        losses.append(np.abs(np.asarray(metrics.loss) - found["losses"]).max())
        models = [state.model, *(averaged for averaged, _ in averaged_models(state, traced))]
        measured = [evaluator.model(m, fitted=False).column("tv") for m in models]
        ours = np.array([list(column.values()) for column in measured])
        variations.append(np.abs(ours - np.array(found["tv"])).max())
    return float(max(losses)), float(max(variations))


def compare(name: str, case: Case, python: str, options: argparse.Namespace) -> bool:
    """Print the rates of both, and their ratios; whether the target is reached in the steady one."""
    training = case.space.base.training
    rows = len(design(case.space, case.draws, 0))
    print(f"\n{name}: {rows} trials of {training.steps} steps, batch {training.batch_size}")
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        losses, variations = check(case, python, folder)
        print(f"  largest difference of losses {losses:.1e}, of total variations {variations:.1e}")
        if not (losses <= TOLERANCE and variations <= TOLERANCE):
            print(f"  above {TOLERANCE}: the two are not the same, no ratio is printed")
            return False
        print(f"  {'trials per hour':48}" + "".join(f"{rate:>11}" for rate in RATES))
        tried = {}
        for arrangement in case.arrangements(options.compiled):
            tried[arrangement] = run_peer(case, arrangement, python, folder)
            show(f"PyTorch, {arrangement}", tried[arrangement])
        # The best in the whole run and the best of long ones need not be the same.
        best = {rate: max(tried, key=lambda a: getattr(tried[a], rate)) for rate in RATES.values()}
        theirs: dict[Arrangement, list[Run]] = {a: [] for a in dict.fromkeys(best.values())}
        ours = []
        for repeat in range(options.repeats):
            turns = [None, *theirs] if repeat % 2 == 0 else [*theirs, None]
            for turn in turns:
                if turn is None:
                    ours.append(run_ours(case, folder))
                    show("lengthwise, 2 workers", ours[-1])
                else:
                    theirs[turn].append(run_peer(case, turn, python, folder))
                    show(f"PyTorch, {turn}", theirs[turn][-1])
    medians = {}
    for label, rate in RATES.items():
        pairs = zip(ours, theirs[best[rate]], strict=True)
        ratios = sorted(getattr(mine, rate) / getattr(other, rate) for mine, other in pairs)
        medians[rate] = statistics.median(ratios)
        print(f"  ratio, {label:10} {medians[rate]:5.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    verdict = "met" if medians["steady"] >= case.target else "missed"
    print(f"  target {case.target} in steady trials: {verdict}")
    return medians["steady"] >= case.target


def show(name: str, run: Run) -> None:
    """One line of the table."""
    rates = "".join(f"{getattr(run, rate):11,.0f}" for rate in RATES.values())
    print(f"  {name:48}{rates}   value {run.value:.2f}", flush=True)


def storage(name: str, space: SearchSpace, counts: list[int], seconds: float, result: dict) -> None:
    """Print what a worker does between two trials, as a share of trials that take `seconds`."""
    print(f"\nstorage, {name}: trials of {seconds:.2f} s")
    print(
        f"  {'trials':>7}{'enqueue':>14}{'between, first':>18}{'between, last':>18}{'watching':>18}"
    )
    for count in counts:
        draws = count // 2 if space.has_twins else count
        with tempfile.TemporaryDirectory() as text:
            study = make_study(space, f"sqlite:///{text}/study.db", "study")
            clock = time.perf_counter()
            study.enqueue(draws)
            enqueue = (time.perf_counter() - clock) / count
            calls = []

            def instant(space, row, calls=calls):
                calls.append(time.perf_counter())
                return result | vars(row)

            with mock.patch.object(_study, "run_trial", instant):
                study.work()
            clock = time.perf_counter()
            study.counts()
            watching = time.perf_counter() - clock
        between = np.diff(calls)
        first, last = (float(np.median(part)) for part in (between[:20], between[-20:]))
        # The process that waits for the workers asks for the counts every 2 seconds.
        print(
            f"  {count:7}{1e3 * enqueue:9.1f} ms/row"
            + "".join(f"{1e3 * t:9.1f} ms{t / (t + seconds):6.2%}" for t in (first, last))
            + f"{1e3 * watching:9.1f} ms{watching / (2.0 + watching):6.2%}",
            flush=True,
        )


def measure_storage(counts: list[int]) -> None:
    """The default space's width 64 at its real number of steps, and the space for tries."""
    for name, space in (("width 64", width_64(4000, 1).space), ("tiny space", named_space("tiny"))):
        first, second = design(space, 1, 0)
        run_trial(space, first)  # compiles
        result = run_trial(space, second)
        storage(name, space, counts, result["seconds"], result)


def main() -> None:
    """Compare the cases asked for."""
    parser = argparse.ArgumentParser(description="Our sweep against PyTorch and Optuna.")
    parser.add_argument("--peer-python", help="an interpreter that has PyTorch and Optuna")
    parser.add_argument("--case", choices=("width 64", "tiny", "storage", "all"), default="all")
    parser.add_argument("--steps", type=int, help="of a trial, in place of the case's own")
    parser.add_argument("--trials", type=int, help="about how many, in place of the case's own")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compiled", action="store_true", help="compile with dropout, too")
    parser.add_argument("--counts", type=int, nargs="+", default=[200], help="trials in a storage")
    options = parser.parse_args()
    chosen = ("width 64", "tiny", "storage") if options.case == "all" else (options.case,)
    python = options.peer_python or ""
    if not python and chosen != ("storage",):
        parser.error("--peer-python must be given")
    fine = True
    if "width 64" in chosen:
        case = width_64(options.steps or 1000, (options.trials or 12) // 2)
        fine &= compare("width 64", case, python, options)
    if "tiny" in chosen:
        case = tiny(options.steps or 2000, options.trials or 12)
        fine &= compare("tiny", case, python, options)
    if "storage" in chosen:
        measure_storage(options.counts)
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
