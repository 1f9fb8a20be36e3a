from importlib import metadata

import jax
import pytest

from lengthwise.cli._cache import start_jax


NAMES = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
)


def value(name):
    return getattr(jax.config, name)


@pytest.fixture(autouse=True)
def restored():
    before = {name: value(name) for name in NAMES}
    for name, default in zip(NAMES, (None, True, 1.0), strict=True):
        jax.config.update(name, default)
    yield
    for name, old in before.items():
        jax.config.update(name, old)


def test_folder_is_keyed_by_version_and_cpu(place, monkeypatch):
    monkeypatch.delenv("LENGTHWISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    start_jax(True)
    [folder] = (place / "cache" / "lengthwise").iterdir()
    assert value("jax_compilation_cache_dir") == str(folder)
    assert folder.name.startswith(f"jax-{metadata.version('jaxlib')}-")
    assert value("jax_persistent_cache_min_compile_time_secs") == 0.3
    monkeypatch.setattr("lengthwise.cli._cache._cpu", lambda: "another")
    start_jax(True)
    assert len(list((place / "cache" / "lengthwise").iterdir())) == 2


@pytest.mark.parametrize(("variable", "option"), [("off", True), ("somewhere", False)])
def test_can_be_switched_off(variable, option, place, monkeypatch):
    monkeypatch.setenv("LENGTHWISE_CACHE", variable)
    start_jax(option)
    assert not value("jax_enable_compilation_cache")
    assert not any(place.iterdir())


def test_a_folder_that_cannot_be_made_is_no_error(place, monkeypatch, capsys):
    (place / "file").write_text("")
    monkeypatch.setenv("LENGTHWISE_CACHE", str(place / "file"))
    start_jax(True)
    assert value("jax_compilation_cache_dir") is None
    assert "no compilation cache" in capsys.readouterr().err


def test_the_users_own_is_left_alone(monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/elsewhere")
    start_jax(True)
    assert value("jax_compilation_cache_dir") is None
