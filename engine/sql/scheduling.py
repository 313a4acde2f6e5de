"""Cron schedules: which are due, and when they are due next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.sql.applying import Connection


@dataclass(slots=True)
class Due:
    """A schedule whose time has come."""

    function_id: uuid.UUID
    cron: str
    due_at: datetime


_DUE = """
SELECT function_id, cron, due_at FROM engine.schedules WHERE next_at <= %s
ORDER BY next_at LIMIT 100 FOR UPDATE SKIP LOCKED
"""
_ADVANCE = """
UPDATE engine.schedules SET due_at = %(due)s, next_at = %(next)s, last_at = coalesce(%(now)s, last_at),
    last_run = coalesce(%(run)s, last_run)
WHERE function_id = %(function)s AND cron = %(cron)s
"""
_NEXT = "SELECT min(next_at) FROM engine.schedules"


async def due(connection: Connection, now: datetime) -> list[Due]:
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(_DUE, [now])
        return await cursor.fetchall()


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether any schedule's time has come."""
    cursor = await connection.execute("SELECT FROM engine.schedules WHERE next_at <= %s LIMIT 1", [now])
    return await cursor.fetchone() is not None


async def advance(
    connection: Connection,
    one: Due,
    *,
    due_at: datetime,
    next_at: datetime,
    ran: tuple[datetime, str] | None,
) -> None:
    """Set a schedule's next time; `ran` is when it ran and its run's or event's id."""
    now, run = ran or (None, None)
    values = {
        "due": due_at, "next": next_at, "now": now, "run": run, "function": one.function_id, "cron": one.cron
    }  # fmt: skip
    await connection.execute(_ADVANCE, values)


async def next_time(connection: Connection) -> datetime | None:
    cursor = await connection.execute(_NEXT)
    row = await cursor.fetchone()
    return row[0] if row else None
