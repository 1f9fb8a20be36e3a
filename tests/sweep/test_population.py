"""Sweeps in which a worker takes groups of trials: the same rows, each once, one program a shape."""

import collections
import dataclasses
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest


def rows_of(study):
    """How often each row of the design is complete."""
    from optuna.trial import TrialState

    complete = study.trials(TrialState.COMPLETE)
    return collections.Counter(trial.user_attrs["result"]["trial"] for trial in complete)


def once(rows):
    return {row.trial: 1 for row in rows}


def begin(space, name="s", **options):
    from lengthwise.sweep import make_study

    return make_study(space, f"sqlite:///{name}.db", name, **options)


def assert_close(got, expected, path=""):
    """Equal JSON values, numbers up to what float32 rounding makes of 40 steps of Adam."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), path
        for name in expected:
            assert_close(got[name], expected[name], f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), path
        for i, (x, y) in enumerate(zip(got, expected, strict=True)):
            assert_close(x, y, f"{path}[{i}]")
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, rel=1e-3, abs=1e-4), path
    else:
        assert got == expected, path


def test_populations_are_the_rows_of_the_design_and_one_program_a_shape(tiny, monkeypatch):
    import lengthwise as lw
    from lengthwise.sweep import Choice, SearchSpace, _population, design
    from lengthwise.training import build_experiment, train

    base = dataclasses.replace(  # less to compile
        tiny.base,
        model=lw.TransformerConfig(layers=1, heads=1, mlp_ratio=None, norm="none", bias=False),
        hparams=lw.Hparams(averages=(lw.EMA(0.9),), dropout=lw.DropoutRates(residual=0.0)),
    )
    space = SearchSpace(base, {**tiny.laws, "model.width": Choice((4, 6))})

    def losses(row, experiment, run):
        del experiment
        done = run()
        return {"trial": row.trial, "weights": {}, "losses": [r["loss"] for r in done.metrics]}

    monkeypatch.setattr(_population, "measure_trial", losses)
    study = begin(space, seed=3)
    study.enqueue(3)  # 6 rows: 4 of one shape, 2 of the other
    assert study.work(population=3) == 6
    rows = design(space, 3, 3)
    assert rows_of(study) == once(rows)
    results = {result["trial"]: result for result in study.results()}
    # The last population of a shape has one member, and is filled up: it compiles nothing.
    assert sum(result["traces"] for result in results.values()) == 2
    for row in (rows[1], rows[3]):
        experiment = row.experiment(space)
        task, model, key = build_experiment(experiment)
        single = train(task, model, experiment.training, experiment.hparams, key=key)
        expected = [r["loss"] for r in single.metrics]
        # Losses near log 6, of float32 weights that Adam's rounding moves apart in 40 steps.
        assert results[row.trial]["losses"] == pytest.approx(expected, rel=1e-4)
    assert results[0]["losses"] != pytest.approx(results[1]["losses"], rel=1e-3)


@pytest.mark.slow
def test_lines_of_populations_equal_those_of_single_runs(tiny):
    from lengthwise.sweep import design, run_trial

    study = begin(tiny, seed=3)
    study.enqueue(3)  # 6 rows: 4 of one shape, 2 of the other
    assert study.work(population=3) == 6
    rows = design(tiny, 3, 3)
    assert rows_of(study) == once(rows)
    results = study.results()
    assert sum(result["traces"] for result in results) == 2
    timeless = lambda result: {n: v for n, v in result.items() if n not in ("seconds", "traces")}
    for row in (rows[1], rows[2]):
        single = json.loads(json.dumps(run_trial(tiny, row)))
        assert_close(timeless(results[row.trial]), timeless(single))
    with pytest.raises(AssertionError):  # rows do differ by more than this
        assert_close(results[rows[1].trial]["weights"], results[rows[0].trial]["weights"])


def fake(monkeypatch, ran, *, fits=10**9):
    """Populations that train nothing, on a device that holds `fits` members."""
    import jax

    from lengthwise import InputError
    from lengthwise.sweep import _population

    def train_population(task, models, config, hparams, *, keys, size):
        del task, config, hparams, keys
        if size > fits:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        ran.append((len(models), size))
        return [InputError("not trained")] * len(models)

    def measure_trial(row, experiment, run):
        del experiment, run
        if row.trial == 5:
            raise RuntimeError("broken")
        return {"trial": row.trial, "weights": {"raw": {"log_tv_unseen": -1.0}}}

    monkeypatch.setattr(_population, "train_population", train_population)
    monkeypatch.setattr(_population, "measure_trial", measure_trial)
    monkeypatch.setattr(_population, "build_experiment", lambda experiment: (0, 0, 0))
    monkeypatch.setattr(_population, "member_bytes", lambda *parts: 2**20)


def test_a_population_that_does_not_fit_is_halved_and_a_failed_member_is_named(tiny, monkeypatch):
    ran = []
    fake(monkeypatch, ran, fits=3)
    study = begin(tiny)
    study.enqueue(5)  # 6 rows of one shape, 4 of the other
    assert study.work(population=5) == 10
    # 5 do not fit, 2 do; nor do the 4 of the other shape.
    assert ran == [(2, 2), (2, 2), (1, 2), (1, 2), (2, 2), (2, 2)]
    assert study.counts() == {"rows": 10, "done": 9, "running": 0, "failed": 1, "share": 1.0}
    assert study.errors() == ["trial 5: RuntimeError: broken"]


def test_an_accelerator_takes_what_its_memory_holds(tiny, monkeypatch):
    import jax

    from lengthwise.sweep import Populations

    ran = []
    fake(monkeypatch, ran)

    class Device:
        def memory_stats(self):
            return {"bytes_limit": 110 * 2**20, "bytes_in_use": 10 * 2**20}

    monkeypatch.setattr(jax, "devices", lambda: [Device(), Device()])
    populations = Populations(tiny)
    assert populations.size(0, rows=1000) == 2 * 60
    assert populations.size(1, rows=50) == 50
    assert populations.size(1, rows=1000) == 50  # once compiled, it stays
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    study = begin(tiny)
    study.enqueue(2)
    assert study.work() == 4
    assert ran == [(2, 2), (2, 2)]


def test_a_sampler_is_asked_for_a_whole_group(tiny, monkeypatch):
    ran = []
    fake(monkeypatch, ran)
    study = begin(tiny, sampler="TPESampler")
    study.enqueue(11)
    assert study.work(population=4) == 11
    assert study.counts() == {"rows": 11, "done": 11, "running": 0, "failed": 0, "share": 1.0}
    assert sum(members for members, _ in ran) == 11
    assert {size for _, size in ran} == {4}


def group_worker(held):
    """Work on the study in groups; if `held`, do not come back from the training."""
    from lengthwise.sweep import _population, open_study

    measure = lambda row, experiment, run: {"trial": row.trial, "weights": {}}
    _population.measure_trial = measure
    _population.build_experiment = lambda experiment: (0, 0, 0)
    if held:
        _population.train_population = lambda *args, **kwargs: threading.Event().wait()
    else:
        _population.train_population = lambda task, models, *args, **kwargs: models
    open_study("sqlite:///s.db", "s", heartbeat=1).work(poll=0.2, population=3)


@pytest.mark.slow
def test_the_group_of_a_worker_killed_with_9_is_taken_over(tiny):
    """Its heartbeats keep it, past the time after which it would be stale, until it is killed."""
    from optuna.trial import TrialState

    from lengthwise.sweep import Choice, SearchSpace, design

    space = SearchSpace(tiny.base, {**tiny.laws, "model.width": Choice((4,))})
    study = begin(space, heartbeat=1)
    study.enqueue(4)
    start = multiprocessing.get_context("spawn").Process
    holder, other = (start(target=group_worker, args=(held,)) for held in (True, False))
    holder.start()
    deadline = time.monotonic() + 300
    while len(held := study.trials(TrialState.RUNNING)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(held) == 3
    other.start()
    while study.counts()["done"] < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(6)  # 4 seconds without a heartbeat would make them stale
    states = [study.trials()[trial.number].state for trial in held]
    assert states == [TrialState.RUNNING] * 3
    assert other.is_alive()  # it waits for them
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    other.join(120)
    assert other.exitcode == 0
    holder.join()
    assert rows_of(study) == once(design(space, 4, 0))
    states = [study.trials()[trial.number].state for trial in held]
    assert states == [TrialState.FAIL] * 3
    assert study.counts() == {"rows": 8, "done": 8, "running": 0, "failed": 0, "share": 1.0}


def test_no_two_groups_share_a_trial(tiny, monkeypatch):
    """Workers that take groups at the same moment: both have seen the same waiting trials."""
    from lengthwise.sweep import Lease, Populations, Study, open_study
    from lengthwise.sweep._work import Worker

    begin(tiny).enqueue(10)
    taken, together, read = [], threading.Barrier(2), Study.trials
    first = iter([True, True])

    def read_together(study, *states):
        found = read(study, *states)
        if next(first, False):
            together.wait(60)
        return found

    monkeypatch.setattr(Study, "trials", read_together)

    def take():
        study = open_study("sqlite:///s.db", "s")
        populations = Populations(tiny, 3)
        with Lease(study.optuna._storage) as lease:
            while group := Worker(study, 3)._take(populations, lease):
                taken.extend(trial.number for trial in group)
                assert len({trial.user_attrs["row"]["shape"] for trial in group}) == 1

    takers = [threading.Thread(target=take) for _ in range(2)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(taken) == list(range(20))


def test_an_accelerator_has_one_worker_this_process(tiny, monkeypatch):
    import jax

    from lengthwise.sweep import run_workers

    ran, shown = [], []
    fake(monkeypatch, ran)
    study = begin(tiny)
    study.enqueue(2)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    show = lambda counts, seconds: shown.append(counts["done"])
    run_workers(study, "sqlite:///s.db", 2, poll=0.1, population=2, show=show)
    assert shown[-1] == 4
    assert {t.user_attrs["process"][1] for t in study.trials()} == {os.getpid()}


def test_a_group_that_is_interrupted_is_queued_again(tiny, monkeypatch):
    from optuna.trial import TrialState

    from lengthwise.sweep import _population, design, work_here

    ran = []
    fake(monkeypatch, ran)
    study = begin(tiny)
    study.enqueue(2)  # 2 rows of each shape

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_population, "train_population", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work_here(study, population=2)
    assert len(study.trials(TrialState.FAIL)) == 2
    assert len(study.trials(TrialState.WAITING)) == 4
    assert study.errors() == []
    assert work_here(study, population=2) == 4
    assert rows_of(study) == once(design(tiny, 2, 0))


def test_a_row_that_cannot_be_built_fails_alone_and_a_broken_program_all_of_its_group(
    tiny, monkeypatch
):
    import jax

    from lengthwise.sweep import _population, design

    ran = []
    fake(monkeypatch, ran)
    rows = design(tiny, 3, 0)  # 4 rows of one shape, 2 of the other
    bad = {rows[0].seed, rows[-1].seed}  # of one draw and its twin, in each

    def build(experiment):
        if experiment.seed in bad:
            raise ValueError("no such model")
        return (0, 0, 0)

    monkeypatch.setattr(_population, "build_experiment", build)
    study = begin(tiny)
    study.enqueue(3)
    assert study.work(population=4) == 6
    assert ran == [(2, 4)]
    failed = {5: "RuntimeError: broken"}  # as `fake` has it
    failed |= {row.trial: "ValueError: no such model" for row in rows if row.seed in bad}
    assert sorted(study.errors()) == [f"trial {i}: {why}" for i, why in sorted(failed.items())]

    def broken(*args, **kwargs):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    monkeypatch.setattr(_population, "train_population", broken)
    study = begin(tiny, "t")
    study.enqueue(3)
    bad.clear()
    assert study.work(population=4) == 6
    assert study.counts()["failed"] == 6
    assert all("INTERNAL: broken" in error for error in study.errors())


@pytest.mark.parametrize("population", [None, 2])
def test_a_trial_that_someone_else_enqueued_is_of_no_row(tiny, monkeypatch, population):
    from optuna.trial import TrialState

    from lengthwise.sweep import _work, design

    fake(monkeypatch, [])
    monkeypatch.setattr(_work, "run_trial", lambda space, row: {"trial": row.trial, "weights": {}})
    study = begin(tiny)
    study.enqueue(1)
    study.optuna.enqueue_trial({})
    assert study.enqueue(1) == 0
    study.work(population=population)
    assert [trial.number for trial in study.trials(TrialState.PRUNED)] == [2]
    assert rows_of(study) == once(design(tiny, 1, 0))
    assert study.counts() == {"rows": 2, "done": 2, "running": 0, "failed": 0, "share": 1.0}


def test_a_lease_beats_for_what_it_holds_and_survives_a_lost_database():
    from lengthwise import StorageError
    from lengthwise.sweep import Lease

    beats, lost = collections.Counter(), []

    class Storage:
        def get_heartbeat_interval(self):
            return 0.01

        def record_heartbeat(self, trial_id):
            if not lost and threading.current_thread() is not threading.main_thread():
                lost.append(trial_id)
                raise StorageError("gone")
            beats[trial_id] += 1

    def wait_for(trial_id, count):
        deadline = time.monotonic() + 60
        while beats[trial_id] < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert beats[trial_id] >= count

    with Lease(Storage()) as lease:
        lease.add(1)
        lease.add(2)
        assert min(beats[1], beats[2]) >= 1  # at once
        wait_for(1, 3)
        lease.drop(1)
        let_go = beats[1] + 1  # one beat may be under way
        wait_for(2, beats[2] + 3)
        assert beats[1] <= let_go
    assert lost
    ended = beats.copy()
    time.sleep(0.05)
    assert beats == ended
