"""`lengthwise demo`."""

import dataclasses
import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._presets import PRESETS


@dataclass(frozen=True)
class Demo:
    """Run the main job (about a minute) and show its figure, or show it again."""

    seed: int = PRESETS["demo"].seed
    """Seed of the initial weights and the data."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Directory of the run; by default `runs/demo-HASH`, by a hash of its config."""
    report: bool = True
    """Make the HTML page of the run."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Train the preset `demo`, or find it trained."""
        from ._run import train_run

        start_jax(self.common.compile_cache)
        experiment = dataclasses.replace(PRESETS["demo"], seed=self.seed)
        return train_run(experiment, "demo", self.out, report=self.report, again=True)
