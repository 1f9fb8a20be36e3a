"""The page, one file with all that it needs."""

import secrets
from collections.abc import Mapping
from typing import Any

import jinja2


def page(about: Mapping[str, Any]) -> tuple[str, str]:
    """The page of a run as text, and the nonce that its script and style carry.

    **Arguments:**

    - `about`: what `Explorer.about` says.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lengthwise.explore"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    nonce = secrets.token_urlsafe(16)
    return environment.get_template("play.html").render(about=about, nonce=nonce), nonce
