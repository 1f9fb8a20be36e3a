"""Strict JAX, settled hypothesis. `lengthwise` is not imported here: the type hook comes first."""

import itertools as it
import os

import hypothesis
import jax
import jax.random as jr
import pytest


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Compiling is most of the suite's time, and its models are too small to need optimized programs.
jax.config.update("jax_disable_most_optimizations", True)

hypothesis.settings.register_profile(
    "lengthwise", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("lengthwise")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """The folder of the compiled programs of commands, shared by the tests of a session alone."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def place(tmp_path, monkeypatch, compiled):
    """An empty current directory, 80 columns, and `compiled` as the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LENGTHWISE_CACHE", str(compiled))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return tmp_path


@pytest.fixture
def getkey():
    """A function that gives another key at each call, the same ones in every run."""
    seeds = it.count()
    return lambda: jr.key(next(seeds))
