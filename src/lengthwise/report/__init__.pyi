from ._html import render as render
from ._plots import plot_by_length as plot_by_length
from ._terminal import summary_table as summary_table
