"""Reading tenders for people and programs: one tender, its documents, its history; values as JSON has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import sqlalchemy as sa

from db.bodies import exact
from db.clock import iso
from db.tables import releases, tender_documents, tenders

Row: TypeAlias = "sa.Row[*tuple[Any, ...]]"

# Bookkeeping of ours that the public view leaves out.
_HIDDEN = frozenset({"n", "search", "arrival", "release_fetched_at", "job_id"})
COLUMNS = tuple(
    column
    for column in tenders.c
    if column.name not in _HIDDEN and not isinstance(column.type, sa.LargeBinary)
)
# Whether a column's values are JSON's own already: a page has thousands of them.
_SHAPES = tuple(
    (
        str(column.name),
        not isinstance(column.type, sa.DateTime | sa.Date | sa.Numeric)
        or isinstance(column.type, sa.Integer),
    )
    for column in COLUMNS
)
DOCUMENT_COLUMNS = tuple(column for column in tender_documents.c if column.name not in {"ocid", "position"})
_DOCUMENT_NAMES = tuple(str(column.name) for column in DOCUMENT_COLUMNS)
_KEY = re.compile(r"[a-z0-9-]{1,200}", re.ASCII)


def one(connection: sa.Connection, key: str, *, published_only: bool = True) -> dict[str, Any] | None:
    """The tender with this ocid or slug, with its documents."""
    if not _KEY.fullmatch(key):
        return None
    statement = sa.select(*COLUMNS, tenders.c.n).where((tenders.c.ocid == key) | (tenders.c.slug == key))
    if published_only:
        statement = statement.where(tenders.c.is_published)
    row = connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        return None
    found = [as_json(row)]
    add_documents(connection, found)
    return found[0]


def current(connection: sa.Connection, ocid: str) -> Row | None:
    """A published tender as it stands, its values as Python has them, and the hash of its content."""
    if not _KEY.fullmatch(ocid):
        return None
    return connection.execute(
        sa.select(*COLUMNS, tenders.c.content_hash).where(tenders.c.ocid == ocid, tenders.c.is_published)
    ).one_or_none()


def documents_of(connection: sa.Connection, ocids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The documents of these tenders in their order, with one query."""
    found: dict[str, list[dict[str, Any]]] = {ocid: [] for ocid in ocids}
    column = tender_documents.c
    rows = connection.execute(
        sa.select(column.ocid, *DOCUMENT_COLUMNS)
        .where(column.ocid.in_(found))
        .order_by(column.ocid, column.position)
    )
    for row in rows:
        found[row.ocid].append({name: getattr(row, name) for name in _DOCUMENT_NAMES})
    return found


def history(connection: sa.Connection, ocid: str) -> Sequence[Row]:
    """Every distinct content that was ever seen of a tender's release, oldest first."""
    return connection.execute(
        sa.select(
            releases.c.id,
            releases.c.release_id,
            releases.c.date,
            releases.c.fetched_at,
            releases.c.job_id,
            releases.c.content_hash,
            releases.c.body,
            releases.c.body_exact,
        )
        .where(releases.c.ocid == ocid)
        .order_by(releases.c.fetched_at, releases.c.id)
    ).all()


def body_of(row: Row) -> Any:
    """What the source said, of a row of `history`."""
    return exact(row.body, row.body_exact)


def last_changed_at(connection: sa.Connection) -> datetime | None:
    """When any tender last changed."""
    newest: datetime | None = connection.execute(sa.select(sa.func.max(tenders.c.last_changed_at))).scalar()
    return newest


def as_values(row: Row) -> dict[str, Any]:
    """The public columns of a row as Python has them, and `content_hash`, which the row must have."""
    values = {column.name: value for column, value in zip(COLUMNS, row, strict=False)}
    return {**values, "content_hash": row.content_hash}


def as_json(row: Row) -> dict[str, Any]:
    """The public columns of a row, in JSON's types: times with +02:00, amounts as numbers."""
    return {
        name: value if plain or value is None else json_value(value)
        for (name, plain), value in zip(_SHAPES, row, strict=False)
    }


def json_value(value: Any) -> Any:
    """A column's value in JSON's types."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def add_documents(connection: sa.Connection, found: list[dict[str, Any]]) -> None:
    """Puts the documents of all these tenders in place, with one query."""
    documents = documents_of(connection, [tender["ocid"] for tender in found]) if found else {}
    for tender in found:
        tender["documents"] = documents[tender["ocid"]]
