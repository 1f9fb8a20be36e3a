"""A run on four devices is the run on one: see data_parallel.py."""

import json
import pathlib
import subprocess
import sys

import pytest


pytestmark = pytest.mark.slow  # test_processes.py, two processes in place of devices, is not
SCRIPT = pathlib.Path(__file__).with_name("data_parallel.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    command = [sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("runs"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["devices"] == 4
    return found


@pytest.mark.parametrize("task", ["device", "host"])
def test_equals_one_device_in_float64_with_dropout(found, task):
    # The host's task in micro-batches too. Sums over devices are taken in another order. Adam divides a
    # gradient by its own size, so that rounding of entries near zero grows: the bound of 1e-10 is the
    # issue's, 2e-12 is what was measured.
    assert found[task] < 1e-10
    assert found[f"{task}_traces"] == 1


@pytest.mark.parametrize("task", ["device", "host"])
def test_each_device_computes_with_its_rows_and_sends_sums_alone(found, task):
    program = found[f"{task}_program"]
    assert program["sends"] == ["all-reduce"]
    # Two examples of five positions, or one in each micro-batch, of the eight or four.
    own, all_rows = (10, 40) if task == "device" else (5, 20)
    assert own in program["rows"]
    assert all_rows not in program["rows"]
    assert program["same_placing"]  # else the second chunk would be compiled anew
    assert program["feed_shards"] == (None if task == "device" else [10, 2, 1, 5])


def test_resuming_on_four_devices_gives_the_same_bytes(found):
    assert found["resumed"] == [True] * 4


def test_as_many_devices_as_divide_the_rows_are_used(found):
    assert found["record"] == "4 x cpu (cpu)"
    assert found["6 rows"] == "3 of 4 x cpu (cpu)"
    assert found["7 rows"] == "1 of 4 x cpu (cpu)"


def test_given_devices_that_do_not_divide_the_rows_are_refused(found):
    assert found["three"].startswith("`batch_size / accumulate % devices == 0` must hold")
    assert "batch_size=8, accumulate=1, devices=3" in found["three"]
    assert "devices=0" in found["none"]
