"""`lengthwise evaluate`."""

import dataclasses
import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from ..evaluation import EvaluationConfig
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class Evaluate:
    """Measure the weights of a run anew: raw and every average, at every length."""

    path: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="RUN")]
    """Run directory."""
    evaluation: Annotated[EvaluationConfig, tyro.conf.arg(name="")] = EvaluationConfig()
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A CSV file for every metric at every length, with intervals."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Load every set of weights, and measure it on the same examples."""
        from .._core import read_run, write_csv
        from ._show import show_table

        start_jax(self.common.compile_cache)
        from ._evaluate_run import evaluate_run  # imports JAX

        record = read_run(self.path)
        result = evaluate_run(self.path, self.evaluation)
        if self.out is not None:
            write_csv(self.out, result.rows())
        summary = result.summary()
        measured = record.record | {"summary": summary}
        show_table(dataclasses.replace(record, record=measured, evaluation=result.rows()))
        values = {"directory": str(self.path), "summary": summary}
        if self.out is not None:
            print(f"table   {self.out}")
            values["table"] = str(self.out)
        return Outcome(ExitCode.COMPLETED, values)
