"""Many rows at once: COPY in binary, straight from Python values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from psycopg import Connection, adapters
from psycopg.sql import SQL, Identifier
from sqlalchemy.dialects import postgresql as pg

_NAMES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (pg.JSONB, "jsonb"),
    (sa.LargeBinary, "bytea"),
    (sa.DateTime, "timestamptz"),
    (sa.Date, "date"),
    (sa.Boolean, "bool"),
    (sa.SmallInteger, "int2"),
    (sa.BigInteger, "int8"),
    (sa.Integer, "int4"),
    (sa.Numeric, "numeric"),
    (sa.Text, "text"),
)


def driver(conn: sa.Connection) -> Connection[Any]:
    """psycopg's own connection, inside the transaction that SQLAlchemy manages."""
    found = conn.connection.driver_connection
    if not isinstance(found, Connection):
        message = f"expected a psycopg connection, found {type(found).__name__}"
        raise TypeError(message)
    return found


def copy(
    conn: sa.Connection, table: str, columns: Sequence[sa.Column[Any]], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY rows into the named table; the values must be of the columns' types."""
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier(table), SQL(", ").join(Identifier(column.name) for column in columns)
    )
    oids = [_oid(column.type) for column in columns]
    with driver(conn).cursor() as cursor, cursor.copy(statement) as stream:
        stream.set_types(oids)
        for row in rows:
            stream.write_row(row)


def temporary_like(conn: sa.Connection, name: str, columns: Sequence[sa.Column[Any]]) -> None:
    """An empty temporary table of these columns, gone at the end of the transaction."""
    dialect = conn.dialect
    body = ", ".join(f'"{column.name}" {column.type.compile(dialect)}' for column in columns)
    conn.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} ({body}) ON COMMIT DROP")


def _oid(type_: sa.types.TypeEngine[Any]) -> int:
    if isinstance(type_, pg.ARRAY):
        return adapters.types[_name(type_.item_type)].array_oid
    return adapters.types[_name(type_)].oid


def _name(type_: sa.types.TypeEngine[Any]) -> str:
    for kind, name in _NAMES:
        if isinstance(type_, kind):
            return name
    message = f"no COPY type for {type_!r}"
    raise TypeError(message)
