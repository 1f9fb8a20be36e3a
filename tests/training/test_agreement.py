"""What process 0 says to the others, with the broadcast played by one process; see test_processes.py."""

import inspect
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.training import (
    Devices,
    _interrupts,
    _processes,
    by_first,
    choose_devices,
    devices_in_words,
)


CONFIG = lw.TrainingConfig(lengths=lw.FixedLength(2))


@pytest.fixture
def both(monkeypatch):
    """What `by_first` raises in process 0, and then in process 1."""

    def both(action):
        sent, raised = [], []
        for index in (0, 1):
            monkeypatch.setattr(jax, "process_count", lambda: 2)
            monkeypatch.setattr(jax, "process_index", lambda index=index: index)
            send = lambda data, index=index: sent.append(data) or data if index == 0 else sent[0]
            monkeypatch.setattr(_processes, "_broadcast", send)
            with pytest.raises(Exception) as caught:  # noqa: PT011  # of whatever type
                by_first(action)
            raised.append(caught.value)
        return raised

    return both


@pytest.mark.parametrize("kind", [lw.InputError, lw.StorageError])
def test_a_refusal_is_raised_as_what_it_is_in_every_process(both, kind):
    def refuse():
        raise kind("`a` must hold.")

    first, second = both(refuse)
    assert type(first) is type(second) is kind
    assert str(first) == str(second) == "`a` must hold."


def test_any_other_error_reaches_every_process(both):
    error = OSError("no network")

    def fail():
        raise error

    first, second = both(fail)
    assert first is error
    assert str(second) == "Process 0 failed (OSError: no network): see what it printed."
    first, second = both(lambda: object())  # cannot be sent
    assert isinstance(first, TypeError)
    assert "Process 0 failed (TypeError: " in str(second)


@pytest.mark.parametrize("size", [0, 1, 2**32 - 1, 2**32, 5 * 2**32 + 7])
def test_a_size_of_any_length_is_sent_whole(size):
    halves = _processes._halves(size)
    assert halves.dtype == "uint32"  # which JAX keeps
    assert _processes._whole(np.asarray(jnp.asarray(halves))) == size


def test_the_default_device_alone_is_the_program_of_one_device():
    default, others = jax.devices()[0], jax.devices()[:1]
    assert choose_devices(CONFIG, others) is None
    assert choose_devices(CONFIG, (default,)) is None
    for named in (default, "cpu"):
        with jax.default_device(named):
            assert choose_devices(CONFIG, [jax.devices("cpu")[0]]) is None


def test_another_device_is_not_taken_for_the_default(monkeypatch):
    monkeypatch.setattr("lengthwise.training._devices._default_device", lambda: "another")
    found = choose_devices(CONFIG, jax.devices()[:1])
    assert isinstance(found, Devices)
    assert found.mesh.devices.tolist() == jax.devices()[:1]


def test_the_device_in_words_is_that_of_the_arrays(monkeypatch):
    class Other:
        platform, device_kind, id = "gpu", "Fast", 3

    class There:
        def devices(self):
            return {Other()}

    monkeypatch.setattr(jax, "devices", lambda platform=None: [Other()] * 4)
    in_words: Any = inspect.unwrap(devices_in_words)
    assert in_words(None, There()) == "1 of 4 x Fast (gpu)"


def test_a_handler_that_is_not_pythons_ends_as_the_default(monkeypatch):
    set_to, real = [], signal.signal
    given = lambda number, handler: set_to.append(handler)  # returns None, as for one of C
    monkeypatch.setattr(signal, "signal", given)
    with _interrupts.interrupts():
        pass
    monkeypatch.setattr(signal, "signal", real)
    assert set_to[1] == signal.SIG_DFL
