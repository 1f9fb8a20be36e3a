"""What a run reads from its directory when it begins or resumes, and what it writes at its end."""

from typing import Any

import equinox as eqx
import jax

from .._core import (
    SCHEMA,
    RunFiles,
    append_lines,
    provenance,
    read_csv,
    read_lines,
    write_bytes,
    write_csv,
    write_json,
)
from ..evaluation import forward_traces
from ._checkpoint import load_checkpoint
from ._chunk import TrainState, chunk_traces
from ._processes import by_first
from ._result import RunResult
from ._weights import save_weights


def restored(
    files: RunFiles, state: TrainState, described: dict[str, Any]
) -> tuple[TrainState, float, list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest checkpoint, the time used so far, and the tables up to there.

    The state is that of process 0, and the others' is left as it is.

    **Raises:** `StorageError` if there is no whole checkpoint.
    """
    found = [state]

    def read() -> list[Any]:
        found[0], extra = load_checkpoint(files, state, described)
        history = _rewind(files, int(found[0].step))
        return [extra["seconds"], history, read_lines(files.metrics)]

    seconds, history, metrics = by_first(read)
    return found[0], seconds, history, metrics


def write_result(files: RunFiles, result: RunResult, traces: dict[str, int], device: str) -> None:
    """The weights, the evaluation and the record of a run that ended.

    `traces` are the counts of compilations when it began, `device` says where it was trained.
    """
    for name, weights in result.models.items():
        save_weights(files.weights(name), weights)
    if result.evaluations:
        write_csv(files.evaluation, result.rows())
    count = sum(x.size for x in jax.tree.leaves(eqx.filter(result.models["raw"], eqx.is_array)))
    write_json(
        files.record,
        {
            "schema": SCHEMA,
            "status": result.status,
            "message": result.message,
            "steps": result.steps,
            "seen": result.seen,
            "length_label": result.length_label,
            "parameters": count,
            "initial_mass": result.initial_mass,
            "summary": result.summary(),
            "training_seconds": result.seconds,
            "compilations": {
                "chunk": chunk_traces() - traces["chunk"],
                "forward": forward_traces() - traces["forward"],
            },
            "device": device,
        }
        | provenance(),
    )


def _rewind(files: RunFiles, step: int) -> list[dict[str, Any]]:
    """Cut the tables back to the checkpoint at `step`; returns the history so far."""
    rows = [row for row in read_lines(files.metrics) if row["step"] <= step]
    write_bytes(files.metrics, b"")
    append_lines(files.metrics, rows)
    history = read_csv(files.history) if files.history.exists() else []
    return [row for row in history if row["step"] <= step]
