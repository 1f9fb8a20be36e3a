from ._certificate import (
    certificate_table as certificate_table,
    plot_certificate as plot_certificate,
)
from ._chart import Panel as Panel, compose as compose
from ._html import render as render
from ._plots import plot_by_length as plot_by_length
from ._probes import plot_probes as plot_probes, probe_table as probe_table
from ._seeds import over_seeds as over_seeds, plot_seeds as plot_seeds
from ._style import INK as INK, PALETTE as PALETTE, Key as Key
from ._sweep_effects import sweep_effects as sweep_effects
from ._sweep_importances import importances_table as importances_table
from ._sweep_noise import (
    correlations_table as correlations_table,
    noise_correlations as noise_correlations,
)
from ._sweep_page import (
    SweepResults as SweepResults,
    render_sweep as render_sweep,
    write_sweep_page as write_sweep_page,
)
from ._sweep_replicates import (
    read_replicates as read_replicates,
    replication as replication,
    replication_table as replication_table,
)
from ._sweep_table import effects_table as effects_table
from ._sweep_trials import Sweep as Sweep, read_trials as read_trials, sweep_of as sweep_of
from ._sweep_verdict import verdicts as verdicts
from ._terminal import summary_table as summary_table
from ._theory_plots import plot_prediction as plot_prediction
