"""Fixtures that every room's tests share: a real PostgreSQL, and a fresh, migrated database for each test.

`PROTENDERS_TEST_DATABASE_URL` names a server where databases may be created; without it the tests start the
embedded one in a temporary directory.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from db import migrate
from db.engine import make_engine, normalise


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server's maintenance database; the account may create databases."""
    given = os.environ.get("PROTENDERS_TEST_DATABASE_URL")
    if given:
        yield normalise(given).render_as_string(hide_password=False)
        return
    from db.embedded import EmbeddedPostgres

    home: Path = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(home).acquire() as lease:
        yield lease.url


@contextmanager
def _database(server: str, *, template: str | None = None) -> Iterator[str]:
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
    with _database(pg_server) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(pg_server: str) -> Iterator[str]:
    """Name of a migrated database to clone; nobody may stay connected to it."""
    with _database(pg_server) as url:
        migrate.upgrade(url)
        yield str(normalise(url).database)


@pytest.fixture
def database_url(pg_server: str, template_database: str) -> Iterator[str]:
    """A fresh, fully migrated database, dropped after the test."""
    with _database(pg_server, template=template_database) as url:
        yield url


@pytest.fixture
def db_engine(database_url: str) -> Iterator[sa.Engine]:
    """A pooled engine on `database_url`."""
    engine = make_engine(database_url)
    try:
        yield engine
    finally:
        engine.dispose()
