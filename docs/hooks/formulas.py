"""Formulas become MathML when the site is built: a browser draws it without any script or download.

Arithmatex marks `$...$` and `$$...$$` in pages and docstrings, and latex2mathml translates them.
"""

import html
import re

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError


MARKED = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>'
    r'|<div class="arithmatex">\s*\\\[(?P<display>.*?)\\\]\s*</div>',
    flags=re.DOTALL,
)


def on_page_content(content, *, page, **_):
    """The page with every marked formula as MathML."""

    def translate(found):
        inline = found["inline"] is not None
        latex = html.unescape(found["inline"] if inline else found["display"]).strip()
        try:
            math = convert(latex, display="inline" if inline else "block")
        except Exception as error:
            raise PluginError(
                f"{page.file.src_uri}: `{latex}` is no formula: {error!r}."
            ) from error
        # A browser stretches a bar without a partner to the height of the line.
        math = math.replace("<mo>&#x0007C;</mo>", '<mo stretchy="false">&#x0007C;</mo>')
        # An unknown command is left as it stands: no reader wants to see that.
        if unknown := re.findall(r"\\[A-Za-z{}]+", math):
            raise PluginError(f"{page.file.src_uri}: {unknown} of `{latex}` is not translated.")
        return math

    return MARKED.sub(translate, content)
