"""What the exit status of a command means; errors carry theirs in `LengthwiseError.exit_code`."""

import enum


class ExitCode(enum.IntEnum):
    """Exit statuses."""

    COMPLETED = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    DIVERGED = 3
    STORAGE = 4
    MISMATCH = 5
    INTERRUPTED = 130


EXIT_CODES_HELP = """Exit codes:
- 0: completed
- 1: a bug
- 2: bad input
- 3: the training diverged
- 4: a file or directory could not be read or written
- 5: a record does not match what was run again
- 130: interrupted by Ctrl-C; a run that had begun can be resumed"""


def exit_code(status: str) -> ExitCode:
    """The exit status for a run that ended with `status`."""
    return {"diverged": ExitCode.DIVERGED, "interrupted": ExitCode.INTERRUPTED}.get(
        status, ExitCode.COMPLETED
    )
