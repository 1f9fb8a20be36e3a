"""What every page shares: its templates, and charts as inline SVG."""

from typing import Any

from .._core import render_template
from ._chart import Chart
from ._export import inline_svg


def page(template: str, **values: Any) -> str:
    """The page of a template in `templates`, as text; every name that it reads must be given."""
    return render_template("lengthwise.report", template, **values)


def chart_view(chart: Chart) -> dict[str, Any]:
    """A chart for `charts.html`, its panels drawn one by one."""
    svgs = [
        inline_svg(panel, name=f"{chart.name}{i}", title=f"{chart.title}. {panel.title}")
        for i, panel in enumerate(chart.panels)
    ]
    return {"svgs": svgs} | {
        name: getattr(chart, name) for name in ("name", "title", "caption", "columns", "keys")
    }
