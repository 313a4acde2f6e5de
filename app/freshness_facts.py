"""The facts of the freshness verdict, gathered from the database."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from app.freshness import CLOCK_TOLERANCE, Facts, Host
from db import console, coverage
from db.tables import sync_state


def gather(
    connection: sa.Connection, *, now: datetime, next_due: datetime | None = None, replay: bool = False
) -> Facts:
    """The facts as the database has them; what is dated after `now` is no evidence of anything."""
    sync = console.sync_facts(connection, until=now + CLOCK_TOLERANCE, replay=replay)
    missing, awaiting = coverage.open_counts(connection)
    return Facts(
        last_complete_at=sync.last_complete_at,
        last_status=sync.last_status,
        last_error=sync.last_error,
        last_note=sync.last_note,
        last_finished_at=sync.last_finished_at,
        running_since=sync.running_since,
        heartbeat_at=sync.heartbeat_at,
        cursor_day=cursor_day(connection),
        missing=missing,
        awaiting_release=awaiting,
        next_due=next_due,
        hosts=[
            Host(row.host, row.state, row.last_ok_at, row.last_error_at, row.last_error)
            for row in console.hosts(connection)
        ],
        replay=replay,
        newest_job_at=sync.newest_at,
    )


def cursor_day(connection: sa.Connection) -> date | None:
    """The day up to which everything was proven complete."""
    value: Any = connection.execute(
        sa.select(sync_state.c.value).where(sync_state.c.key == "cursor")
    ).scalar()
    if isinstance(value, dict):
        value = value.get("day") or value.get("date")
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
