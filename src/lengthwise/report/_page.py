"""What every page shares: its templates, and charts as inline SVG."""

from typing import Any

import jinja2

from ._chart import Chart
from ._export import inline_svg


def page(template: str, **values: Any) -> str:
    """The page of a template in `templates`, as text; every name that it reads must be given."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lengthwise.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def chart_view(chart: Chart) -> dict[str, Any]:
    """A chart for `charts.html`, its panels drawn one by one."""
    svgs = [
        inline_svg(panel, name=f"{chart.name}{i}", title=f"{chart.title}. {panel.title}")
        for i, panel in enumerate(chart.panels)
    ]
    return {"svgs": svgs} | {
        name: getattr(chart, name) for name in ("name", "title", "caption", "columns", "keys")
    }
