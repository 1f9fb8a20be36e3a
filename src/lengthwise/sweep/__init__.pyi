from ._check import Check as Check, check_trial as check_trial
from ._cost import predicted_seconds as predicted_seconds, trial_seconds as trial_seconds
from ._database import open_storage as open_storage, retried as retried
from ._design import (
    DESIGN as DESIGN,
    Row as Row,
    design as design,
    draw_row as draw_row,
    twin_of as twin_of,
)
from ._directory import SweepFiles as SweepFiles
from ._importances import importances as importances
from ._laws import (
    Choice as Choice,
    Conditional as Conditional,
    LogUniform as LogUniform,
    Uniform as Uniform,
)
from ._lease import Lease as Lease
from ._optuna import require_optuna as require_optuna
from ._population import Populations as Populations
from ._queue import take_from_the_front as take_from_the_front
from ._recorded import recorded_row as recorded_row
from ._replicate import (
    best_configurations as best_configurations,
    fresh_seed as fresh_seed,
    replicate_lines as replicate_lines,
    replicate_rows as replicate_rows,
)
from ._run_trial import run_trial as run_trial
from ._space import SearchSpace as SearchSpace, read_space as read_space
from ._spaces import SPACES as SPACES, default_space as default_space, named_space as named_space
from ._study import Study as Study, make_study as make_study, open_study as open_study
from ._workers import run_workers as run_workers, work_here as work_here
