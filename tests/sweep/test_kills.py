"""Workers that are killed, interrupted and cut off; PostgreSQL is in test_postgres.py."""

import contextlib
import multiprocessing
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

import disturbed
import jax
import pytest


COMMAND = [sys.executable, "-c", "import sys; from lengthwise.cli import main; sys.exit(main())"]


def fake_trial(space, row):
    del space
    result = vars(row) | {"status": "completed", "message": "", "seconds": 1.0, "traces": 0}
    measured = {"log_tv_unseen": -1.0, "by_length": {}}
    return result | {"weights": {"raw": measured}, "mediators": {}}


def begin(space, draws=2):
    from lengthwise.sweep import make_study

    study = make_study(space, "sqlite:///s.db", "s")
    study.enqueue(draws)
    return study


@pytest.fixture
def cached(compiled):
    """Compiled programs kept between the workers of a test: only to spare their compilations."""
    settings = {
        "jax_compilation_cache_dir": str(compiled),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: jax.config.values[name] for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_killed_worker_is_replaced_a_few_times(tiny, monkeypatch, capfd):
    from lengthwise.sweep import _workers, run_workers

    started = []

    def starter(*_):
        def start(index):
            started.append(index)
            process = multiprocessing.get_context("spawn").Process(target=os.abort)
            process.start()
            return process

        return start

    monkeypatch.setattr(_workers, "_starter", starter)
    monkeypatch.setattr(_workers, "RESTARTS", 2)
    run_workers(begin(tiny), "sqlite:///s.db", 1, poll=0.1)
    assert started == [0, 0, 0]
    said = [line for line in capfd.readouterr().err.splitlines() if "worker 0" in line]
    again = "lengthwise: worker 0 was killed (SIGABRT) and is started again"
    assert said == [again, again, again.replace("is started", "is not started")]


def test_a_row_that_was_failed_and_not_queued_is_queued_by_the_end(tiny, monkeypatch):
    """As if a worker had been killed between the two."""
    from optuna.trial import TrialState

    from lengthwise.sweep import _work, _workers, design, run_workers

    study = begin(tiny)
    row = study.trials(TrialState.WAITING)[0]
    study.optuna._storage.set_trial_state_values(row._trial_id, state=TrialState.FAIL)

    def starter(*_):
        def start(index):
            study.work()
            process = multiprocessing.get_context("spawn").Process(target=os.getpid)
            process.start()
            return process

        return start

    monkeypatch.setattr(_work, "run_trial", fake_trial)
    monkeypatch.setattr(_workers, "_starter", starter)
    run_workers(study, "sqlite:///s.db", 1)
    disturbed.check_once(study, design(tiny, 2, 0))


def test_an_interrupted_trial_is_queued_again(tiny, monkeypatch):
    from optuna.trial import TrialState

    from lengthwise.sweep import _work, design, work_here

    def interrupted(space, row):
        signal.raise_signal(signal.SIGTERM)
        return fake_trial(space, row)

    study = begin(tiny)
    monkeypatch.setattr(_work, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work_here(study)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert len(study.trials(TrialState.FAIL)) == 1
    assert len(study.trials(TrialState.WAITING)) == 4
    monkeypatch.setattr(_work, "run_trial", fake_trial)
    assert work_here(study) == 4
    disturbed.check_once(study, design(tiny, 2, 0))


def test_what_windows_has_not_is_left_out(tiny, monkeypatch):
    from lengthwise.sweep import _workers

    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.delattr(signal, "pthread_sigmask")
        with _workers._deaf():
            pass
    handlers = []
    study = begin(tiny)
    monkeypatch.setattr(study, "work", lambda **_: 0)
    # `None`: the handler before was not Python's.
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append(handler))
    assert _workers.work_here(study) == 0
    assert handlers[1] == signal.SIG_DFL


def test_connections_lost_inside_trials_lose_no_trial(tiny, monkeypatch):
    """One statement in thirty fails; without retries the first loss inside a trial ends the worker."""
    from optuna.trial import TrialState
    from sqlalchemy import event, exc

    from lengthwise.sweep import _database, _work, design

    monkeypatch.setattr(_work, "run_trial", fake_trial)
    monkeypatch.setattr(_database.time, "sleep", lambda seconds: None)
    study = begin(tiny, 6)
    chance, lost = random.Random(0), []

    def lose(*_):
        if chance.random() < 0.03:
            lost.append(True)
            raise exc.OperationalError("", None, Exception("lost"))

    engine = study.optuna._storage._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "before_cursor_execute", lose)
    assert study.work() == 12
    event.remove(engine, "before_cursor_execute", lose)
    assert len(lost) > 10
    assert not study.trials(TrialState.FAIL)
    disturbed.check_once(study, design(tiny, 6, 0))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:secret@host:5/db", "postgresql+psycopg://me@host:5/db"),
        ("postgresql+psycopg://me:sec?ret@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg:///db?host=h&password=s@cret", "postgresql+psycopg:///db?host=h"),
        ("postgresql://u@h/d?sslpassword=s&port=5", "postgresql://u@h/d?port=5"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_passwords_are_hidden(url, shown):
    from lengthwise.sweep._database import hidden

    assert hidden(url) == shown


@contextlib.contextmanager
def command(*words):
    """A real `lengthwise` in a process group of its own, as a terminal starts it."""
    # Where the tests run in the background, Ctrl-C is ignored, which a process would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, *words],
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},  # they compile in half the time
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def states(database):
    """The states of the trials, as SQLite has them."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as there:
            return [state for (state,) in there.execute("SELECT state FROM trials")]
    except sqlite3.OperationalError:
        return []


def wait_for(condition, seconds=500):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def nobody_left(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_ctrl_c_stops_a_sweep_and_the_same_command_goes_on(call, tiny, monkeypatch):
    """SIGINT to the whole group, as a terminal sends it. The rest is not trained here."""
    from lengthwise.sweep import _work, design, open_study

    argv = ["sweep", "run", "tiny", "--draws", "12", "--out", "s"]
    with command(*argv) as process:
        wait_for(lambda: {"COMPLETE", "RUNNING"} <= set(states("s/study.db")))
        os.killpg(process.pid, signal.SIGINT)
        shown, errors = process.communicate(timeout=300)
        assert process.returncode == 130, errors
        assert "To go on, run the same `lengthwise sweep run` again" in shown
        assert "Traceback" not in errors
        wait_for(lambda: nobody_left(process.pid))
    before = pathlib.Path("s/trials.jsonl").read_text().splitlines()
    assert 1 <= len(before) < 24
    monkeypatch.setattr(_work, "run_trial", fake_trial)
    monkeypatch.setattr("lengthwise.sweep.run_workers", lambda study, *_, show, **__: study.work())
    assert call([*argv, "--no-compile-cache"])["counts"]["done"] == 24
    jax.config.update("jax_enable_compilation_cache", True)
    lines = pathlib.Path("s/trials.jsonl").read_text().splitlines()
    assert set(before) <= set(lines)
    disturbed.check_once(open_study("sqlite:///s/study.db", "s"), design(tiny, 12, 0))


@pytest.mark.slow
def test_workers_end_when_their_command_is_killed():
    from lengthwise.sweep import open_study

    with command("sweep", "run", "tiny", "--draws", "30", "--out", "s") as process:
        wait_for(lambda: "COMPLETE" in states("s/study.db"))
        process.kill()
        process.wait()
        wait_for(lambda: nobody_left(process.pid))
    # A worker may have been killed between failing its row and queueing it; the same command does that.
    assert open_study("sqlite:///s/study.db", "s").enqueue(30) <= 2
    found = states("s/study.db")
    # Queued again; but who was between taking a trial and beginning it leaves it to its heartbeat.
    assert found.count("WAITING") + found.count("COMPLETE") + found.count("RUNNING") == 60
    assert found.count("FAIL") + found.count("RUNNING") <= 2


@pytest.mark.slow
def test_twenty_random_kills(tiny, cached):
    from lengthwise.sweep import design

    killed = []
    rows = design(tiny, 100, 0)  # so many that a quick machine is not done before the last kill
    kill = disturbed.kill_again_and_again(killed, kills=20, seed=0)
    study = disturbed.run_disturbed(tiny, "sqlite:///s.db", draws=100, workers=3, disturb=kill)
    assert len(killed) == 20
    disturbed.check_once(study, rows)
    lost = disturbed.lost_by(study)
    assert set(lost) <= set(killed)
    assert max(lost.values(), default=0) <= 1
    whole = disturbed.run_disturbed(
        tiny, "sqlite:///whole.db", draws=100, workers=2, disturb=lambda study, ended: None
    )
    assert disturbed.timeless(study) == disturbed.timeless(whole)


@pytest.mark.parametrize("kind", [AssertionError, NameError])
def test_a_database_that_is_gone_is_one_sentence_and_a_bug_is_not(tiny, monkeypatch, kind):
    from lengthwise import StorageError
    from lengthwise.sweep import work_here

    def as_optuna_does(**_):
        try:
            try:
                raise StorageError("the server is gone")
            except StorageError:
                raise ValueError("on the way") from None
        except ValueError:
            raise kind("study not there") from None

    def bug(**_):
        raise kind("a bug")

    study = begin(tiny)
    monkeypatch.setattr(study, "work", as_optuna_does)
    with pytest.raises(StorageError, match="the server is gone"):
        work_here(study)
    monkeypatch.setattr(study, "work", bug)
    with pytest.raises(kind, match="a bug"):
        work_here(study)


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [("storage", 4, "lengthwise: worker 2: gone\n"), ("ctrl-c", 130, "")],
)
def test_a_worker_says_by_its_status_how_it_ended(tiny, monkeypatch, capsys, ends, code, said):
    from lengthwise import StorageError
    from lengthwise.sweep import _workers

    def work_here(study, **options):
        raise StorageError("gone") if ends == "storage" else KeyboardInterrupt

    begin(tiny)
    monkeypatch.setattr(_workers, "end_with_parent", lambda: None)  # this process has no parent
    monkeypatch.setattr(_workers, "work_here", work_here)
    with pytest.raises(SystemExit) as stop:
        _workers._work("sqlite:///s.db", "s", 2, None, {}, 15, 1.0, None)
    assert (stop.value.code, capsys.readouterr().err) == (code, said)


@pytest.mark.parametrize("server", ["postgresql+psycopg", "mysql"])
def test_a_server_that_is_not_there_is_named_without_its_password(server):
    """PostgreSQL's port is closed; MySQL's driver is not installed."""
    from lengthwise import StorageError
    from lengthwise.sweep import open_storage

    with pytest.raises(StorageError, match=re.escape(f"`{server}://me@127.0.0.1:9/db`")) as caught:
        open_storage(f"{server}://me:hidden-word@127.0.0.1:9/db")
    assert "hidden-word" not in str(caught.value)
    assert "must be reachable" in str(caught.value)
