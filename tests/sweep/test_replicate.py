"""The best of many made again: which, with which seeds, and what is left of them."""

import json
import pathlib

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st


def luck(space, row):
    """A trial whose values are chance alone, a function of its seed."""
    del space
    rng = np.random.default_rng(row.seed)
    weights = {
        name: {"log_tv_unseen": float(rng.normal()), "by_length": {}} for name in ("raw", "EMA")
    }
    result = vars(row) | {"status": "completed", "message": "", "seconds": 1.0, "traces": 0}
    params = dict(row.params)
    rate = params.pop("hparams.dropout")
    params |= {f"hparams.dropout.{part}": rate for part in ("embedding", "attention", "residual")}
    return result | {"params": params, "weights": weights, "mediators": {}}


def results_of(space, draws=6):
    from lengthwise.sweep import design

    return [luck(space, row) for row in design(space, draws, 0)]


def test_best_are_the_lowest_of_all_pairs_and_each_configuration_once(tiny):
    from lengthwise.sweep import best_configurations

    results = results_of(tiny)
    results[3] |= {"status": "diverged", "weights": {}}
    results[5]["weights"]["raw"]["log_tv_unseen"] = None
    pairs = {
        (result["trial"], name): measured["log_tv_unseen"]
        for result in results
        for name, measured in result["weights"].items()
        if measured["log_tv_unseen"] is not None
    }
    best = best_configurations(results, 4)
    trials = sorted(
        {t for t, _ in pairs}, key=lambda t: min(pairs.get((t, n), 9) for n in ("raw", "EMA"))
    )
    assert [one.result["trial"] for one in best] == trials[:4]
    for one in best:
        assert one.value == pairs[one.result["trial"], one.weights]
        assert one.value == min(v for (t, _), v in pairs.items() if t == one.result["trial"])
        assert one.candidates == len(pairs) == 21
    assert best_configurations([results[3]], 1) == []


@given(seed=st.integers(0, 2**32 - 1), trial=st.integers(0, 400), replicate=st.integers(1, 50))
@settings(max_examples=50)
def test_seeds_are_fresh(seed, trial, replicate, tiny):
    from lengthwise.sweep import draw_row, fresh_seed

    original = draw_row(tiny, trial // 2, seed).seed
    found = fresh_seed(seed, trial, replicate, original=original)
    assert found == fresh_seed(seed, trial, replicate, original=original) != original
    assert fresh_seed(seed, trial, replicate, original=found) != found
    assert found != fresh_seed(seed, trial, replicate + 1, original=original)
    assert found not in {draw_row(tiny, draw, seed).seed for draw in (0, 1, trial)}


def test_rows_repeat_the_configuration_with_other_seeds(tiny):
    from lengthwise.sweep import best_configurations, design, replicate_rows

    drawn = {row.trial: row for row in design(tiny, 6, 0)}
    rows = replicate_rows(tiny, best_configurations(results_of(tiny), 3), 4, seed=0)
    assert len(rows) == len({row.trial for row in rows}) == len({row.seed for row in rows}) == 12
    for row in rows:
        of, replicate = divmod(row.trial, 10_000)
        assert 1 <= replicate <= 4
        assert row.params == drawn[of].params
        assert (row.shape, row.twin, row.draw) == (drawn[of].shape, drawn[of].twin, drawn[of].draw)
        assert row.seed != drawn[of].seed
        ours, theirs = row.experiment(tiny), drawn[of].experiment(tiny)
        assert (ours.hparams, ours.model) == (theirs.hparams, theirs.model)


def test_the_command_replicates_resumes_and_shows_the_regression(call, monkeypatch):
    from lengthwise.sweep import _work

    def here(study, storage, workers, *, show, population=None):
        del storage, workers, population
        if ended[0]:
            study.work()
        show(study.counts(), 1.0)

    ended, ran = [True], []
    monkeypatch.setattr(
        _work, "run_trial", lambda space, row: ran.append(row.trial) or luck(space, row)
    )
    monkeypatch.setattr("lengthwise.sweep.run_workers", here)
    assert "sweep.json" in call(["sweep", "replicate", "s"], 4)["error"]
    call(["sweep", "run", "tiny", "--draws", "8", "--out", "s", "--no-compile-cache"])
    record = pathlib.Path("s/trials.jsonl").read_bytes()
    argv = ["sweep", "replicate", "s", "--best", "2", "--no-compile-cache"]
    ended[0] = False
    values = call([*argv, "--seeds", "3"], 130)
    assert values["counts"] == {"rows": 6, "done": 0, "running": 0, "failed": 0, "share": 0.0}
    ended[0] = True
    assert call([*argv, "--seeds", "3"])["counts"]["done"] == 6
    values = call([*argv, "--seeds", "6"])
    assert values["counts"] == {"rows": 12, "done": 12, "running": 0, "failed": 0, "share": 1.0}
    assert len(ran) == 16 + 12  # nothing twice
    lines = [
        json.loads(line) for line in pathlib.Path("s/replicates.jsonl").read_text().splitlines()
    ]
    by_trial = {json.loads(line)["trial"]: json.loads(line) for line in record.splitlines()}
    for row in values["replication"]:
        mine = [line for line in lines if line["of"] == row["trial"]]
        found = [line["weights"][row["weights"]]["log_tv_unseen"] for line in mine]
        original = by_trial[row["trial"]]
        assert len({line["seed"] for line in mine} | {original["seed"]}) == 7
        assert all(line["params"] == original["params"] for line in mine)
        assert row["mean"] == pytest.approx(np.mean(found))
        assert row["selected"] == original["weights"][row["weights"]]["log_tv_unseen"]
        assert row["change"] > 0.5  # chance alone: the lowest of 32 is far below the mean
        assert row["candidates"] == 32
    header = pathlib.Path("s/replicates.csv").read_text().splitlines()[0].split(",")
    assert {"of", "replicate", "selected", "model.width", "log_tv_unseen/EMA"} <= set(header)
    assert pathlib.Path("s/trials.jsonl").read_bytes() == record
    assert call(["sweep", "status", "s"])["counts"]["done"] == 16
    jax.config.update("jax_enable_compilation_cache", True)


def test_fewer_replicates_later_forget_none(tiny, monkeypatch):
    """What was made once is shown, whatever is asked for later."""
    from lengthwise.sweep import _work, best_configurations, make_study, replicate_rows

    monkeypatch.setattr(_work, "run_trial", luck)
    study = make_study(tiny, "sqlite:///r.db", "r")
    best = best_configurations(results_of(tiny), 2)
    assert study.give(replicate_rows(tiny, best, 2, seed=0)) == 4
    study.work()
    assert study.give(replicate_rows(tiny, best[:1], 1, seed=0)) == 0
    assert study.counts() == {"rows": 4, "done": 4, "running": 0, "failed": 0, "share": 1.0}
