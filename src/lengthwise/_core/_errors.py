"""The errors a user meets: the condition, the values and the remedy, in one sentence."""


class LengthwiseError(Exception):
    """Base of every error that `lengthwise` raises on purpose; the CLI prints it as one line."""

    exit_code = 1


class InputError(LengthwiseError, ValueError):
    """Something given to the library cannot be used as it is."""

    exit_code = 2


class StorageError(LengthwiseError):
    """A run directory, checkpoint or file cannot be read or written; nothing was lost."""

    exit_code = 4


def require(condition: bool, rule: str, remedy: str, **values: object) -> None:
    """Refuse bad input unless `condition` holds.

    **Arguments:**

    - `condition`: what must be true, evaluated on static values.
    - `rule`: the condition in words, usually as code in backticks.
    - `remedy`: what to change.
    - `values`: the names and values that the rule speaks of.

    **Raises:** `InputError`: "`rule` must hold, but got (name=value): remedy."
    """
    if not condition:
        got = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise InputError(f"{rule} must hold, but got ({got}): {remedy}.")
