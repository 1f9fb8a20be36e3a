"""Checkpoints: a safetensors file, and a JSON file that says it is whole.

The JSON is written after the arrays and names their SHA-256, so that a process killed at any moment
leaves either a whole checkpoint or a file that no one takes for one.
"""

import hashlib
import json
import pathlib
import warnings
from typing import Any

from .._core import (
    InputError,
    RunFiles,
    StorageError,
    read_json,
    storage_errors,
    write_bytes,
    write_json,
)
from ._chunk import TrainState
from ._weights import tree_from_bytes, tree_to_bytes


class DamagedCheckpoint(UserWarning):
    """The newest checkpoint cannot be read; the one before it is used."""


def config_hash(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits that change with anything in a run's `config.json`."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


def save_checkpoint(
    files: RunFiles, state: TrainState, config: dict[str, Any], extra: dict[str, Any], *, keep: int
) -> None:
    """Write a checkpoint, then remove all but the `keep` newest.

    **Arguments:**

    - `files`: of the run.
    - `state`: what to save.
    - `config`: the run's `config.json`.
    - `extra`: JSON values that come back from `load_checkpoint`, such as the time used so far.
    - `keep`: how many to keep. (Keyword only argument.)
    """
    step = int(state.step)
    stem = files.checkpoints / f"step-{step:09d}"
    data = tree_to_bytes(state)
    write_bytes(stem.with_suffix(".safetensors"), data)
    about = {"step": step, "sha256": hashlib.sha256(data).hexdigest(), "extra": extra}
    write_json(stem.with_suffix(".json"), about | {"config": config_hash(config)})
    for old in _whole(files.checkpoints)[keep:]:
        with storage_errors(old):
            old.unlink(missing_ok=True)  # the JSON first: without it, the arrays are no checkpoint
            old.with_suffix(".safetensors").unlink(missing_ok=True)


def load_checkpoint(
    files: RunFiles, like: TrainState, config: dict[str, Any]
) -> tuple[TrainState, dict[str, Any]]:
    """The newest whole checkpoint, and its `extra`.

    A damaged one is named by a `DamagedCheckpoint` warning, and the one before it is used.

    **Raises:** `StorageError` if none is whole, `InputError` if it was written by another config.
    """
    for path in _whole(files.checkpoints):
        arrays = path.with_suffix(".safetensors")
        try:
            about = read_json(path)
            with storage_errors(arrays):
                data = arrays.read_bytes()
            if hashlib.sha256(data).hexdigest() != about["sha256"]:
                raise StorageError(f"`{arrays}` is damaged: its checksum differs.")
        except (StorageError, KeyError, TypeError) as error:
            warnings.warn(f"{error} The checkpoint before it is used.", DamagedCheckpoint, 2)
            continue
        if about["config"] != config_hash(config):
            raise InputError(
                f"`{arrays}` must be of this run's config, but got (checkpoint={about['config']}, "
                f"config={config_hash(config)}): restore the `config.json` that it was written with."
            )
        return tree_from_bytes(data, like, source=str(arrays)), about["extra"]
    raise StorageError(
        f"`{files.checkpoints}` must hold a whole checkpoint, but none is: start the run anew."
    )


def _whole(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("step-*.json"), reverse=True)
