from ._certificate import (
    certificate_table as certificate_table,
    plot_certificate as plot_certificate,
)
from ._html import render as render
from ._plots import plot_by_length as plot_by_length
from ._terminal import summary_table as summary_table
from ._theory_plots import plot_prediction as plot_prediction
