"""Migrations: from anywhere, by ten at once, within their limits, and equal to the models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db import migrate
from db.engine import make_engine, psycopg_dsn


def test_an_empty_database_is_behind_and_an_upgraded_one_is_not(empty_database_url: str) -> None:
    before = migrate.status(empty_database_url)
    assert (before.current, before.pending) == (None, True)

    after = migrate.upgrade(empty_database_url)

    assert after == migrate.status(empty_database_url)
    assert (after.current, after.pending) == (before.head, False)
    assert migrate.upgrade(empty_database_url) == after


def test_ten_migrators_at_once_all_succeed_from_a_directory_without_a_checkout(
    empty_database_url: str, tmp_path: Path
) -> None:
    script = "import sys; from db import migrate; print(migrate.upgrade(sys.argv[1]).pending)"
    migrators = [
        subprocess.Popen(
            [sys.executable, "-c", script, empty_database_url],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in migrators]
    assert [(out.strip(), code) for (out, _), code in ended] == [("False", 0)] * 10, ended


def test_the_models_equal_the_sum_of_the_migrations(db_engine: sa.Engine) -> None:
    from db.tables import metadata as public
    from engine.schema import metadata as engine

    with db_engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name in {None, "engine"},
                "include_object": lambda _, name, kind, __, ___: (kind, name) != ("table", "alembic_version"),
                "target_metadata": [public, engine],
            },
        )
        assert compare_metadata(context, [public, engine]) == []


def test_every_migration_runs_over_a_database_full_of_data_and_keeps_it(empty_database_url: str) -> None:
    """From each revision that a release may have left, with a row in every table, as its code would have written it."""
    scripts = ScriptDirectory.from_config(migrate.configuration())
    revisions = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert len(revisions) > 1
    engine = make_engine(empty_database_url)
    before: dict[str, list[str]] = {}
    for revision in revisions:
        migrate.upgrade(empty_database_url, revision)
        with engine.begin() as connection:
            assert [table for table in before if _rows(connection, table) != before[table]] == []
            before = {table: _fill(connection, table) for table in _tables(connection)}
        assert len(before) > 20
        assert [table for table, rows in before.items() if not rows] == []
    assert not migrate.status(empty_database_url).pending
    engine.dispose()


def _tables(connection: sa.Connection) -> list[str]:
    """Every table, those first that others refer to."""
    found = sa.MetaData()
    for schema in (None, "engine"):
        if schema is None or schema in sa.inspect(connection).get_schema_names():
            found.reflect(connection, schema=schema)
    return [table.fullname for table in found.sorted_tables if table.name != "alembic_version"]


def _rows(connection: sa.Connection, table: str) -> list[str]:
    """What was there before stays as it was: the columns that a later migration adds are not compared."""
    columns = ", ".join(f"t.{name}" for name in _columns[table])
    found = connection.execute(sa.text(f"SELECT row({columns})::text FROM {table} AS t ORDER BY 1"))
    return [str(row[0]) for row in found]


_columns: dict[str, list[str]] = {}


def _fill(connection: sa.Connection, table: str) -> list[str]:
    """One row, with a value in every column that takes one, unless there is one already."""
    schema, _, name = table.rpartition(".")
    columns = sa.inspect(connection).get_columns(name, schema=schema or None)
    plain = [c for c in columns if not c.get("computed") and not c.get("identity")]
    _columns.setdefault(table, [str(c["name"]) for c in columns if not c.get("computed")])
    if connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0:
        names = ", ".join(str(c["name"]) for c in plain)
        values = ", ".join(
            _STATES[table] if c["name"] == "state" and table in _STATES else _value(str(c["name"]), c["type"])
            for c in plain
        )
        connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"))
    return _rows(connection, table)


# What a CHECK constraint allows only some of.
_ALLOWED = {
    "status": "'SUCCESS'", "error_kind": "'DATA'", "lifecycle": "'open'", "enrichment_status": "'pending'",
    "frequency": "'daily'", "state": "'closed'", "role": "'viewer'",
}  # fmt: skip
_STATES = {"tender_ids": "'known'", "alert_deliveries": "'sent'"}


def _value(name: str, kind: sa.types.TypeEngine[object]) -> str:
    text = str(kind).upper()
    if "ARRAY" in text or "[]" in text:
        return "'{}'"
    for word, value in (
        ("JSON", "'{\"a\": [1, null]}'"), ("BYTEA", "'x'"), ("BOOL", "true"), ("TIMESTAMP", "now()"),
        ("UUID", "'00000000-0000-4000-8000-000000000000'"), ("DATE", "now()"), ("INT", "1"), ("NUMERIC", "1"),
        ("DOUBLE", "1"), ("FLOAT", "1"),
    ):  # fmt: skip
        if word in text:
            return value
    return _ALLOWED.get(name, "'x'")


def test_the_migrations_can_be_taken_back(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)

    assert migrate.downgrade(empty_database_url, "base").current is None

    engine = make_engine(empty_database_url)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        assert set(inspector.get_table_names()) <= {"alembic_version"}
        assert "engine" not in inspector.get_schema_names()
    engine.dispose()


def test_a_migration_runs_under_short_limits(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    def look(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        seen.append(
            tuple(
                connection.execute(sa.text(f"SHOW {name}")).scalar_one()
                for name in ("statement_timeout", "lock_timeout")
            )
        )

    monkeypatch.setattr(migrate.command, "upgrade", look)
    migrate.upgrade(empty_database_url)
    assert seen == [("5s", "4s")]


def test_a_failed_migration_frees_the_lock_for_the_next(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(sa.text("SELECT 1/0"))

    with monkeypatch.context() as patch:
        patch.setattr(migrate.command, "upgrade", fail)
        with pytest.raises(sa.exc.DataError):
            migrate.upgrade(empty_database_url)
    assert not migrate.upgrade(empty_database_url).pending


def test_the_installed_package_brings_its_migrations() -> None:
    location = migrate.configuration().get_main_option("script_location")
    assert location is not None
    assert (Path(location) / "env.py").is_file()


def test_psycopg_gets_the_same_database(database_url: str) -> None:
    import psycopg

    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row == (migrate.status(database_url).current,)
