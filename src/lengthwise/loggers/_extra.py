"""Packages that only a logger needs, imported when one is constructed."""

import importlib
from typing import Any

from .._core import InputError


def import_extra(package: str, *, extra: str) -> Any:
    """The module `package`.

    **Raises:** `InputError` naming the extra that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"`{package}` must be installed for this logger, but got ({error}): run "
            f"`pip install 'lengthwise[{extra}]'`."
        ) from None
