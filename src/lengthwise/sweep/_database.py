"""Optuna's database: opening it, losing it, and saying so in one sentence."""

import contextlib
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import InputError, StorageError


if TYPE_CHECKING:
    import optuna
    import sqlalchemy

T = TypeVar("T")
RETRIES = 8
"""How often a lost connection is tried again, after 1, 2, 4, ... seconds, at most 30 each."""


def open_storage(url: str, *, heartbeat: int = 15) -> "optuna.storages.RDBStorage":
    """Optuna's storage at `url`, with a heartbeat, whose stale trials are queued again.

    **Arguments:**

    - `url`: as SQLAlchemy's, `sqlite:///study.db` or `postgresql+psycopg://...`.
    - `heartbeat`: seconds between signs of life; a trial without one for four times that is stale.
      (Keyword only argument.)

    **Raises:** `InputError` if Optuna is not installed, `StorageError` if the database cannot be
    reached.
    """
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "`optuna` must be installed for a sweep, but it is not: `pip install lengthwise[sweep]`."
        )
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    # pool_pre_ping opens a new connection where the old one was lost between two statements.
    wait = {"timeout": 60} if url.startswith("sqlite") else {}
    with _unreachable(url):
        storage = optuna.storages.RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": wait},
            heartbeat_interval=heartbeat,
            grace_period=4 * heartbeat,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
    logging.getLogger("alembic").setLevel(logging.ERROR)
    if url.startswith("sqlite"):
        _lock_from_the_start(storage.engine)
    return storage


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


def retried(action: Callable[[], T], *, retries: int = RETRIES) -> T:
    """The value of `action`, tried again while the connection to the database is lost.

    **Raises:** `StorageError` if it stays lost.
    """
    import optuna
    import sqlalchemy.exc

    lost = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.OperationalError)
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
        raise StorageError(
            f"The database `{hidden(url)}` must be reachable, but it is not ({reason}): check the "
            "URL and the server, and install its driver."
        ) from None


def hidden(url: str) -> str:
    """`url` without its password."""
    head, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{head}{separator}{user.partition(':')[0]}{at}{place}"
