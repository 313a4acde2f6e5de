"""Saved searches: what somebody waits for, when they are next told, and which tenders are news to them.

A tender is news for a search when it became visible after the search was made, fits it now, and the search was not
told about it yet. Becoming visible is counted in the order of the commits (`tenders.arrival`), so neither a
transaction that commits late nor a tender that was held back for days is ever passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from db.alerts_tables import alert_items, saved_searches
from db.clock import SOUTH_AFRICA
from db.saving import LOCK_NAME
from db.tables import tenders
from db.tender_search import Filters, conditions_of

Frequency = Literal["daily", "weekly"]
FREQUENCIES: tuple[Frequency, ...] = ("daily", "weekly")
MORNING = 7
"""The hour, in South Africa, at which mails are due; the weekly ones on Mondays."""

MOST = 500
"""Tenders in one mail; more of them come with the next."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a search looks for; what is None does not restrict. Keywords and status as in `tender_search.Filters`."""

    keywords: str | None = None
    province: str | None = None
    category: str | None = None
    buyer: str | None = None
    status: str | None = "open"
    closing_within_days: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Wanted:
        """As the table has it: no key, no restriction."""
        return cls(**{"status": None, **stored})

    def given(self) -> dict[str, Any]:
        """What restricts."""
        return {name: value for name, value in vars(self).items() if value not in (None, "")}

    def conditions(self, now: datetime) -> list[sa.ColumnElement[bool]]:
        """The conditions on `tenders`; closing within N days counts South African days.

        What is open or closes soon has not closed by now, whenever a sync has last looked.
        """
        today = now.astimezone(SOUTH_AFRICA).date()
        days = self.closing_within_days
        filters = Filters(
            q=self.keywords,
            province=self.province,
            category=self.category,
            buyer=self.buyer,
            status=self.status,
            closing_before=None if days is None else today + timedelta(days=days + 1),
        )
        found = conditions_of(filters)
        if days is not None:
            return [*found, tenders.c.closing_at > now]
        if self.status == "open":
            return [*found, sa.or_(tenders.c.closing_at.is_(None), tenders.c.closing_at > now)]
        return found


@dataclass(frozen=True, kw_only=True)
class SavedSearch:
    """One search. `user_id` is None for one that nobody's account owns."""

    id: str
    user_id: str | None
    name: str
    email: str
    wanted: Wanted
    frequency: str
    is_active: bool
    created_at: datetime
    after_arrival: int
    next_due_at: datetime
    unsubscribed_at: datetime | None


def next_due(frequency: str, after: datetime) -> datetime:
    """The first instant after this one at which a search is due: 07:00 in South Africa, weekly on Mondays."""
    local = after.astimezone(SOUTH_AFRICA)
    due = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    if due <= local:
        due += timedelta(days=1)
    if frequency == "weekly":
        due += timedelta(days=-due.weekday() % 7)
    return due


def create(
    conn: sa.Connection,
    *,
    id: str,  # noqa: A002 - the column's name
    user_id: str | None,
    name: str,
    email: str,
    wanted: Wanted,
    frequency: Frequency,
    now: datetime,
) -> SavedSearch:
    """Add a search. What is visible by now is no news to it; waits for a saving that is under way."""
    lock = sa.func.pg_advisory_xact_lock_shared(sa.func.hashtextextended(LOCK_NAME, 0))
    conn.execute(sa.select(lock))
    newest = conn.execute(sa.select(sa.func.coalesce(sa.func.max(tenders.c.arrival), 0))).scalar_one()
    row = conn.execute(
        sa.insert(saved_searches)
        .values(
            id=id,
            user_id=user_id,
            name=name,
            email=email,
            filters=wanted.given(),
            frequency=frequency,
            created_at=now,
            after_arrival=newest,
            next_due_at=next_due(frequency, now),
        )
        .returning(saved_searches)
    ).one()
    return _search(row)


def get(conn: sa.Connection, search_id: str) -> SavedSearch | None:
    """One search."""
    row = conn.execute(sa.select(saved_searches).where(saved_searches.c.id == search_id)).one_or_none()
    return None if row is None else _search(row)


def page(conn: sa.Connection, *, user_id: str | None = None) -> list[SavedSearch]:
    """The searches of an account, or everybody's; the oldest first."""
    statement = (
        sa.select(saved_searches).order_by(saved_searches.c.created_at, saved_searches.c.id).limit(500)
    )
    if user_id is not None:
        statement = statement.where(saved_searches.c.user_id == user_id)
    return [_search(row) for row in conn.execute(statement)]


def delete(conn: sa.Connection, search_id: str) -> bool:
    """Remove a search with its mails' records; False when there is none."""
    return bool(conn.execute(sa.delete(saved_searches).where(saved_searches.c.id == search_id)).rowcount)


def unsubscribe(conn: sa.Connection, search_id: str, *, now: datetime) -> bool:
    """Stop a search's mails; True also when they were stopped before, False when there is no such search."""
    stopped = conn.execute(
        sa.update(saved_searches)
        .where(saved_searches.c.id == search_id)
        .values(is_active=False, unsubscribed_at=sa.func.coalesce(saved_searches.c.unsubscribed_at, now))
    )
    return bool(stopped.rowcount)


def resume(conn: sa.Connection, search_id: str, *, now: datetime) -> bool:
    """Let a stopped search go on; what arrived meanwhile comes with its next mail."""
    frequency = conn.execute(
        sa.select(saved_searches.c.frequency).where(saved_searches.c.id == search_id).with_for_update()
    ).scalar()
    if frequency is None:
        return False
    conn.execute(
        sa.update(saved_searches)
        .where(saved_searches.c.id == search_id)
        .values(is_active=True, unsubscribed_at=None, next_due_at=next_due(frequency, now))
    )
    return True


def take_due(conn: sa.Connection, *, now: datetime) -> SavedSearch | None:
    """The search that has been due for longest, locked until the transaction ends; None when none is due."""
    row = conn.execute(
        sa.select(saved_searches)
        .where(saved_searches.c.is_active, saved_searches.c.next_due_at <= now)
        .order_by(saved_searches.c.next_due_at, saved_searches.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else _search(row)


def wait_until(conn: sa.Connection, search_id: str, due: datetime) -> None:
    """The search is next due then."""
    conn.execute(sa.update(saved_searches).where(saved_searches.c.id == search_id).values(next_due_at=due))


def news(conn: sa.Connection, search: SavedSearch, *, now: datetime) -> tuple[list[str], int]:
    """The tenders that the search is to be told about, at most `MOST` in the order of arrival, and how many more."""
    told = sa.select(alert_items.c.ocid).where(alert_items.c.search_id == search.id)
    fitting = (
        sa.select(tenders.c.ocid)
        .where(
            tenders.c.arrival > search.after_arrival,
            tenders.c.ocid.not_in(told),
            *search.wanted.conditions(now),
        )
        .order_by(tenders.c.arrival)
    )
    found = conn.execute(fitting.limit(MOST)).scalars().all()
    if len(found) < MOST:
        return list(found), 0
    number = conn.execute(
        sa.select(sa.func.count()).select_from(fitting.order_by(None).subquery())
    ).scalar_one()
    return list(found), number - MOST


def preview(conn: sa.Connection, wanted: Wanted, *, limit: int, now: datetime) -> Sequence[sa.Row[Any]]:
    """What fits now, the newest first."""
    return conn.execute(
        sa.select(*SHOWN)
        .where(*wanted.conditions(now))
        .order_by(tenders.c.published_at.desc().nulls_last(), tenders.c.n.desc())
        .limit(limit)
    ).all()


SHOWN = tuple(
    tenders.c[name]
    for name in (
        "ocid",
        "title",
        "display_title",
        "buyer_name",
        "province",
        "detailed_category",
        "published_at",
        "closing_at",
    )
)
"""What a mail or a preview shows of a tender."""


def _search(row: sa.Row[Any]) -> SavedSearch:
    values = dict(row._mapping)
    return SavedSearch(wanted=Wanted.of(values.pop("filters")), **values)
