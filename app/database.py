"""The process's database: DATABASE_URL, or the embedded PostgreSQL under PROTENDERS_HOME."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.settings import Settings
from db.engine import PoolSettings, make_engine, normalise


class DatabaseUnavailableError(Exception):
    """The database cannot be reached. The message says which one and what to do, without the password."""


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL to use while the block runs; the embedded server is started if need be and released at the end."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    try:
        from db.embedded import EmbeddedPostgres

        lease = EmbeddedPostgres(settings.home).acquire()
    except (OSError, RuntimeError, ImportError) as problem:
        raise DatabaseUnavailableError(
            f"The embedded PostgreSQL did not start: {problem}. "
            "Set DATABASE_URL to a PostgreSQL server of your own, or see `protenders doctor`."
        ) from problem
    try:
        yield lease.url
    finally:
        lease.release()


def pooled_engine(settings: Settings, url: str) -> sa.Engine:
    """The process's one pooled engine, its knobs from the settings."""
    return make_engine(
        url,
        PoolSettings(
            size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            timeout=settings.db_pool_timeout,
            recycle=settings.db_pool_recycle,
            pre_ping=settings.db_pool_pre_ping,
            statement_timeout_ms=settings.db_statement_timeout_ms,
            lock_timeout_ms=settings.db_lock_timeout_ms,
            application_name=settings.db_application_name,
        ),
    )


def prepare(url: str) -> None:
    """Brings the schema up to date. Raises DatabaseUnavailableError when nobody answers at `url`."""
    from db import migrate

    try:
        migrate.upgrade(url)
    except migrate.NewerDatabaseError as problem:
        raise DatabaseUnavailableError(
            f"The database cannot be used: {problem}. Install that release, or a newer one."
        ) from problem
    except sa.exc.OperationalError as problem:
        raise unavailable(url, problem) from problem


@contextmanager
def database(settings: Settings, *, migrated: bool = True) -> Iterator[sa.Engine]:
    """A pooled engine on an up-to-date schema, for a command's duration."""
    with database_url(settings) as url:
        if migrated:
            prepare(url)
        engine = pooled_engine(settings, url)
        try:
            yield engine
        finally:
            engine.dispose()


def unavailable(url: str, problem: sa.exc.OperationalError) -> DatabaseUnavailableError:
    """The same failure in words for people: where, why, what to do."""
    parts = normalise(url)
    place = (
        f"{parts.host or 'the local socket'}{f':{parts.port}' if parts.port else ''}/{parts.database or ''}"
    )
    reason = str(problem.orig).strip().splitlines()[0] if problem.orig else str(problem)
    return DatabaseUnavailableError(
        f"The database at {place} cannot be used: {reason}. "
        "Check that the server runs and that DATABASE_URL is right; `protenders doctor` tests it step by step."
    )
