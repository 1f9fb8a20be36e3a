"""`lengthwise export`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class Export:
    """Write one set of weights of a run with its config, for this or another tool."""

    path: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="RUN")]
    """Run directory."""
    out: Annotated[pathlib.Path, tyro.conf.arg(metavar="DIR")]
    """A new directory for `weights.safetensors` and `config.json`."""
    weights: str = "raw"
    """Which weights: raw, or the name of an average."""
    layout: Literal["lengthwise", "mingpt", "transformer-lens", "transformer-lens-4"] = "lengthwise"
    """lengthwise: our own, any model. mingpt: OthelloGPT's. transformer-lens: that of 3.x, which 4.x can
    convert. transformer-lens-4: that of its `boot_native`."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Load the weights, write them, say where."""
        start_jax(self.common.compile_cache)
        from .._core import read_run
        from ..interop import WEIGHTS, export_model
        from ..training import load_config
        from ._evaluate_run import load_model

        model, seen = load_model(self.path, self.weights)
        task, *_ = load_config(read_run(self.path).config)
        about = export_model(
            self.out, model, task, layout=self.layout, weights=self.weights, seen=seen
        )
        files = {"weights": self.out / WEIGHTS, "config": self.out / "config.json"}
        for name, path in files.items():
            print(f"{name:7} {path}")
        places = {f"{name}_file": str(path) for name, path in files.items()}
        return Outcome(ExitCode.COMPLETED, about | {"directory": str(self.out)} | places)
