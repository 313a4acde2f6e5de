"""Backups: what comes back is what was there, and a restore that fails changes nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from db import migrate
from db.backup import BackupError, backup, restore
from db.engine import make_engine, psycopg_dsn


def _put(url: str, *statements: str) -> None:
    with psycopg.connect(psycopg_dsn(url)) as connection:
        for statement in statements:
            connection.execute(statement)


def _tables(url: str) -> set[tuple[str, str]]:
    engine = make_engine(url)
    inspector = sa.inspect(engine)
    found = {(schema, name) for schema in ("public", "engine") for name in inspector.get_table_names(schema)}
    engine.dispose()
    return found


def test_a_backup_brings_back_both_schemas_and_nothing_else(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    _put(
        database_url,
        "CREATE TABLE kept (id bigint GENERATED ALWAYS AS IDENTITY, word text)",
        "INSERT INTO kept (word) VALUES ('Ûbuntu'), (E'a\\\\.\\n\\\\.')",
        "CREATE TABLE engine.kept AS SELECT 1 AS one",
    )
    file = tmp_path / "copy.dump"
    backup(database_url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]

    _put(empty_database_url, "CREATE TABLE younger (id int)", "CREATE SCHEMA engine")
    restore(empty_database_url, file)

    assert _tables(empty_database_url) == _tables(database_url)
    assert migrate.status(empty_database_url) == migrate.status(database_url)
    with psycopg.connect(psycopg_dsn(empty_database_url)) as connection:
        rows = connection.execute("INSERT INTO kept (word) VALUES ('third') RETURNING id").fetchall()
        words = connection.execute("SELECT word FROM kept ORDER BY id").fetchall()
    assert rows == [(3,)]
    assert words == [("Ûbuntu",), ("a\\.\n\\.",), ("third",)]


@pytest.mark.parametrize("damage", ["not a backup", "half a backup"])
def test_a_damaged_file_changes_nothing(database_url: str, tmp_path: Path, damage: str) -> None:
    _put(database_url, "CREATE TABLE kept AS SELECT repeat(md5(i::text), 50) FROM generate_series(1, 5000) i")
    file = tmp_path / "copy.dump"
    backup(database_url, file)
    whole = file.read_bytes()
    file.write_bytes(b"nonsense" if damage == "not a backup" else whole[: len(whole) * 9 // 10])
    before = _tables(database_url)

    with pytest.raises(BackupError):
        restore(database_url, file)

    assert _tables(database_url) == before
    with psycopg.connect(psycopg_dsn(database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (5000,)


def test_a_database_that_is_in_use_is_not_replaced(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "copy.dump"
    backup(database_url, file)
    _put(database_url, "CREATE TABLE younger (id int)")
    with psycopg.connect(psycopg_dsn(database_url)), pytest.raises(BackupError, match="stop it first"):
        restore(database_url, file)
    assert ("public", "younger") in _tables(database_url)
    restore(database_url, file)
    assert ("public", "younger") not in _tables(database_url)


def test_a_backup_that_fails_leaves_no_file_and_names_the_reason(database_url: str, tmp_path: Path) -> None:
    wrong = str(database_url).replace("/protenders_test_", "/no_such_database_")
    with pytest.raises(BackupError, match="no_such_database_"):
        backup(wrong, tmp_path / "copy.dump")
    assert list(tmp_path.iterdir()) == []
