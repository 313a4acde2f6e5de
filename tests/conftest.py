"""Fixtures that every room's tests share: a real PostgreSQL, and a fresh, migrated database for each test.

`PROTENDERS_TEST_DATABASE_URL` names a server where databases may be created; without it the tests start the
embedded one in a temporary directory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from db import migrate
from db.embedded import EmbeddedPostgres
from db.embedded_place import Place
from db.engine import make_engine, normalise
from tests.waiting import until


@contextmanager
def _home() -> Iterator[Path]:
    """A new PROTENDERS_HOME with a short path that the server's account can enter; gone after the block.

    pytest's own directories are private to root, whose embedded server would then live outside of them.
    """
    home = Path(tempfile.mkdtemp(prefix="protenders-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        if (home / "postgres").exists():
            _wait_for_the_end(home)
            EmbeddedPostgres(home).destroy()
        shutil.rmtree(home)


def _wait_for_the_end(home: Path) -> None:
    """Until the supervisor of this home, whose last user was perhaps killed a moment ago, has ended."""
    with Place.prepare(home).lock.open("w") as file:
        until(lambda: _locks(file), what=f"the end of the database's users in {home}")


def _locks(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def protenders_home() -> Iterator[Path]:
    """An empty PROTENDERS_HOME for processes that start an embedded PostgreSQL of their own."""
    with _home() as home:
        yield home


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """URL of a PostgreSQL server's maintenance database; the account may create databases."""
    given = os.environ.get("PROTENDERS_TEST_DATABASE_URL")
    if given:
        yield normalise(given).render_as_string(hide_password=False)
        return
    with _home() as home, EmbeddedPostgres(home, durable=False).acquire() as lease:
        yield lease.url


@contextmanager
def temporary_database(server: str, *, template: str | None = None) -> Iterator[str]:
    """A database that lives as long as the block; its URL."""
    name = f"protenders_test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}"))
    try:
        yield normalise(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def empty_database_url(pg_server: str) -> Iterator[str]:
    """A fresh database without any table, dropped after the test."""
    with temporary_database(pg_server) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(pg_server: str) -> Iterator[str]:
    """Name of a migrated database to clone; nobody may stay connected to it."""
    with temporary_database(pg_server) as url:
        migrate.upgrade(url)
        yield str(normalise(url).database)


@pytest.fixture
def database_url(pg_server: str, template_database: str) -> Iterator[str]:
    """A fresh, fully migrated database, dropped after the test."""
    with temporary_database(pg_server, template=template_database) as url:
        yield url


@pytest.fixture
def db_engine(database_url: str) -> Iterator[sa.Engine]:
    """A pooled engine on `database_url`."""
    engine = make_engine(database_url)
    try:
        yield engine
    finally:
        engine.dispose()
