"""Claims are files: found in a folder, each with a `CLAIM`. No JAX."""

import functools as ft
import importlib.util
import pathlib
import re
from dataclasses import dataclass

from .._core import InputError, LengthwiseError, StorageError
from ._claim import Claim


PATTERN = "c[0-9]*_*.py"


@dataclass(frozen=True)
class Found:
    """A claim and its file."""

    claim: Claim
    path: pathlib.Path


def find_claims(folder: pathlib.Path) -> dict[str, Found]:
    """The claims of a folder by name, in the order of their numbers.

    **Raises:** `StorageError` if there are none, `InputError` if two have one name.
    """
    paths = sorted(folder.glob(PATTERN), key=_number)
    if not paths:
        raise StorageError(
            f"`{folder}` must hold claims (`{PATTERN}`), but it does not: they come with a clone of the "
            "repository or the source distribution, not with the wheel; run this there, or name their "
            "folder by `--experiments`."
        )
    found: dict[str, Found] = {}
    for path in paths:
        claim = load_claim(path)
        if claim.name in found:
            raise InputError(
                f"Claims must have names of their own, but `{path}` and `{found[claim.name].path}` "
                f"are both {claim.name}: rename one."
            )
        found[claim.name] = Found(claim, path)
    return found


@ft.lru_cache
def load_claim(path: pathlib.Path) -> Claim:
    """The `CLAIM` of a file, which is run once in each process.

    **Raises:** `InputError` if it has none.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except LengthwiseError:
        raise
    except Exception as error:
        raise InputError(
            f"`{path}` must be a Python file that can be run, but it ends in {error!r}: mend it, or give "
            "it a name that is not a claim's."
        ) from error
    claim = getattr(module, "CLAIM", None)
    if not isinstance(claim, Claim):
        raise InputError(
            f"`{path}` must define `CLAIM`, a `lengthwise.reproduce.Claim`, but got ({claim!r}): "
            "write it, or give the file a name that is not a claim's."
        )
    return claim


def _number(path: pathlib.Path) -> tuple[int, str]:
    digits = re.match(r"c(\d+)", path.stem)
    return (int(digits[1]) if digits else 0, path.stem)
