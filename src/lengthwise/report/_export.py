"""Figures as bytes: SVG for a page, and SVG, PNG, PDF and CSV files. Equal input, equal bytes."""

import html
import io
import pathlib
import re
import warnings
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from .._core import write_bytes, write_csv
from ._chart import Chart, Panel, draw_chart, draw_panel
from ._style import house_style


FONTS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', "
    "sans-serif"
)
_NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def write_chart(chart: Chart, folder: pathlib.Path) -> None:
    """Write `NAME.svg`, `NAME.png`, `NAME.pdf` and `NAME.csv` into `folder`."""
    figure = draw_chart(chart)
    for kind in _NO_DATES:
        data = to_bytes(figure, kind, title=chart.title)
        write_bytes(folder / f"{chart.name}.{kind}", data)
    write_csv(folder / f"{chart.name}.csv", chart.rows)


def to_bytes(figure: Figure, kind: str, *, title: str) -> bytes:
    """A figure as "svg", "png" or "pdf", without dates or versions."""
    buffer = io.BytesIO()
    about = _NO_DATES[kind] | {"Title": title}
    with house_style(), warnings.catch_warnings():
        # Layout only: a viewer of the SVG has fonts of its own for other scripts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format=kind, metadata=about, dpi=200)
    data = buffer.getvalue()
    return _with_fonts(data.decode()).encode() if kind == "svg" else data


def inline_svg(panel: Panel, *, name: str, title: str) -> Markup:
    """A panel as an `<svg>` element that scales with its box.

    Ids get the prefix `name`, which must be unique on the page; `title` is read aloud.
    """
    text = to_bytes(draw_panel(panel), "svg", title=title).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<title>.*?</title>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert size is not None, "Matplotlib writes a viewBox"
    head = (
        f'<svg role="img" aria-labelledby="{name}-title" viewBox="0 0 {size[1]} {size[2]}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{html.escape(title)}</title>'
    )
    return Markup(head + text[text.index(">") + 1 :])


def _with_fonts(svg: str) -> str:
    """Name the reader's own fonts; those that the layout was computed with are wider than most."""
    return re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
