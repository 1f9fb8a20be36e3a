"""JAX's persistent compilation cache, on by default for the command line."""

import hashlib
import os
import pathlib
import platform
import sys


def start_jax(compile_cache: bool) -> None:
    """Import JAX, with compiled programs kept between runs unless that is switched off.

    `LENGTHWISE_CACHE` names the folder or is `off`; a `JAX_COMPILATION_CACHE_DIR` of the user's own
    is left alone.
    """
    import jax

    wanted = os.environ.get("LENGTHWISE_CACHE", "")
    if not compile_cache or wanted.lower() in ("off", "0"):
        jax.config.update("jax_enable_compilation_cache", False)
        return
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = _folder(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"lengthwise: no compilation cache in {folder} ({error.strerror})", file=sys.stderr)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def _folder(wanted: str) -> pathlib.Path:
    """One folder for each JAX version and kind of CPU: compiled code must not move between them."""
    from importlib import metadata  # slow to import, and `--help` does not need it

    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    home = pathlib.Path(wanted) if wanted else base / "lengthwise"
    version = metadata.version("jaxlib")
    return home / f"jax-{version}-{hashlib.sha256(_cpu().encode()).hexdigest()[:8]}"


def _cpu() -> str:
    """The CPU's model and instruction sets."""
    about = pathlib.Path("/proc/cpuinfo")
    if not about.exists():
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features")
    lines = [line for line in about.read_text().splitlines() if line.startswith(wanted)]
    return "\n".join(sorted(set(lines)))
