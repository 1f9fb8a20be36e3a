"""`lengthwise sweep run`."""

import contextlib
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from .._core import require, sole_writer
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..sweep import SearchSpace


@dataclass(frozen=True)
class SweepRun:
    """Begin a sweep, go on with one, or add draws to it, with workers on this machine."""

    space: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SPACE")] = "default"
    """`default`, `wide`, `attention-only`, `tiny` for tries, or a JSON file such as a space.json."""
    draws: int = 100
    """Configurations in all; each also runs without dropout, as its twin."""
    workers: int = 2
    """Processes, each on one core; on an accelerator there is one, whatever is given here."""
    population: int | None = None
    """Trials of one static shape that each worker runs together, as one vmapped program; by default one
    after the other on a CPU, and as many as its memory holds on an accelerator."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the sweep; by default `sweeps/SPACE`."""
    storage: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """Optuna's database, such as postgresql+psycopg://...; by default SQLite in the directory."""
    study: str | None = None
    """The study's name in the database; by default the name of the directory."""
    sampler: Annotated[str, tyro.conf.arg(metavar="NAME")] = "design"
    """`design`, the random table with twins, or one of Optuna's samplers, such as TPESampler."""
    seed: int = 0
    """Of the table, or of the sampler."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only show the space, its shapes, the compilations and the predicted minutes; with `--out`, write its
    space.json, to be changed and given as SPACE."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Enqueue what is missing, start the workers, show their progress, write the tables."""
        from ..sweep import named_space, read_space, require_optuna

        require(self.draws >= 1, "`draws >= 1`", "draw a configuration", draws=self.draws)
        require(self.workers >= 1, "`workers >= 1`", "start one at least", workers=self.workers)
        least = self.population is None or self.population >= 1
        require(least, "`population >= 1`", "train one at least", population=self.population)
        require(self.seed >= 0, "`seed >= 0`", "choose another seed", seed=self.seed)
        path = pathlib.Path(self.space)
        space = read_space(path) if path.is_file() else named_space(self.space)
        out = self.out or pathlib.Path("sweeps") / path.stem
        if self.dry_run:
            return self._plan(space)
        require_optuna()
        start_jax(self.common.compile_cache)
        from ..sweep import SweepFiles, make_study, run_workers
        from ._sweep_show import SweepLine, show_sweep

        files = SweepFiles(out)
        with sole_writer(out):
            storage, name = files.storage(self.storage), self.study or out.resolve().name
            study = make_study(space, storage, name, seed=self.seed, sampler=self.sampler)
            files.begin(space, self.storage, study=name, seed=self.seed, sampler=self.sampler)
            study.enqueue(self.draws)
            with contextlib.suppress(KeyboardInterrupt), SweepLine() as line:
                run_workers(
                    study, storage, self.workers, population=self.population, show=line.show
                )
            return show_sweep(files, study)  # of what there is, where it was interrupted

    def _plan(self, space: "SearchSpace") -> Outcome:
        import json

        from .._core import write_json
        from ..sweep import DESIGN, predicted_seconds

        twins = space.has_twins and self.sampler == DESIGN
        shapes = space.shapes()
        for path, law in space.laws.items():
            print(f"  {path:30} {law}")
        print(f"\n{len(shapes)} static shapes:")
        for shape in shapes:
            print(f"  {json.dumps(shape)}")
        trials = self.draws * (1 + twins)
        compiles = min(len(shapes), self.draws) * self.workers
        minutes = predicted_seconds(space, self.draws, twins=twins) / self.workers / 60
        print(
            f"\n{trials} trials, {'half of them twins without dropout, ' if twins else ''}", end=""
        )
        print(
            f"at most {compiles} compilations, about {minutes:.0f} minutes with {self.workers} workers"
        )
        if self.out is not None:
            write_json(self.out / "space.json", space.to_json())
            print(f"space   {self.out / 'space.json'}")
        return Outcome(
            ExitCode.COMPLETED,
            {
                "space": space.to_json(),
                "shapes": shapes,
                "trials": trials,
                "compilations": compiles,
                "minutes": minutes,
            },
        )
