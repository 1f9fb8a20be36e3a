"""`lengthwise sweep status`."""

import pathlib
from dataclasses import dataclass
from typing import Annotated

import tyro

from ._command import Common, CommonOptions, Outcome


@dataclass(frozen=True)
class SweepStatus:
    """Say how far a sweep is, and write the tables of what is done."""

    directory: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DIR")]
    """Directory of the sweep."""
    storage: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """Optuna's database, if its password is not known otherwise."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Read the study."""
        from ..sweep import require_optuna

        require_optuna()
        from ..sweep import SweepFiles, open_study
        from ._sweep_show import show_sweep

        files = SweepFiles(self.directory)
        name = files.study_name()
        return show_sweep(files, open_study(files.storage(self.storage), name))
