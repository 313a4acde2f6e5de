"""Decisions about events that wait to be made, and the state of limits, batches and singletons."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.sql.applying import Connection


@dataclass(slots=True)
class OpenIntent:
    """An undecided intent with its event."""

    event_id: str
    function_id: str
    sender_id: str | None
    name: str
    body: bytes
    received_at: datetime
    detail: bytes | None


@dataclass(slots=True)
class Waiter:
    """Somebody waiting for an event: a step, or a run's cancellation. `body` is its run's own event."""

    run_id: str
    step_id: str
    expression: str | None
    body: bytes


@dataclass(slots=True)
class Gathering:
    """What a debounce or a batch has collected."""

    key: str
    function_id: uuid.UUID
    event_ids: list[str]
    run_at: datetime
    deadline: datetime | None


_TAKE = """
WITH taken AS (
    DELETE FROM engine.intents i USING (
        SELECT event_id, function_id FROM engine.intents
        ORDER BY created_at, event_id LIMIT %s FOR UPDATE SKIP LOCKED
    ) x WHERE i.event_id = x.event_id AND i.function_id = x.function_id
    RETURNING i.event_id, i.function_id, i.created_at, i.detail
)
SELECT t.event_id, t.function_id, e.sender_id, e.name, e.body, e.received_at, t.detail
FROM taken t JOIN engine.events e ON e.id = t.event_id
ORDER BY e.received_at, t.event_id
"""
_WAITERS = """
SELECT w.run_id, w.step_id, w.expression, e.body
FROM engine.waits w JOIN engine.runs r ON r.id = w.run_id JOIN engine.events e ON e.id = r.event_ids[1]
WHERE w.event = %s AND (w.expires_at IS NULL OR w.expires_at > %s) AND NOT r.event_ids @> ARRAY[%s]
ORDER BY w.run_id
"""
_FIRST_TIME = """
INSERT INTO engine.dedupe AS d (function_id, key, run_id, expires_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (function_id, key) DO UPDATE SET run_id = excluded.run_id, expires_at = excluded.expires_at
    WHERE d.expires_at <= %s
RETURNING run_id
"""
_LIMIT = """
INSERT INTO engine.limits (key, tat) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING tat
"""
_SET_TAT = "UPDATE engine.limits SET tat = %s WHERE key = %s"
_COUNT_DROP = "UPDATE engine.limits SET dropped = dropped + 1 WHERE key = %s"
_SINGLE = """
INSERT INTO engine.singletons (key, run_id) VALUES (%s, %s)
ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING run_id
"""
_REPLACE_SINGLE = "UPDATE engine.singletons SET run_id = %s WHERE key = %s"
_GATHER = """
INSERT INTO engine.gathered AS g (key, function_id, event_ids, run_at, deadline)
VALUES (%(key)s, %(function)s, ARRAY[%(event)s], %(run_at)s, %(deadline)s)
ON CONFLICT (key) DO UPDATE SET event_ids = CASE WHEN %(batch)s THEN g.event_ids || excluded.event_ids
                                                 ELSE excluded.event_ids END,
    run_at = CASE WHEN %(batch)s THEN g.run_at ELSE least(excluded.run_at, g.deadline) END
RETURNING key, function_id, event_ids, run_at, deadline
"""
_UNGATHER = "DELETE FROM engine.gathered WHERE key = %s"
_RIPE = """
DELETE FROM engine.gathered g USING (
    SELECT key FROM engine.gathered WHERE run_at <= %s ORDER BY run_at LIMIT 100 FOR UPDATE SKIP LOCKED
) x WHERE g.key = x.key
RETURNING g.key, g.function_id, g.event_ids, g.run_at, g.deadline
"""
_NEXT_RIPE = "SELECT min(run_at) FROM engine.gathered"


async def any_open(connection: Connection) -> bool:
    """Whether there is anything to decide."""
    cursor = await connection.execute("SELECT FROM engine.intents LIMIT 1")
    return await cursor.fetchone() is not None


async def any_ripe(connection: Connection, now: datetime) -> bool:
    """Whether anything gathered has waited long enough."""
    cursor = await connection.execute("SELECT FROM engine.gathered WHERE run_at <= %s LIMIT 1", [now])
    return await cursor.fetchone() is not None


async def take(connection: Connection, limit: int) -> list[OpenIntent]:
    """Take undecided intents out, oldest first; they are gone when the transaction commits."""
    async with connection.cursor(row_factory=class_row(OpenIntent)) as cursor:
        await cursor.execute(_TAKE, [limit])
        return await cursor.fetchall()


async def waiters(connection: Connection, event: OpenIntent, now: datetime) -> list[Waiter]:
    """Who waits for events of this name; a run's own trigger is not for it."""
    async with connection.cursor(row_factory=class_row(Waiter)) as cursor:
        await cursor.execute(_WAITERS, [event.name, now, event.event_id])
        return await cursor.fetchall()


async def first_time(
    connection: Connection, function: uuid.UUID, key: str, run_id: str, until: datetime, now: datetime
) -> bool:
    """Whether the function has not run for this key lately; if so, it has now."""
    cursor = await connection.execute(_FIRST_TIME, [function, key, run_id, until, now])
    return await cursor.fetchone() is not None


async def limiter(connection: Connection, key: str, now: datetime) -> datetime:
    """The limiter's theoretical arrival time; its row stays locked until the transaction ends."""
    cursor = await connection.execute(_LIMIT, [key, now])
    row = await cursor.fetchone()
    found: datetime = row[0] if row else now
    return found


async def advance(connection: Connection, key: str, tat: datetime) -> None:
    await connection.execute(_SET_TAT, [tat, key])


async def count_drop(connection: Connection, key: str) -> None:
    await connection.execute(_COUNT_DROP, [key])


async def single(connection: Connection, key: str, run_id: str) -> str:
    """Who holds the singleton's key: `run_id` itself if nobody did. The row stays locked."""
    cursor = await connection.execute(_SINGLE, [key, run_id])
    row = await cursor.fetchone()
    found: str = row[0] if row else run_id
    return found


async def replace_single(connection: Connection, key: str, run_id: str) -> None:
    await connection.execute(_REPLACE_SINGLE, [run_id, key])


async def gather(
    connection: Connection,
    *,
    key: str,
    function: uuid.UUID,
    event_id: str,
    run_at: datetime,
    deadline: datetime | None,
    batch: bool,
) -> Gathering:
    """Add an event: to a batch, or in place of the debounced one."""
    values = {
        "key": key, "function": function, "event": event_id, "run_at": run_at, "deadline": deadline,
        "batch": batch,
    }  # fmt: skip
    async with connection.cursor(row_factory=class_row(Gathering)) as cursor:
        await cursor.execute(_GATHER, values)
        found = await cursor.fetchone()
    if found is None:
        raise LookupError(key)
    return found


async def ungather(connection: Connection, key: str) -> None:
    await connection.execute(_UNGATHER, [key])


async def ripe(connection: Connection, now: datetime) -> Sequence[Gathering]:
    """Take out what has waited long enough."""
    async with connection.cursor(row_factory=class_row(Gathering)) as cursor:
        await cursor.execute(_RIPE, [now])
        return await cursor.fetchall()


async def next_ripe(connection: Connection) -> datetime | None:
    cursor = await connection.execute(_NEXT_RIPE)
    row = await cursor.fetchone()
    return row[0] if row else None
