"""`lengthwise othello probe`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from ..probes import ProbeConfig
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class OthelloProbe:
    """Read the board from the residual stream of a run's models by linear probes, at every move."""

    path: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="RUN")]
    """Run directory; the table and the page in it are written anew."""
    probes: Annotated[ProbeConfig, tyro.conf.arg(name="")] = ProbeConfig()
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Probe raw weights and every average, beside fresh weights, and show it on the page."""
        from .._core import RunFiles, sole_writer, write_csv
        from ..report import probe_table
        from ._show import make_report

        start_jax(self.common.compile_cache)
        from ..probes import probe  # imports JAX
        from ..training import stream
        from ._evaluate_run import load_run

        run = load_run(self.path)
        key = stream(run.key, "probes")
        found = probe(run.task, run.models, self.probes, seen=run.seen, key=key)
        table = RunFiles(self.path).probes
        with sole_writer(self.path):
            write_csv(table, found.rows)
        print(probe_table(found.rows))
        far = [f"{name} {layer}" for (name, layer), fit in found.fits.items() if not fit.converged]
        if far:
            print(f"not converged, raise `--iterations`: {', '.join(far)}")
        page = make_report([self.path], self.path / "report")
        print(f"table   {table}\nreport  {page}")
        values = {"directory": str(self.path), "table": str(table), "report": str(page)}
        return Outcome(ExitCode.COMPLETED, values | {"converged": not far, "rows": found.rows})
