"""Optuna, which the extra `sweep` installs: a command asks for it before it imports what does."""

import importlib.util

from .._core import InputError


def require_optuna() -> None:
    """Refuse to begin without Optuna.

    **Raises:** `InputError` if it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "`optuna` must be installed for this, but it is not: run "
            "`pip install 'lengthwise[sweep]'`."
        )
