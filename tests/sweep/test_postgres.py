"""A sweep on a PostgreSQL server of the tests' own: killed workers, lost connections, restarts."""

import gc
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import disturbed
import pytest


pytestmark = pytest.mark.services
PASSWORD = "b3ware"
COMMAND = [sys.executable, "-c", "import sys; from lengthwise.cli import main; sys.exit(main())"]


def server_binaries():
    """The folder of `initdb`, which Debian keeps off the path."""
    folders = [str(path) for path in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))]
    if found := shutil.which(
        "initdb", path=os.pathsep.join([*reversed(folders), os.environ["PATH"]])
    ):
        return pathlib.Path(found).parent
    pytest.fail(
        "PostgreSQL's server must be installed for the tests marked `services`, but there is no "
        "`initdb`: on Debian, `apt-get install postgresql`."
    )


class Server:
    """PostgreSQL on loopback with a password, in a temporary directory."""

    def __init__(self, folder: pathlib.Path):
        self._bin = server_binaries()
        self._data = folder / "data"
        # It refuses to run as root.
        self._user = None
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            self._user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(folder, self._user)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        access = ["-U", "lengthwise", "-A", "scram-sha-256", f"--pwfile={secret}"]
        self._run("initdb", "-D", self._data, *access, "-E", "UTF8", "--no-sync")
        local = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", *self._control, "-o", local)

    @property
    def _control(self):
        return ["-D", self._data, "-w", "-t", "120", "-l", self._data / "log"]

    def _run(self, name, *words):
        command = [str(word) for word in (self._bin / name, *words)]
        done = subprocess.run(
            command, user=self._user, cwd="/", stdout=subprocess.DEVNULL, timeout=240
        )
        assert done.returncode == 0, command

    def restart(self):
        """As after a crash: nothing is told to those who are connected."""
        self._run("pg_ctl", "restart", *self._control, "-m", "immediate")

    def stop(self):
        self._run("pg_ctl", "stop", *self._control, "-m", "immediate")

    def url(self, database, password=f":{PASSWORD}"):
        place = f"127.0.0.1:{self.port}/{database}"
        return f"postgresql+psycopg://lengthwise{password}@{place}"

    def say(self, statement):
        """Run one statement."""
        import psycopg

        url = self.url("postgres").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    def cut(self):
        """End every connection."""
        self.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="lengthwise-postgres-") as folder:
        server = Server(pathlib.Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(server, request):
    """A database of the test's own."""
    name = re.sub(r"\W", "_", request.node.name)[-40:]
    server.say(f"CREATE DATABASE {name}")
    yield name
    with warnings.catch_warnings():  # of connections in the pools of studies that are gone
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_kills_lost_connections_and_a_restart(server, database, tiny):
    """Three workers killed, 25 times all connections ended, the server restarted once."""
    from lengthwise.sweep import design

    moments, killed, cuts, restarts = random.Random(1), [], [], []

    def disturb(study, ended):
        kill = disturbed.kill_again_and_again(killed, kills=3, seed=2)
        killer = threading.Thread(target=kill, args=(study, ended))
        killer.start()
        while not ended.wait(moments.uniform(0, 1.5)):
            if not restarts and len(cuts) >= 5:
                server.restart()
                restarts.append(True)
            elif len(cuts) < 25:
                server.cut()
                cuts.append(True)
        killer.join()

    study = disturbed.run_disturbed(tiny, server.url(database), draws=6, workers=3, disturb=disturb)
    disturbed.check_once(study, design(tiny, 6, 0))
    assert len(killed) == 3
    assert restarts
    lost = disturbed.lost_by(study)
    assert set(lost) <= set(killed)  # a connection lost costs no trial
    assert max(lost.values(), default=0) <= 1
    whole = disturbed.run_disturbed(
        tiny, "sqlite:///whole.db", draws=6, workers=2, disturb=lambda study, ended: None
    )
    assert disturbed.timeless(study) == disturbed.timeless(whole)


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "optunas"])
def test_no_trial_is_taken_twice(server, database, ours):
    import optuna

    from lengthwise.sweep import open_storage, take_from_the_front

    url = server.url(database)
    study = optuna.create_study(storage=open_storage(url), study_name="s")
    for number in range(40):
        study.enqueue_trial({"x": number})
    taken, together = [], threading.Barrier(4)

    def take():
        mine = optuna.load_study(storage=open_storage(url), study_name="s")
        if ours:
            take_from_the_front(mine)
        together.wait()
        while (trial := mine._pop_waiting_trial_id()) is not None:
            taken.append(trial)

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len(taken) == len(set(taken)) == 40


def test_machines_work_on_one_study_and_no_password_is_written(server, database, call, place):
    """`sweep run` and two `sweep work`, each of which finds the password in another way."""
    bare = server.url(database, password="")
    (place / "pgpass").write_text(f"127.0.0.1:{server.port}:*:lengthwise:{PASSWORD}\n")
    (place / "pgpass").chmod(0o600)
    words = ["sweep", "run", "tiny", "--draws", "6", "--workers", "1", "--study", "s"]
    passwords = [{"PGPASSWORD": PASSWORD}, {"PGPASSFILE": str(place / "pgpass")}]

    def start(*argv, **environment):
        return subprocess.Popen(
            [*COMMAND, *argv],
            env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    processes = [start(*words, "--out", "s", "--storage", server.url(database))]
    try:
        deadline = time.monotonic() + 500
        while not (place / "s/sweep.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        for password in passwords:
            worker = start("sweep", "work", "--storage", bare, "--study", "s", **password)
            processes.append(worker)
        said = [process.communicate(timeout=1500)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0], said
    lines = (place / "s/trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines] == list(range(12))
    assert json.loads((place / "s/sweep.json").read_text())["storage"] == bare
    files = [path for path in (place / "s").rglob("*") if path.is_file()]
    for text in [*said, *(path.read_text() for path in files)]:
        assert PASSWORD not in text
    os.environ["PGPASSWORD"] = PASSWORD
    try:
        assert call(["sweep", "status", "s"])["counts"]["done"] == 12
        os.environ["PGPASSWORD"] = "wrong"
        refused = call(["sweep", "status", "s"], 4)["error"]
    finally:
        del os.environ["PGPASSWORD"]
    assert "password authentication failed" in refused
    other = server.url(database, password=":bad-secret")
    assert "bad-secret" not in call(["sweep", "status", "s", "--storage", other], 4)["error"]
