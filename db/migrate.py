"""Bring a database to the newest schema, from an installed package as well as from a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.pool import NullPool

from db.engine import watched

# Any constant will do, so long as every release uses the same one.
_ADVISORY_LOCK = 7_165_003_118_221_401
STATEMENT_TIMEOUT = "5s"
LOCK_TIMEOUT = "4s"


class NewerDatabaseError(RuntimeError):
    """The database's schema is that of a release after this one. Nothing is taken back by itself."""


@dataclass(frozen=True)
class MigrationStatus:
    """Where the database is and where this release's code expects it to be. `known`: this release has that revision;
    else a newer one wrote the database."""

    current: str | None
    head: str
    pending: bool
    known: bool = True


def configuration() -> Config:
    """Alembic's configuration, found through the `migrations` package and needing no file in the cwd."""
    spec = find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package `migrations` is not installed; reinstall protenders")
    config = Config()
    # ConfigParser reads a percent sign as interpolation.
    config.set_main_option("script_location", next(iter(spec.submodule_search_locations)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connection(url: str) -> Iterator[sa.Connection]:
    # Not the application's pool: a migration has its own, stricter limits.
    engine = sa.create_engine(
        watched(url),
        poolclass=NullPool,
        connect_args={"application_name": "protenders-migrate"},
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _exclusive(connection: sa.Connection) -> Iterator[None]:
    """One migrator at a time on this database; the others wait here, without a limit on the wait.

    The lock belongs to the session, so a killed migrator leaves nothing behind.
    """
    connection.execute(sa.text("SET statement_timeout = 0; SET lock_timeout = 0"))
    connection.execute(sa.select(sa.func.pg_advisory_lock(_ADVISORY_LOCK)))
    connection.commit()
    try:
        connection.execute(
            sa.text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET lock_timeout = '{LOCK_TIMEOUT}'")
        )
        connection.commit()
        yield
    finally:
        connection.rollback()
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY_LOCK)))
        connection.commit()


def upgrade(url: str, revision: str = "head") -> MigrationStatus:
    """Run what is pending, each migration in its own transaction. Safe to run from many processes at once.

    Raises NewerDatabaseError, and then has changed nothing.
    """
    config = configuration()
    with _connection(url) as connection, _exclusive(connection):
        found = _status(connection, config)
        connection.rollback()
        if not found.known:
            raise NewerDatabaseError(
                f"the database is at revision {found.current}, which this release does not know: a newer one wrote it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        return _status(connection, config)


def downgrade(url: str, revision: str) -> MigrationStatus:
    """Take migrations back, down to `revision` (`base` empties the database)."""
    config = configuration()
    with _connection(url) as connection, _exclusive(connection):
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        return _status(connection, config)


def status(url: str) -> MigrationStatus:
    """Compare database and code; changes nothing."""
    with _connection(url) as connection:
        return _status(connection, configuration())


def _status(connection: sa.Connection, config: Config) -> MigrationStatus:
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if head is None:
        raise RuntimeError("the package `migrations` holds no migration; reinstall protenders")
    known = current is None or current in {script.revision for script in scripts.walk_revisions()}
    return MigrationStatus(current=current, head=head, pending=current != head, known=known)
