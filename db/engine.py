"""The pooled SQLAlchemy engine: one per process, its knobs in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = ("postgres", "postgresql")
# libpq's names, in seconds and milliseconds. A host that vanishes, or a router that forgets a connection, says nothing
# about it: left to itself TCP notices after a quarter of an hour, or never on a connection that only listens. Where a
# failover has led to a server that only reads, connecting fails and is tried again, not everything after it.
_CONNECTION = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "connect_timeout": "10",
    "target_session_attrs": "read-write",
}


class DatabaseUrlError(ValueError):
    """A database URL that cannot be used. The message never contains the password."""


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """How many connections a process may hold, and how long one of its statements may take.

    `timeout` is the seconds a caller waits for a free connection before `sqlalchemy.exc.TimeoutError`;
    `recycle` the seconds after which a connection is replaced, so that a load balancer's idle limit or a
    changed password never surfaces in a query. The two `…_ms` limits are enforced by the server; 0 is none.
    """

    size: int = 5
    max_overflow: int = 5
    timeout: float = 10.0
    recycle: int = 1800
    pre_ping: bool = True
    statement_timeout_ms: int = 60_000
    lock_timeout_ms: int = 10_000
    application_name: str = "protenders"


def normalise(url: str | URL) -> URL:
    """The URL with the one driver that this project uses; raises `DatabaseUrlError`.

    Hosting companies hand out `postgres://…`, which SQLAlchemy no longer knows.
    """
    try:
        parsed = make_url(url.strip() if isinstance(url, str) else url)
    except (ArgumentError, ValueError):
        message = "not a PostgreSQL URL; expected postgresql://user:password@host:5432/database"
        raise DatabaseUrlError(message) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _SCHEMES:
        message = (
            f"not a PostgreSQL URL but {backend}://; expected postgresql://user:password@host:5432/database"
        )
        raise DatabaseUrlError(message)
    return parsed.set(drivername="postgresql+psycopg")


def watched(url: str | URL) -> URL:
    """The same database; a connection to it whose other end fell silent fails within half a minute, and one to a
    server that only reads is not made.

    What the URL itself says about these things stays. A Unix socket has no need of keepalives and takes no notice.
    """
    given = normalise(url)
    missing = {name: value for name, value in _CONNECTION.items() if name not in given.query}
    return given.update_query_dict(missing)


def psycopg_dsn(url: str | URL) -> str:
    """The same database for psycopg itself: `postgresql://…`, watched, password included. Never log it."""
    return watched(url).set(drivername="postgresql").render_as_string(hide_password=False)


def check_url(url: str) -> None:
    """Raises `DatabaseUrlError` when nothing could connect with this URL, whatever answers there."""
    if "@" in (normalise(url).host or ""):
        raise DatabaseUrlError("not a PostgreSQL URL: an @ within its password has to be written %40")
    try:
        conninfo_to_dict(psycopg_dsn(url))
    except ProgrammingError:
        raise DatabaseUrlError("not a PostgreSQL URL: it has an option that libpq does not know") from None


def session_options(settings: PoolSettings, given: str = "") -> str:
    """The libpq `options` of every connection; what the URL itself asks for comes last and wins."""
    ours = {
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
    }
    return " ".join([*(f"-c {name}={value}" for name, value in ours.items()), given]).strip()


def make_engine(url: str | URL, pool: PoolSettings | None = None) -> sa.Engine:
    """A pooled engine. It connects at first use, not here."""
    settings = pool or PoolSettings()
    parsed = watched(url)
    given = parsed.query.get("options", "")
    connect_args: Mapping[str, object] = {
        "options": session_options(settings, given if isinstance(given, str) else " ".join(given)),
        "application_name": settings.application_name,
    }
    return sa.create_engine(
        parsed.difference_update_query(["options"]),
        connect_args=dict(connect_args),
        pool_size=settings.size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.timeout,
        pool_recycle=settings.recycle,
        pool_pre_ping=settings.pre_ping,
        # An error's text goes to the log, to a job and to its page; password hashes and mail addresses do not.
        hide_parameters=True,
    )
