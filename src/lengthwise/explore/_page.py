"""The page, one file with all that it needs."""

import secrets
from collections.abc import Mapping
from typing import Any

from .._core import render_template


def page(about: Mapping[str, Any]) -> tuple[str, str]:
    """The page of a run as text, and the nonce that its script and style carry.

    **Arguments:**

    - `about`: what `Explorer.about` says.
    """
    nonce = secrets.token_urlsafe(16)
    return render_template("lengthwise.explore", "play.html", about=about, nonce=nonce), nonce
