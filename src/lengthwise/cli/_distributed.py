"""One run by several processes, on one machine or on many."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from .._core import InputError


@dataclass(frozen=True)
class DistributedOptions:
    """Every process is given the same command, but for its index."""

    distributed: tyro.conf.FlagCreatePairsOff[bool] = False
    """One of several processes that find each other (Slurm, Open MPI, Kubernetes, TPU)."""
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT")] = None
    """Where they do not: a free port of the host of process 0; with the next two."""
    processes: int | None = None
    """How many there are."""
    process_index: int | None = None
    """Which one this is, from 0 on; process 0 alone writes the run."""

    def join(self) -> None:
        """Wait for the other processes, if there are any; before anything is computed.

        **Raises:** `InputError` if they are not all named, or cannot be found.
        """
        given = {
            "coordinator": self.coordinator,
            "processes": self.processes,
            "process-index": self.process_index,
        }
        missing = [f"--{name}" for name, value in given.items() if value is None]
        if len(missing) == len(given) and not self.distributed:
            return
        if missing and len(missing) < len(given):
            named = " ".join(f"--{n} {v}" for n, v in given.items() if v is not None)
            raise InputError(
                f"`--coordinator`, `--processes` and `--process-index` must be given together, but "
                f"got ({named}): add {' and '.join(missing)}."
            )
        import jax

        try:
            jax.distributed.initialize(self.coordinator, self.processes, self.process_index)
        except (ValueError, RuntimeError) as error:
            about = str(error).splitlines()[0].rstrip(".")
            if any(words in about for words in ("must be called before", "only be called once")):
                raise InputError(
                    "The processes of a run must find each other before anything is computed, but this "
                    "one has used JAX already: start each by a command of its own, or call "
                    "`jax.distributed.initialize` first and leave the options out."
                ) from None
            raise InputError(
                f"The processes of a run must find each other, but did not ({about}): give each "
                "`--coordinator HOST:PORT --processes N --process-index I`."
            ) from None


Distributed = Annotated[DistributedOptions, tyro.conf.arg(name="")]
