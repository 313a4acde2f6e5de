"""A PostgreSQL for a benchmark, and fresh, migrated databases in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from db import migrate
from db.engine import normalise


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The server that PROTENDERS_BENCH_DATABASE_URL names, or an embedded one of the benchmark's own."""
    given = os.environ.get("PROTENDERS_BENCH_DATABASE_URL")
    if given:
        yield normalise(given).render_as_string(hide_password=False)
        return
    from db.embedded import EmbeddedPostgres

    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)).acquire() as lease:
        yield lease.url


@contextlib.contextmanager
def database(at: str, *, migrated: bool = True) -> Iterator[str]:
    """A database that lives as long as the block, with our tables unless not `migrated`; its URL."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(at, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = normalise(at).set(database=name).render_as_string(hide_password=False)
    try:
        if migrated:
            migrate.upgrade(url)
        yield url
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()
