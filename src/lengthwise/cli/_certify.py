"""`lengthwise certify`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from .._core import InputError
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


@dataclass(frozen=True)
class Certify:
    """Prove or refute, at every length and over all sequences, that a model solves the task."""

    target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_CONSTRUCTION")]
    """Run directory of a single-layer attention-only model, or a construction as text, such as
    'lengthwise.theory:Homogeneous {"vocab": 8}'."""
    weights: str = "raw"
    """Which weights of a run: raw, or the name of an average."""
    method: Literal["exact", "fast"] = "exact"
    """exact: the worst margin itself, O(v^4) a length. fast: a bracket of it, O(v^2) a length."""
    lengths: tuple[int, ...] | None = None
    """Lengths to certify; all by default."""
    tolerance: float | None = None
    """Largest total variation that still counts as solved; by default only margins are judged."""
    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A CSV file for the certificate."""
    figure: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A figure (svg, pdf or png) of the certificate."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Build or load the model, certify it, show the table."""
        from .._core import write_csv
        from ..report import certificate_table, plot_certificate

        start_jax(self.common.compile_cache)
        from ..theory import certify  # imports JAX

        model, name, seen = self._model()
        certificate = certify(
            model, lengths=self.lengths, method=self.method, tolerance=self.tolerance
        )
        rows = certificate.rows()
        print(certificate_table(rows))
        print(certificate.summary())
        if self.out is not None:
            write_csv(self.out, rows)
            print(f"table   {self.out}")
        if self.figure is not None:
            plot_certificate({name: rows}, seen=seen).savefig(self.figure)
            print(f"figure  {self.figure}")
        return Outcome(
            ExitCode.COMPLETED,
            {
                "target": self.target,
                "claim": certificate.claim,
                "summary": certificate.summary(),
                "certified": certificate.certified,
                "horizon": certificate.horizon,
                "first_vacuous": certificate.first_vacuous,
                "lengths": rows,
            },
        )

    def _model(self) -> tuple:
        """The model, its name, and the longest training length of a run."""
        from .._core import Component

        path = pathlib.Path(self.target)
        if path.exists():
            from ._evaluate_run import load_model

            model, seen = load_model(path, self.weights)
            return model, f"{path.name} {self.weights}", seen
        from ..theory import AbstractConstruction

        if ":" not in self.target:
            raise InputError(
                "`certify` takes a run directory or a construction, but got "
                f"({self.target!r}), which is neither: check the path, or write for example "
                "'lengthwise.theory:Homogeneous {\"vocab\": 8}'."
            )
        built = Component.of(self.target).build()
        if not isinstance(built, AbstractConstruction):
            raise InputError(
                f"A construction must be an `AbstractConstruction`, but got ({self.target!r}): name "
                "one of `lengthwise.theory`, or subclass it."
            )
        return built, type(built).__name__, None
