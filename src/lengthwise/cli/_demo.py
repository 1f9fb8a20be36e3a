"""`lengthwise demo`."""

import dataclasses
import pathlib
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._presets import PRESETS


@dataclass(frozen=True)
class Demo:
    """Run a main job (a minute; Othello: four) and show its figure, or show it again."""

    task: tyro.conf.Positional[Literal["set-complement", "othello"]] = "set-complement"
    """What is learned: the absent tokens, or the legal moves of random 6x6 games."""
    seed: int = PRESETS["demo"].seed
    """Seed of the initial weights and the data."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the run; by default `runs/demo-HASH`, by a hash of its config."""
    report: bool = True
    """Make the HTML page of the run."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Train the task's preset, or find it trained."""
        from ._run import train_run

        start_jax(self.common.compile_cache)
        preset = {"set-complement": "demo", "othello": "othello"}[self.task]
        experiment = dataclasses.replace(PRESETS[preset], seed=self.seed)
        return train_run(experiment, preset, self.out, report=self.report, again=True)
