"""`lengthwise train`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from .._core import Component, InputError
from ..training import ExperimentConfig
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._distributed import Distributed, DistributedOptions
from ._experiment import choose_preset, option, with_own_classes
from ._parse import parse


@dataclass(frozen=True)
class Train:
    """Train a model from a preset, with any of its fields changed, and measure it.

    A MODULE:CLASS is looked for in the current directory too.
    - Its fields may follow in JSON: `--model 'mypkg.attn:MyAttention {"bits": 3}'`.
    - The options below change with PRESET, `--task` and `--model`.
    """

    experiment: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    preset: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="PRESET")] = "demo"
    """`demo`; `minimal`, the theory's model, trained on lengths 1 and 2; `solved`, at every
    length, by proof; `othello`, `othello-gpt1`, and `othello8` for GPUs; `gpt1` and `mingpt`, small;
    `tiny`, for tries."""
    task_class: Annotated[str | None, tyro.conf.arg(name="task", metavar="MODULE:CLASS")] = None
    """Your own task, or config whose `build()` makes one; its fields become `--task.FIELD`."""
    model_class: Annotated[str | None, tyro.conf.arg(name="model", metavar="MODULE:CLASS")] = None
    """Your own model config (`build(sizes, key=)`), or the transformer's attention or positions."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A new directory for the run; by default `runs/PRESET-HASH`, by a hash of its config."""
    resume: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Go on with the run in this directory instead, from its newest checkpoint."""
    report: bool = True
    """Make the HTML page of the run."""
    loggers: Annotated[tuple[Component, ...], tyro.conf.arg(metavar="[MODULE:CLASS ...]")] = ()
    """Where else progress is sent, such as `lengthwise.loggers:TensorBoard`."""
    distributed: Distributed = DistributedOptions()
    common: Common = CommonOptions()

    @classmethod
    def parse(cls, argv: list[str], *, prog: str) -> "Train":
        """Look at the preset and at `--task` and `--model` first: they say which options exist."""
        name = argv[0] if argv and not argv[0].startswith("-") else "demo"
        preset = choose_preset(name)
        default = with_own_classes(preset, option(argv, "task"), option(argv, "model"))
        command = parse(cls, argv, prog=prog, default=cls(default))
        if command.preset != name:
            raise InputError(
                f"The preset must come before the options, but got ({command.preset}) after them: "
                f"write `{prog} {command.preset} ...`."
            )
        if command.resume is not None and (command.experiment != preset or command.out):
            raise InputError(
                f"`--resume {command.resume}` goes on with that run's own config, but other "
                "options are given too: leave them out, or start a new run with them."
            )
        return command

    def run(self) -> Outcome:
        """Train or resume; the run directory has everything that is shown."""
        from ._run import resume_run, train_run

        start_jax(self.common.compile_cache)
        self.distributed.join()
        own = [component.build() for component in self.loggers]
        if self.resume is not None:
            return resume_run(self.resume, own, report=self.report)
        return train_run(self.experiment, self.preset, self.out, own, report=self.report)
