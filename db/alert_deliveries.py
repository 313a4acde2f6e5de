"""The mails of the alerts: each is prepared with its tenders, then moved from state to state, one commit at a time.

`begin` is a compare-and-set: of any number of processes that try, one wins, and only the winner may complete the
mail. What has been handed over is never handed over again by itself, unless it is known to have been refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.alerts_tables import alert_deliveries, alert_items, saved_searches
from db.saved_searches import SHOWN, SavedSearch
from db.tables import tenders

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=12)
KEEP_TRYING = timedelta(days=5)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One mail. `search_name` is for people."""

    id: str
    search_id: str
    search_name: str
    due_at: datetime
    state: str
    tender_count: int
    left_over: int
    attempts: int
    last_error: str | None
    sent_to: str
    created_at: datetime
    next_try_at: datetime
    finished_at: datetime | None


def prepare(
    conn: sa.Connection,
    search: SavedSearch,
    ocids: Sequence[str],
    *,
    left_over: int,
    job_id: str | None,
    now: datetime,
) -> str:
    """A mail to this search about these tenders; its id, which is the same for the same search and due instant."""
    delivery_id = f"{search.id}.{int(search.next_due_at.timestamp())}".lower()
    conn.execute(
        sa.insert(alert_deliveries).values(
            id=delivery_id,
            search_id=search.id,
            due_at=search.next_due_at,
            tender_count=len(ocids),
            left_over=left_over,
            sent_to=search.email,
            created_at=now,
            next_try_at=now,
            job_id=job_id,
        )
    )
    items = [{"search_id": search.id, "ocid": ocid, "delivery_id": delivery_id} for ocid in ocids]
    conn.execute(sa.insert(alert_items), items)
    return delivery_id


def due(conn: sa.Connection, *, limit: int, now: datetime) -> list[Delivery]:
    """The mails to be sent now, those that have waited longest first. A search that was stopped gets none."""
    statement = (
        _SELECT.where(
            alert_deliveries.c.state == sa.literal_column("'prepared'"),
            alert_deliveries.c.next_try_at <= now,
            saved_searches.c.is_active,
        )
        .order_by(alert_deliveries.c.next_try_at, alert_deliveries.c.id)
        .limit(limit)
    )
    return [Delivery(**row._mapping) for row in conn.execute(statement)]


def of_search(conn: sa.Connection, search_ids: Sequence[str], *, limit: int = 50) -> list[Delivery]:
    """The newest mails of these searches."""
    statement = _SELECT.where(alert_deliveries.c.search_id.in_(search_ids))
    newest = statement.order_by(alert_deliveries.c.due_at.desc(), alert_deliveries.c.id).limit(limit)
    return [Delivery(**row._mapping) for row in conn.execute(newest)]


def contents(conn: sa.Connection, delivery_id: str) -> Sequence[sa.Row[Any]]:
    """The tenders of a mail as they stand now, those that close first at the top."""
    return conn.execute(
        sa.select(*SHOWN)
        .join(alert_items, alert_items.c.ocid == tenders.c.ocid)
        .where(alert_items.c.delivery_id == delivery_id)
        .order_by(tenders.c.closing_at.asc().nulls_last(), tenders.c.n)
    ).all()


def begin(conn: sa.Connection, delivery_id: str, *, now: datetime) -> bool:
    """prepared → sending; False when another process was quicker.

    Whoever did not hear whether it was committed may say it again with the same `now`.
    """
    column = alert_deliveries.c
    prepared = column.state == "prepared"
    begun = sa.and_(column.state == "sending", column.sending_at == now)
    moved = conn.execute(
        sa.update(alert_deliveries)
        .where(column.id == delivery_id, prepared | begun)
        .values(state="sending", attempts=column.attempts + sa.case((prepared, 1), else_=0), sending_at=now)
    )
    return bool(moved.rowcount)


def finish(
    conn: sa.Connection,
    delivery_id: str,
    state: str,
    *,
    error: str | None = None,
    job_id: str | None,
    now: datetime,
) -> None:
    """sending → sent, written, failed or unknown."""
    values = {"state": state, "last_error": error, "finished_at": now, "job_id": job_id}
    _move(conn, delivery_id, "sending", values)


def put_off(
    conn: sa.Connection, delivery: Delivery, *, error: str, permanent: bool, job_id: str | None, now: datetime
) -> str:
    """Not sent, and certainly so: try again after a growing while, or give up; the state that follows."""
    attempts = delivery.attempts + 1
    given_up = permanent or now - delivery.created_at > KEEP_TRYING
    values: dict[str, Any] = {
        "state": "failed" if given_up else "prepared",
        "attempts": attempts,
        "last_error": error,
        "next_try_at": now + min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT),
        "finished_at": now if given_up else None,
        "job_id": job_id,
    }
    conn.execute(
        sa.update(alert_deliveries)
        .where(alert_deliveries.c.id == delivery.id, alert_deliveries.c.state.in_(("prepared", "sending")))
        .values(values)
    )
    return str(values["state"])


def settle_abandoned(
    conn: sa.Connection, *, resend: bool, silent_for: timedelta, job_id: str | None, now: datetime
) -> list[str]:
    """Mails whose process died before noting the answer become `unknown`, or are sent again; their ids."""
    values: dict[str, Any] = {
        "state": "prepared" if resend else "unknown",
        "last_error": "the process ended while the mail was being handed over; whether it was taken is not known",
        "next_try_at": now,
        "finished_at": None if resend else now,
        "job_id": job_id,
    }
    moved = conn.execute(
        sa.update(alert_deliveries)
        .where(
            alert_deliveries.c.state == sa.literal_column("'sending'"),
            alert_deliveries.c.sending_at <= now - silent_for,
        )
        .values(values)
        .returning(alert_deliveries.c.id)
    )
    return list(moved.scalars())


def send_again(conn: sa.Connection, delivery_id: str, *, now: datetime) -> bool:
    """A person decides to send a failed or doubtful mail once more; False when it is in another state."""
    values = {"state": "prepared", "next_try_at": now, "created_at": now, "attempts": 0, "finished_at": None}
    return _move(conn, delivery_id, ("failed", "unknown"), values)


def counts(conn: sa.Connection, *, job_id: str | None = None) -> dict[str, int]:
    """How many mails are in which state; of a job only those that it was the last to touch."""
    state = alert_deliveries.c.state
    statement = sa.select(state, sa.func.count()).group_by(state)
    if job_id is not None:
        statement = statement.where(alert_deliveries.c.job_id == job_id)
    return {row[0]: row[1] for row in conn.execute(statement)}


def last_errors(conn: sa.Connection, job_id: str, *, limit: int = 3) -> list[str]:
    """What went wrong with the mails that this job was the last to touch, each reason once."""
    column = alert_deliveries.c
    reasons = sa.select(column.last_error).where(
        column.job_id == job_id, column.last_error.is_not(None), column.state.not_in(("sent", "written"))
    )
    return list(conn.execute(reasons.distinct().limit(limit)).scalars())


def _move(
    conn: sa.Connection, delivery_id: str, before: str | tuple[str, ...], values: dict[str, Any]
) -> bool:
    states = (before,) if isinstance(before, str) else before
    moved = conn.execute(
        sa.update(alert_deliveries)
        .where(alert_deliveries.c.id == delivery_id, alert_deliveries.c.state.in_(states))
        .values(values)
    )
    return bool(moved.rowcount)


_SELECT = sa.select(
    *(alert_deliveries.c[name] for name in Delivery.__dataclass_fields__ if name not in {"search_name"}),
    saved_searches.c.name.label("search_name"),
).join(saved_searches, saved_searches.c.id == alert_deliveries.c.search_id)
