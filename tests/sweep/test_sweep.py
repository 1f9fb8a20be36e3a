"""Whole sweeps, the smallest there are, on SQLite."""

import collections
import dataclasses
import datetime
import inspect
import json
import math
import os
import pathlib
import signal
import threading
import time
from typing import Any

import jax
import pytest


def rows_of(study):
    """How often each row of the design is complete."""
    from optuna.trial import TrialState

    complete = study.trials(TrialState.COMPLETE)
    return collections.Counter(trial.user_attrs["result"]["trial"] for trial in complete)


def once(rows):
    return {row.trial: 1 for row in rows}


def timeless(result):
    return {name: value for name, value in result.items() if name not in ("seconds", "traces")}


def begin(space, name="s", **options):
    from lengthwise.sweep import make_study

    return make_study(space, f"sqlite:///{name}.db", name, **options)


def test_more_draws_later_one_trace_a_shape_and_the_same_as_single_runs(tiny):
    from lengthwise.sweep import design, run_trial

    # Shapes that no other test has compiled in this process.
    training = dataclasses.replace(tiny.base.training, batch_size=9)
    tiny = dataclasses.replace(tiny, base=dataclasses.replace(tiny.base, training=training))
    study = begin(tiny, seed=3)
    assert study.enqueue(2) == 4
    assert study.enqueue(2) == 0
    assert study.work() == 4
    assert rows_of(study) == once(design(tiny, 2, 3))
    study = begin(tiny, seed=3)
    assert study.enqueue(3) == 2
    assert study.work() == 2
    rows = design(tiny, 3, 3)
    assert rows_of(study) == once(rows)
    results = {result["trial"]: result for result in study.results()}
    assert sum(result["traces"] for result in results.values()) == 2
    for row in rows[1::3]:
        single = json.loads(json.dumps(run_trial(tiny, row)))
        assert timeless(single) == timeless(results[row.trial])
        assert single["traces"] == 0
    drawn, twin = results[0], results[1]
    assert drawn["seed"] == twin["seed"]
    assert drawn["weights"]["raw"] != twin["weights"]["raw"]
    assert set(drawn["weights"]) == {"raw", "EMA_decay0.99", "BEMA"}
    measured = drawn["weights"]["raw"]
    lengths, tvs = (measured["by_length"][column] for column in ("length", "tv"))
    unseen = [tv for n, tv in zip(lengths, tvs, strict=True) if n > 3]
    assert measured["log_tv_unseen"] == pytest.approx(sum(map(math.log, unseen)) / len(unseen))
    assert drawn["mediators"]["displacement_ratio"][2] == 1.0
    tokens = drawn["mediators"]["effective_tokens"]
    assert tokens[0] == pytest.approx(1.0)
    assert all(1 <= count <= n + 1.001 for n, count in enumerate(tokens))


def test_a_study_of_another_space_is_refused(tiny):
    from lengthwise import InputError
    from lengthwise.sweep import Choice, SearchSpace

    begin(tiny)
    with pytest.raises(InputError, match="made with another \\(digest\\)"):
        begin(SearchSpace(tiny.base, {"model.width": Choice((4,))}))
    with pytest.raises(InputError, match="made with another \\(seed\\)"):
        begin(tiny, seed=1)


def test_lengths_outside_the_task_are_refused_before_there_is_a_study(tiny, place):
    from lengthwise import InputError
    from lengthwise.sweep import Choice, SearchSpace

    laws = {"training.lengths.max_length": Choice((3, 6))}
    with pytest.raises(InputError, match=r"max_length <= 5.*max_length=6"):
        begin(SearchSpace(tiny.base, laws))
    assert not any(place.iterdir())


def test_a_diverged_trial_is_a_result_with_its_reason(tiny):
    import dataclasses

    from lengthwise.sweep import draw_row, run_trial

    row = draw_row(tiny, 0, 0)
    row = dataclasses.replace(row, params=row.params | {"hparams.learning_rate": 1e30})
    result = run_trial(tiny, row)
    assert result["status"] == "diverged"
    assert "not finite" in result["message"]
    assert json.loads(json.dumps(result)) == result


def test_a_failed_trial_is_named_and_the_others_go_on(tiny, monkeypatch):
    from lengthwise.sweep import _work

    ran = []

    def fail_once(space, row):
        ran.append(row.trial)
        if row.trial == 1:
            raise RuntimeError("broken")
        return {"trial": row.trial, "weights": {}}

    monkeypatch.setattr(_work, "run_trial", fail_once)
    study = begin(tiny)
    study.enqueue(2)
    study.work()
    assert sorted(ran) == [0, 1, 2, 3]
    assert study.counts() == {"rows": 4, "done": 3, "running": 0, "failed": 1, "share": 1.0}
    assert study.errors() == ["trial 1: RuntimeError: broken"]
    monkeypatch.setattr(_work, "run_trial", lambda space, row: {"trial": row.trial, "weights": {}})
    assert study.enqueue(2) == 1
    study.work()
    assert study.counts() == {"rows": 4, "done": 4, "running": 0, "failed": 0, "share": 1.0}


def test_a_lost_connection_is_retried(tiny, monkeypatch):
    import optuna

    from lengthwise.sweep import _database, retried

    monkeypatch.setattr(_database.time, "sleep", lambda seconds: None)
    left = [3]

    def action():
        if left[0]:
            left[0] -= 1
            raise optuna.exceptions.StorageInternalError("lost")
        return "there"

    assert retried(action) == "there"
    left[0] = 100
    from lengthwise import StorageError

    with pytest.raises(StorageError, match="must be reachable"):
        retried(action)


def test_a_sampler_of_optuna_searches_the_same_space(tiny, monkeypatch):
    from lengthwise.sweep import _work

    seen = []

    def run_trial(space, row):
        seen.append(row)
        return {"trial": row.trial, "weights": {"raw": {"log_tv_unseen": -1.0}}}

    monkeypatch.setattr(_work, "run_trial", run_trial)
    study = begin(tiny, sampler="TPESampler")
    study.enqueue(12)
    assert study.work() == 12
    assert study.counts() == {"rows": 12, "done": 12, "running": 0, "failed": 0, "share": 1.0}
    for row in seen:
        assert 1e-4 <= row.params["hparams.learning_rate"] <= 1e-2
        assert tiny.shapes()[row.shape] == {"model.width": row.params["model.width"]}
        assert not row.twin


def test_a_long_queue_is_not_read_for_each_trial(tiny, monkeypatch):
    from lengthwise.sweep import _work, open_study

    def run_trial(space, row):
        return {"trial": row.trial, "weights": {}}

    monkeypatch.setattr(_work, "run_trial", run_trial)
    begin(tiny).enqueue(10)
    study = open_study("sqlite:///s.db", "s")  # as a worker does: it has read no trial
    database, reads = study.optuna._storage._backend, []  # type: ignore[attr-defined]
    read = database._get_trials
    monkeypatch.setattr(database, "_get_trials", lambda *a, **k: reads.append(1) or read(*a, **k))
    assert study.work() == 20
    assert not study.errors()
    assert len(reads) <= 3  # at the first trial, and at the end, whether others still run


def interrupted_after(count, ran):
    """In place of `run_trial`: so many trials end, and at the next one Ctrl-C is pressed."""

    def run_trial(space, row):
        ran.append(row)
        if len(ran) > count:
            raise KeyboardInterrupt
        return {"trial": row.trial, "weights": {}}

    return run_trial


def test_the_time_left_goes_by_the_work_and_not_by_the_trials(tiny, monkeypatch):
    """Half of the trials, of the smaller shape, are less than half of the work."""
    from lengthwise.cli._sweep_show import line
    from lengthwise.sweep import _work, trial_seconds

    small, large = trial_seconds(tiny)
    assert small < large
    ran = []
    monkeypatch.setattr(_work, "run_trial", interrupted_after(4, ran))
    study = begin(tiny)
    study.enqueue(4)
    before = study.counts()
    with pytest.raises(KeyboardInterrupt):
        study.work()
    counts = study.counts()
    assert [row.shape for row in ran[:4]] == [0] * 4
    assert counts["share"] == pytest.approx(small / (small + large))
    seconds = 100 * small
    left = datetime.timedelta(seconds=round(100 * large))
    assert line(counts, before, seconds).endswith(
        f"{3600 * 4 / seconds:.0f} per hour · {left} left"
    )


def test_trials_of_no_predicted_cost_count_alike(tiny, monkeypatch):
    from lengthwise.sweep import _work

    monkeypatch.setattr(_work, "run_trial", interrupted_after(1, []))
    study = begin(tiny)
    study.enqueue(2)
    study._seconds = [0.0] * len(study._seconds)  # as of experiments of no steps
    assert study.counts()["share"] == 0
    with pytest.raises(KeyboardInterrupt):
        study.work()
    assert study.counts()["share"] == 1 / 4


def test_another_optuna_is_left_to_its_own_way():
    from lengthwise.sweep import take_from_the_front

    class Study:
        __slots__ = ()

    take: Any = inspect.unwrap(take_from_the_front)
    take(Study())  # sets nothing: it could not


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "Optuna's"])
def test_no_trial_is_taken_twice(ours, monkeypatch):
    """Workers that ask at the same moment; without the lock 6 to 14 of 40 trials were taken twice."""
    import optuna

    from lengthwise.sweep import _queue, open_storage, take_from_the_front

    database = "sqlite:///s.db"
    study = optuna.create_study(storage=open_storage(database), study_name="s")
    for number in range(40):
        study.enqueue_trial({"x": number})
    taken, together, first = [], threading.Barrier(3), _queue._first

    def read_together(study, count):
        found = first(study, count)
        together.wait(60)  # nobody claims before everybody has seen the same ones
        return found

    def take():
        mine = optuna.load_study(storage=open_storage(database), study_name="s")
        if ours:
            take_from_the_front(mine)
        together.wait(60)
        while (trial := mine._pop_waiting_trial_id()) is not None:
            taken.append(trial)

    once = iter([read_together] * 3)
    monkeypatch.setattr(_queue, "_first", lambda *given: next(once, first)(*given))
    takers = [threading.Thread(target=take) for _ in range(3)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len(taken) == len(set(taken)) == 40


def test_a_worker_killed_with_9_loses_nothing(tiny):
    """One of three workers is killed inside a trial. Another takes its trial over."""
    from optuna.trial import TrialState

    from lengthwise.sweep import Choice, SearchSpace, design, run_workers

    space = SearchSpace(tiny.base, {**tiny.laws, "model.width": Choice((4,))})
    study = begin(space, heartbeat=2)
    study.enqueue(4)
    killed = []

    def kill():
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for trial in study.trials(TrialState.RUNNING):
                if "process" in trial.user_attrs:
                    os.kill(trial.user_attrs["process"][1], signal.SIGKILL)
                    time.sleep(0.3)  # the dead change nothing more: was it inside the trial?
                    if study.trials()[trial.number].state != TrialState.COMPLETE:
                        killed.append(trial.number)
                        return
                    break  # it had just ended; there is a third worker
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    run_workers(study, "sqlite:///s.db", 3, heartbeat=2, poll=0.2)
    killer.join()
    [number] = killed
    assert rows_of(study) == once(design(space, 4, 0))
    assert study.trials()[number].state == TrialState.FAIL
    assert study.counts() == {"rows": 8, "done": 8, "running": 0, "failed": 0, "share": 1.0}
    for process in {tuple(t.user_attrs["process"]) for t in study.trials(TrialState.COMPLETE)}:
        mine = [
            t for t in study.trials(TrialState.COMPLETE) if t.user_attrs["process"] == [*process]
        ]
        assert sum(t.user_attrs["result"]["traces"] for t in mine) == 1


def test_the_command_resumes_and_exports(call, tiny, monkeypatch):
    from lengthwise.sweep import _work, _workers

    def run_trial(space, row):
        result = vars(row) | {"status": "completed", "message": "", "seconds": 1.0, "traces": 0}
        measured = {"log_tv_unseen": -1.0, "by_length": {}}
        return result | {"weights": {"raw": measured}, "mediators": {}}

    def here(study, storage, workers, *, population, show):
        del storage, workers, population
        if ended[0]:
            study.work()
        show(study.counts(), 1.0)

    ended = [False]
    monkeypatch.setattr(_work, "run_trial", run_trial)
    monkeypatch.setattr("lengthwise.sweep.run_workers", here)
    assert _workers.run_workers is not here
    argv = ["sweep", "run", "tiny", "--draws", "2", "--out", "s", "--no-compile-cache"]
    values = call(argv, 130)
    assert values["counts"] == {"rows": 4, "done": 0, "running": 0, "failed": 0, "share": 0.0}
    ended[0] = True
    assert call(argv)["counts"]["done"] == 4
    lines = pathlib.Path("s/trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines] == [0, 1, 2, 3]
    header = pathlib.Path("s/trials.csv").read_text().splitlines()[0].split(",")
    assert {"trial", "twin", "model.width", "log_tv_unseen/raw"} <= set(header)
    assert call(["sweep", "status", "s"])["counts"]["done"] == 4
    argv[argv.index("tiny")] = "attention-only"
    assert "made with another" in call(argv, 2)["error"]
    jax.config.update("jax_enable_compilation_cache", True)


def test_a_sampler_gives_what_depends_on_another_choice_its_fixed_value(tiny, monkeypatch):
    from lengthwise.sweep import Conditional, SearchSpace, Uniform, _work

    seen = []

    def run_trial(space, row):
        seen.append((row.params["hparams.cosine"], row.params["hparams.warmup_steps"]))
        return {"trial": row.trial, "weights": {}}

    monkeypatch.setattr(_work, "run_trial", run_trial)
    warm = Conditional("hparams.cosine", 1.0, Uniform(1.0, 9.0), 20.0)
    space = SearchSpace(tiny.base, {**tiny.laws, "hparams.warmup_steps": warm})
    study = begin(space, sampler="RandomSampler")
    study.enqueue(8)
    assert study.work() == 8
    assert {cosine for cosine, _ in seen} == {0.0, 1.0}
    assert all(1 <= steps <= 9 if cosine == 1 else steps == 20 for cosine, steps in seen)


def test_logits_that_are_no_numbers_are_a_result_and_an_interruption_is_none(tiny, monkeypatch):
    import types

    from lengthwise import InputError
    from lengthwise.sweep import _run_trial, draw_row

    def overflow(*args, **kwargs):
        raise InputError("the logits are not numbers")

    row = draw_row(tiny, 0, 0)
    monkeypatch.setattr(_run_trial, "train", overflow)
    result = _run_trial.run_trial(tiny, row)
    assert (result["status"], result["message"]) == ("diverged", "the logits are not numbers")
    assert result["weights"] == {}
    interrupted = types.SimpleNamespace(status="interrupted")
    monkeypatch.setattr(_run_trial, "train", lambda *args, **kwargs: interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run_trial.run_trial(tiny, row)


def test_a_trial_that_ended_meanwhile_is_passed_over(tiny, monkeypatch):
    from optuna.trial import TrialState

    from lengthwise.sweep import _queue

    study = begin(tiny)
    study.enqueue(1)
    ended, waiting = study.trials(TrialState.WAITING)
    study.optuna._storage.set_trial_state_values(ended._trial_id, state=TrialState.FAIL)
    read_before = iter([[ended._trial_id, waiting._trial_id]])
    monkeypatch.setattr(_queue, "_first", lambda study, count: next(read_before, []))
    assert study.optuna._pop_waiting_trial_id() == waiting._trial_id
    assert study.optuna._pop_waiting_trial_id() is None


def test_work_of_another_machine_and_a_study_that_is_not_there(call, tiny, monkeypatch):
    from lengthwise.sweep import _work

    monkeypatch.setattr(_work, "run_trial", lambda space, row: {"trial": row.trial, "weights": {}})
    begin(tiny).enqueue(2)
    work = ["sweep", "work", "--storage", "sqlite:///s.db", "--no-compile-cache", "--study"]
    assert "`t` must be in the database" in call([*work, "t"], 4)["error"]
    values = call([*work, "s"])
    assert values["ran"] == 4
    assert values["counts"] == {"rows": 4, "done": 4, "running": 0, "failed": 0, "share": 1.0}
    jax.config.update("jax_enable_compilation_cache", True)


def test_what_failed_is_named_and_what_diverged_is_not_replicated(call, monkeypatch, capsys):
    from lengthwise.cli import main
    from lengthwise.sweep import _work

    def run_trial(space, row):
        if row.trial == 1:
            raise RuntimeError("broken")
        params = {n: v for n, v in row.params.items() if n != "hparams.dropout"}
        params |= {"hparams.dropout.residual": row.params["hparams.dropout"]}
        result = vars(row) | {"status": "diverged", "message": "", "seconds": 1.0, "traces": 0}
        return result | {"params": params, "weights": {}, "mediators": {}}

    def here(study, storage, workers, *, population, show):
        study.work()

    monkeypatch.setattr(_work, "run_trial", run_trial)
    monkeypatch.setattr("lengthwise.sweep.run_workers", here)
    argv = ["sweep", "run", "tiny", "--draws", "2", "--out", "s", "--no-compile-cache"]
    assert main([*argv, "--storage", "sqlite:///elsewhere.db"]) == 130
    out = capsys.readouterr().out
    assert "3/4 trials · 0 running · 1 failed · 3 diverged" in out
    assert "\nfailed  trial 1: RuntimeError: broken\n" in out
    assert {path.name for path in pathlib.Path().glob("**/*.db")} == {"elsewhere.db"}
    error = call(["sweep", "replicate", "s", "--no-compile-cache"], 2)["error"]
    assert "must hold a trial with a finite total variation" in error
    jax.config.update("jax_enable_compilation_cache", True)


def test_progress_is_one_line_on_a_terminal_and_seldom_one_elsewhere(monkeypatch, capsys):
    import sys

    from lengthwise.cli._sweep_show import SweepLine

    counts = {"rows": 4, "done": 1, "running": 2, "failed": 0, "share": 0.25}
    for terminal, wanted in (
        (False, "1/4 trials · 2 running · 0 failed\n"),
        (True, "\r\x1b[K1/4 trials · 2 running · 0 failed" * 2 + "\n"),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with SweepLine() as progress:
            progress.show(counts, 1.0)
            progress.show(counts, 2.0)
        assert capsys.readouterr().err == wanted
