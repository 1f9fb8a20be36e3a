from ._cost import predicted_seconds as predicted_seconds
from ._database import open_storage as open_storage, retried as retried
from ._design import Row as Row, design as design, draw_row as draw_row, twin_of as twin_of
from ._directory import SweepFiles as SweepFiles
from ._laws import (
    Choice as Choice,
    Conditional as Conditional,
    LogUniform as LogUniform,
    Uniform as Uniform,
)
from ._run_trial import run_trial as run_trial
from ._space import SearchSpace as SearchSpace, read_space as read_space
from ._spaces import SPACES as SPACES, default_space as default_space, named_space as named_space
from ._study import (
    DESIGN as DESIGN,
    Study as Study,
    make_study as make_study,
    open_study as open_study,
)
from ._workers import run_workers as run_workers
