"""Checkpoints of PyTorch, read by an interpreter that has it."""

import pathlib
import subprocess
import sys
import tempfile

from .._core import InputError, StorageError, storage_errors


SCRIPT = pathlib.Path(__file__).with_name("_torch_to_safetensors.py")
ENDINGS = (".ckpt", ".pt", ".pth")


def read_torch(path: str | pathlib.Path, *, python: str | None = None) -> bytes:
    """The tensors of a PyTorch checkpoint in the safetensors format.

    **Arguments:**

    - `path`: a `.ckpt`, `.pt` or `.pth` with a state dictionary; `torch.load` reads it with
      `weights_only=True`, so that nothing that it names is run.
    - `python`: an interpreter with PyTorch and safetensors; this one by default. (Keyword only argument.)

    **Raises:** `InputError` if the interpreter has no PyTorch, or the file is no state dictionary;
    `StorageError` if it is missing or damaged.
    """
    path, python = pathlib.Path(path), python or sys.executable
    with storage_errors(path):
        path.open("rb").close()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "weights.safetensors"
        command = [python, str(SCRIPT), str(path), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise InputError(
                f"`--torch-python` must be an interpreter with PyTorch and safetensors, but got "
                f"({python}): {error.strerror}."
            ) from None
        said = (done.stderr.strip().splitlines() or [""])[-1]
        if done.returncode == 3:
            raise InputError(
                f"`{path}` must be read by PyTorch, but {said}: name an interpreter that has PyTorch and "
                f"safetensors by `--torch-python`, or convert the file with it (`python {SCRIPT} "
                f"{path} weights.safetensors`)."
            )
        if done.returncode == 2:
            raise InputError(f"`{path}` must hold a PyTorch state dictionary, but {said}.")
        if done.returncode != 0:
            raise StorageError(
                f"`{path}` must be a whole PyTorch checkpoint of tensors alone, but it cannot be read "
                f"({said}): use another copy."
            )
        return out.read_bytes()
