# pyright: reportMissingImports=false
"""A PyTorch checkpoint as safetensors: `python _torch_to_safetensors.py FILE.ckpt FILE.safetensors`.

A script for an interpreter that has PyTorch and safetensors; it needs neither JAX nor this library. The
file is read with `weights_only=True`, so that nothing that it names is run. It holds a state
dictionary, or one under `state_dict` or `model`. Exit status: 2 for a file that is none, 3 where
PyTorch or safetensors is missing, 4 for a file that cannot be read or written.
"""

import pathlib
import sys


def main(source: str, target: str) -> int:
    """Convert, or print one sentence about why not."""
    try:
        import safetensors.torch
        import torch
    except ImportError as error:
        print(f"{sys.executable} has no {error.name}", file=sys.stderr)
        return 3
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        print(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
        return 4
    for name in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not found:
        print(f"it holds no state dictionary but a {type(found).__name__}", file=sys.stderr)
        return 2
    other = [str(name) for name, x in found.items() if not isinstance(x, torch.Tensor)]
    if other:
        print(f"it holds other things than tensors ({', '.join(other[:3])})", file=sys.stderr)
        return 2
    # Copies, as tensors that share their memory are refused.
    tensors = {str(name): x.detach().clone().contiguous() for name, x in found.items()}
    try:
        pathlib.Path(target).write_bytes(safetensors.torch.save(tensors))
    except OSError as error:
        print(str(error), file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
