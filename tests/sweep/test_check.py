import gzip
import json
import pathlib

import numpy as np
import pytest
import scipy.stats


def line(space, row):
    """The line of the record that a row gives here."""
    from lengthwise.sweep import run_trial

    return json.loads(json.dumps(run_trial(space, row)))


@pytest.fixture(scope="module", autouse=True)
def remembered():
    """Trials that run once, whatever is compared with them: one after the other they take seconds."""
    from lengthwise.sweep import _check

    found, run = {}, _check.run_trial

    def run_trial(space, row):
        key = (space.digest, row.seed, row.twin, json.dumps(row.params))
        if key not in found:
            found[key] = json.dumps(run(space, row))
        return json.loads(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_check, "run_trial", run_trial)
        yield found


@pytest.fixture(scope="module")
def recorded(tiny):
    from lengthwise.sweep import design

    return [line(tiny, row) for row in design(tiny, 1, 0)]


def changed(recorded, *path, by=None, to=None):
    """A copy of a line with one number multiplied or replaced."""
    copy = json.loads(json.dumps(recorded))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to if by is None else place[path[-1]] * by
    return copy


def test_a_trial_again_is_equal_and_a_rounding_is_told_from_a_change(tiny, recorded, remembered):
    from lengthwise.sweep import check_trial

    same = check_trial(tiny, changed(recorded[1], "seconds", by=2.0))
    assert (same.equal, same.holds, same.differing) == (True, True, 0)
    assert same.numbers > 50
    rounded = changed(recorded[1], "weights", "raw", "log_tv_unseen", by=1 + 1e-6)
    near = check_trial(tiny, rounded)
    assert (near.equal, near.holds, near.differing) == (False, True, 1)
    assert near.largest == pytest.approx(1e-6 * -recorded[1]["weights"]["raw"]["log_tv_unseen"])
    assert "match but for rounding" in near.message
    for path in (
        ("weights", "BEMA", "by_length", "tv", 4),
        ("weights", "raw", "itr_unseen"),
        ("mediators", "displacement_ratio", 3),
    ):
        wrong = check_trial(tiny, changed(recorded[1], *path, by=1.01))
        assert not wrong.holds
        assert f"/{'/'.join(map(str, path))} is off by" in wrong.message
    assert not check_trial(tiny, recorded[1] | {"status": "diverged"}).holds
    assert not check_trial(tiny, recorded[1] | {"weights": recorded[0]["weights"]}).holds
    assert len(remembered) == 5  # as recorded, and four nudged


def test_what_was_not_measured_then_is_not_compared(tiny, recorded):
    from lengthwise.sweep import check_trial

    old = json.loads(json.dumps(recorded[0]))
    del old["mediators"]["gradient_noise"]
    assert check_trial(tiny, old).equal
    del old["params"]["model.width"]
    from lengthwise import InputError

    with pytest.raises(InputError, match=r"model\.width"):
        check_trial(tiny, old)


def test_prediction_intervals_hold_one_more_normal_sample():
    from lengthwise.sweep._check import tolerance

    rng, runs, level = np.random.default_rng(0), 4000, 0.05
    samples = rng.normal(3, 2, size=(runs, 6))
    outside = sum(abs(x[0] - x[1:].mean()) > tolerance(x[1:], level=level) for x in samples)
    low, high = scipy.stats.binom.interval(1 - 1e-4, runs, level)
    assert low <= outside <= high


def test_a_cloud_that_scatters_allows_as_much_and_texts_must_be_equal():
    from lengthwise.sweep._check import compare

    local = [{"/a/0": 1.0 + shift, "/status": "completed"} for shift in (0, 0.1, -0.1, 0.2, -0.2)]
    assert compare({"/a/0": 1.3, "/status": "completed"}, local) == []
    still = [{"/a/0": 1.0, "/status": "completed"}] * 5
    assert "rounding allows 1e-05" in compare({"/a/0": 1.3, "/status": "completed"}, still)[0]
    assert "diverged" in compare({"/a/0": 1.0, "/status": "diverged"}, still)[0]
    assert compare({"/status": "completed"}, still) == ["/a/0 is None, here 1.0"]


def test_command_checks_a_compressed_record(call, tiny, recorded, capsys):
    from lengthwise._core import write_json

    record = pathlib.Path("record")
    write_json(record / "space.json", tiny.to_json())
    write = lambda lines: (record / "trials.jsonl.gz").write_bytes(
        gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode())
    )
    write(recorded)
    argv = ["sweep", "check", "record", "--trials", "9", "--no-compile-cache"]
    values = call(argv)
    assert (values["matching"], values["equal"]) == (2, 2)
    assert [check["trial"] for check in values["checks"]] == [0, 1]
    write([recorded[0], changed(recorded[1], "weights", "raw", "log_tv_unseen", by=1.1)])
    values = call(argv, 5)
    assert (values["matching"], values["equal"]) == (1, 1)
    assert call([*argv[:3], "--trials", "0"], 2)["error"].startswith("`trials >= 1`")
    assert "space.json" in call(["sweep", "check", "nowhere"], 4)["error"]
