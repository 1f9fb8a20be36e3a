"""Optuna's database: opening it, losing it, and saying so in one sentence."""

import contextlib
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import StorageError
from ._optuna import require_optuna


if TYPE_CHECKING:
    import optuna
    import sqlalchemy

T = TypeVar("T")
RETRIES = 8
"""How often a lost connection is tried again, after 1, 2, 4, ... seconds, at most 30 each."""
STATEMENTS = (
    "create_new_study",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "set_study_user_attr",
    "set_study_system_attr",
    "_create_new_trial",
    "_set_trial_param",
    "set_trial_state_values",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "get_trial",
    "_get_trials",
    "record_heartbeat",
    "_get_stale_trial_ids",
)
"""What Optuna does inside one transaction each."""


def open_storage(url: str, *, heartbeat: int = 15) -> "optuna.storages.RDBStorage":
    """Optuna's storage at `url`, with a heartbeat, whose stale trials are queued again.

    Each of its transactions is tried again while the connection is lost.

    **Arguments:**

    - `url`: as SQLAlchemy's, `sqlite:///study.db` or `postgresql+psycopg://...`.
    - `heartbeat`: seconds between signs of life; a trial without one for four times that is stale.
      (Keyword only argument.)

    **Raises:** `InputError` if Optuna is not installed, `StorageError` if the database cannot be
    reached.
    """
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    # pool_pre_ping opens a new connection where the old one was lost between two transactions.
    with _unreachable(url):
        storage = optuna.storages.RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": _patience(url)},
            heartbeat_interval=heartbeat,
            grace_period=4 * heartbeat,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
    logging.getLogger("alembic").setLevel(logging.ERROR)
    if url.startswith("sqlite"):
        _lock_from_the_start(storage.engine)
    _retry_each(storage)
    return storage


def _patience(url: str) -> dict[str, int]:
    """For how long SQLite waits for a lock, and PostgreSQL's client for a server that is gone."""
    if url.startswith("sqlite"):
        return {"timeout": 60}
    if url.partition(":")[0] in ("postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
        return {"connect_timeout": 20, **alive}
    return {}


def _retry_each(storage: "optuna.storages.RDBStorage") -> None:
    """Let each transaction of `storage` be `retried`.

    Optuna would take a connection that is lost inside a trial for the failure of this trial, end its
    heartbeat, or raise an AssertionError as it tells a result.
    """
    for name in STATEMENTS:
        if (once := getattr(storage, name, None)) is not None:
            setattr(storage, name, _retrying(once))


def _retrying(once: Callable[..., T]) -> Callable[..., T]:
    return lambda *args, **kwargs: retried(lambda: once(*args, **kwargs))


def _lock_from_the_start(engine: "sqlalchemy.Engine") -> None:
    """Let each transaction of SQLite begin by taking the write lock.

    Optuna reads a waiting trial "for update" and then marks it as running. SQLite has no such reads: two
    workers would read the same trial, and both run it. (SQLAlchemy's own recipe for its driver.)
    """
    from sqlalchemy import event

    def no_implicit_begin(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: "sqlalchemy.Connection") -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", no_implicit_begin)
    event.listen(engine, "begin", begin)
    engine.dispose()  # connections from before


def retried(
    action: Callable[[], T], *, retries: int = RETRIES, also: tuple[type[Exception], ...] = ()
) -> T:
    """The value of `action`, tried again while the connection to the database is lost.

    **Arguments:**

    - `action`: without arguments.
    - `retries`: how often.
    - `also`: more errors that mean the same. (Keyword only arguments.)

    **Raises:** `StorageError` if it stays lost.
    """
    import optuna
    import sqlalchemy.exc

    lost = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.OperationalError, *also)
    for attempt in range(retries):
        try:
            return action()
        except lost:
            time.sleep(min(2**attempt, 30))
    with _unreachable("the study's database"):
        return action()


@contextlib.contextmanager
def _unreachable(url: str) -> Iterator[None]:
    import optuna
    import sqlalchemy.exc

    try:
        yield
    except (
        optuna.exceptions.StorageInternalError,
        sqlalchemy.exc.SQLAlchemyError,
        ImportError,
        RuntimeError,
    ) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        reason = reason.replace(url, hidden(url))
        raise StorageError(
            f"The database `{hidden(url)}` must be reachable, but it is not ({reason}): check the "
            "URL and the server, and install its driver, as `pip install 'lengthwise[postgres]'` does."
        ) from None


def hidden(url: str) -> str:
    """`url` without its password, wherever it stands."""
    head, separator, rest = url.partition("://")
    rest = re.sub(r"(?<=[?&])\w*password=[^&]*&?", "", rest).rstrip("?&")
    user, at, place = rest.rpartition("@")
    return f"{head}{separator}{user.partition(':')[0]}{at}{place}"
