"""`lengthwise import`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from .._core import Component
from ..evaluation import EvaluationConfig
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome


@dataclass(frozen=True)
class Import:
    """Make a run of weights from elsewhere: exported, minGPT or TransformerLens.

    - It has no training steps and one set of weights, `raw`, measured at once.
    - `evaluate`, `report`, `certify` and `export` read it as any run.
    """

    source: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR_OR_FILE")]
    """A directory with weights.safetensors and config.json, or a .safetensors, .ckpt, .pt or .pth."""
    out: Annotated[pathlib.Path, tyro.conf.arg(metavar="DIR")]
    """A new directory for the run."""
    task: Annotated[str | None, tyro.conf.arg(metavar="MODULE:CLASS")] = None
    """What it was trained on, where no config says; by default Othello, on the board of its vocabulary."""
    heads: int | None = None
    """Attention heads, where neither the arrays nor a config say (8 in the published OthelloGPT)."""
    gelu: Literal["exact", "tanh"] | None = None
    """The MLP's GELU, where no config says (exact in the published OthelloGPT)."""
    seen: int | None = None
    """Longest training length, where no config says; by default the task's longest."""
    torch_python: str | None = None
    """An interpreter with PyTorch and safetensors, for .ckpt, .pt and .pth; by default this one."""
    evaluation: Annotated[EvaluationConfig, tyro.conf.arg(name="")] = EvaluationConfig()
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Read, check, measure, write."""
        start_jax(self.common.compile_cache)
        from ..interop import import_model, write_run
        from ..training import ExperimentConfig, build_task
        from ._show import show_run

        task = None
        if self.task is not None:
            task = build_task(ExperimentConfig(Component.of(self.task).build(), model=None))
        found = import_model(
            self.source,
            task=task,
            heads=self.heads,
            gelu=self.gelu,
            seen=self.seen,
            torch_python=self.torch_python,
        )
        write_run(self.out, found, self.evaluation)
        print(f"layout  {found.layout}, weights {found.weights}")
        return show_run(self.out, report=False)
