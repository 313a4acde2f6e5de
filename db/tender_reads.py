"""Reading tenders for people and programs: a page of a search, one tender, its documents, its history."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from db.clock import SOUTH_AFRICA, iso
from db.tables import releases, tender_documents, tenders

# Bookkeeping of ours that the public view leaves out.
_HIDDEN = frozenset({"n", "search", "release_fetched_at", "job_id"})
COLUMNS = tuple(
    column
    for column in tenders.c
    if column.name not in _HIDDEN and not isinstance(column.type, sa.LargeBinary)
)


class CursorError(ValueError):
    """A cursor that was not made by this search."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to search for; what is None does not restrict. Days are South African days, both ends included."""

    q: str | None = None
    province: str | None = None
    category: str | None = None
    buyer: str | None = None
    status: str | None = None
    lifecycle: str | None = None
    enrichment_status: str | None = None
    organ_of_state_type: str | None = None
    published_from: date | None = None
    published_to: date | None = None
    closing_before: date | None = None
    closing_after: date | None = None
    published_only: bool = True

    def given(self) -> dict[str, str]:
        """The filters that restrict, as they stand in a URL."""
        values = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "published_only"
        }
        return {name: str(value) for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True)
class Page:
    """Some tenders, and the cursor of the page that follows (None: this is the last)."""

    tenders: list[dict[str, Any]]
    next: str | None


def search(connection: sa.Connection, filters: Filters, *, limit: int, cursor: str | None = None) -> Page:
    """The newest tenders that fit. Raises CursorError."""
    statement = (
        sa.select(*COLUMNS, tenders.c.n)
        .where(*_conditions(filters))
        .order_by(tenders.c.published_at.desc().nulls_last(), tenders.c.n.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        statement = statement.where(_after(*_read_cursor(cursor)))
    rows = connection.execute(statement).all()
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    found = [_plain(row) for row in rows[:limit]]
    _add_documents(connection, found)
    return Page(found, following)


def stream(connection: sa.Connection, filters: Filters, *, batch: int = 500) -> Iterator[dict[str, Any]]:
    """All tenders that fit, newest first, in bounded memory; each with its documents."""
    cursor: str | None = None
    while True:
        page = search(connection, filters, limit=batch, cursor=cursor)
        yield from page.tenders
        if page.next is None:
            return
        cursor = page.next


def one(connection: sa.Connection, key: str, *, published_only: bool = True) -> dict[str, Any] | None:
    """The tender with this ocid or slug, with its documents."""
    statement = sa.select(*COLUMNS, tenders.c.n).where((tenders.c.ocid == key) | (tenders.c.slug == key))
    if published_only:
        statement = statement.where(tenders.c.is_published)
    row = connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        return None
    found = [_plain(row)]
    _add_documents(connection, found)
    return found[0]


def history(connection: sa.Connection, ocid: str) -> Sequence[sa.Row[Any]]:
    """Every distinct content that was ever seen of a tender's release, oldest first."""
    return connection.execute(
        sa.select(
            releases.c.id,
            releases.c.release_id,
            releases.c.date,
            releases.c.fetched_at,
            releases.c.job_id,
            releases.c.body,
        )
        .where(releases.c.ocid == ocid)
        .order_by(releases.c.fetched_at, releases.c.id)
    ).all()


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    column = tenders.c
    found: list[sa.ColumnElement[bool]] = []
    if filters.published_only:
        found.append(column.is_published)
    if filters.q:
        words = filters.q.strip()[:200]
        query = sa.func.websearch_to_tsquery("english", words)
        exact = sa.func.websearch_to_tsquery("simple", words)
        found.append(column.search.op("@@")(query) | column.search.op("@@")(exact) | (column.ocid == words))
    if filters.buyer:
        found.append((column.buyer_id == filters.buyer) | (column.buyer_name == filters.buyer))
    if filters.category:
        found.append(
            (column.detailed_category == filters.category) | (column.main_category == filters.category)
        )
    for name in ("province", "status", "lifecycle", "enrichment_status", "organ_of_state_type"):
        value = getattr(filters, name)
        if value:
            found.append(column[name] == value)
    if filters.published_from:
        found.append(column.published_at >= _midnight(filters.published_from))
    if filters.published_to:
        found.append(column.published_at < _midnight(filters.published_to + timedelta(days=1)))
    if filters.closing_before:
        found.append(column.closing_at < _midnight(filters.closing_before + timedelta(days=1)))
    if filters.closing_after:
        found.append(column.closing_at >= _midnight(filters.closing_after))
    return found


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SOUTH_AFRICA)


def _after(published: datetime | None, number: int) -> sa.ColumnElement[bool]:
    column = tenders.c
    if published is None:
        return column.published_at.is_(None) & (column.n < number)
    return (
        (column.published_at < published)
        | ((column.published_at == published) & (column.n < number))
        | column.published_at.is_(None)
    )


def _cursor(row: sa.Row[Any]) -> str:
    published = row.published_at.isoformat() if row.published_at else None
    return base64.urlsafe_b64encode(json.dumps([published, row.n]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime | None, int]:
    try:
        published, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return (datetime.fromisoformat(published) if published else None), int(number)
    except (ValueError, TypeError, binascii.Error) as problem:
        raise CursorError("the cursor was not made by this search; leave it out to start again") from problem


def _plain(row: sa.Row[Any]) -> dict[str, Any]:
    values = row._mapping
    return {column.name: _json(values[column.name]) for column in COLUMNS}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _add_documents(connection: sa.Connection, found: list[dict[str, Any]]) -> None:
    """Puts the documents of all these tenders in place, with one query."""
    by_ocid: dict[str, list[dict[str, Any]]] = {tender["ocid"]: [] for tender in found}
    column = tender_documents.c
    rows = connection.execute(
        sa.select(tender_documents).where(column.ocid.in_(by_ocid)).order_by(column.ocid, column.position)
    )
    for row in rows:
        by_ocid[row.ocid].append(
            {
                "id": row.id,
                "title": row.title,
                "url": row.url,
                "format": row.format,
                "date_published": row.date_published,
                "date_modified": row.date_modified,
                "source": row.source,
            }
        )
    for tender in found:
        tender["documents"] = by_ocid[tender["ocid"]]
