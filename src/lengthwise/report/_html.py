"""The page: charts and tables in one HTML file that needs nothing else."""

import pathlib
from collections.abc import Sequence

from .._core import write_bytes
from ._chart import Chart
from ._displacement import displacement_charts
from ._export import write_chart
from ._heatmap import heatmap_charts
from ._load import Run, load_runs
from ._page import chart_view, page
from ._plots import length_charts
from ._probes import probe_charts
from ._summary import summary_sentence
from ._tables import SUMMARY, differing, length_view, provenance_view, summary_view
from ._training import training_charts


def render(runs: Sequence[str | pathlib.Path], out: str | pathlib.Path) -> pathlib.Path:
    """Compare run directories on one self-contained page, with every figure as files beside it.

    **Arguments:**

    - `runs`: run directories, one or several; finished, diverged, interrupted or under way.
    - `out`: the folder to write `index.html` and `figures/NAME.{svg,png,pdf,csv}` into. Files of
      these names are replaced.

    **Returns:** the path of the page.

    **Raises:** `StorageError` for a directory that holds no run or a damaged one, or if `out`
    cannot be written.

    **Example:** `render(["runs/demo"], "report")`
    """
    out = pathlib.Path(out)
    loaded = load_runs(runs)
    found = charts(loaded)
    for chart in found:
        write_chart(chart, out / "figures")
    path = out / "index.html"
    write_bytes(path, to_html(loaded, found).encode())
    return path


def charts(runs: Sequence[Run]) -> list[Chart]:
    """Every figure that the runs have data for."""
    makers = (length_charts, displacement_charts, probe_charts, heatmap_charts, training_charts)
    return [chart for make in makers for chart in make(runs)]


def to_html(runs: Sequence[Run], found: Sequence[Chart]) -> str:
    """The page as text."""
    columns, rows = length_view(runs)
    return page(
        "report.html",
        title=", ".join(run.name for run in runs),
        sentence=summary_sentence(runs),
        notes=[note for run in runs for note in run.notes],
        several=len(runs) > 1,
        names=[run.name for run in runs],
        summary_columns=SUMMARY,
        summary=summary_view(runs),
        differing=differing(runs),
        charts=[chart_view(chart) for chart in found],
        length_columns=columns,
        length_rows=rows,
        provenance=[(run.name, provenance_view(run)) for run in runs],
    )
