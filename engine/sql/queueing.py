"""The queue: claiming runs that are due, reading their state, giving back what the dead held."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.sql.applying import Connection

CHOSEN = """
timers AS MATERIALIZED (
    SELECT run_id, wake_at AS rank FROM engine.queue
    WHERE state = 't' AND wake_at <= %(now)s AND (gates IS NOT NULL OR throttle IS NOT NULL) = %(gated)s
    ORDER BY wake_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), ready AS MATERIALIZED (
    SELECT run_id, rank FROM engine.queue
    WHERE state = 'r' AND (gates IS NOT NULL OR throttle IS NOT NULL) = %(gated)s
    ORDER BY rank LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT run_id FROM (SELECT * FROM timers UNION ALL SELECT * FROM ready) due
    ORDER BY rank LIMIT %(limit)s
)
"""

_TAKE = """
claimed AS (
    UPDATE engine.queue q
    SET state = 'o', owner = %(owner)s, epoch = q.epoch + 1, started = true, blocked_by = NULL,
        deadline = CASE WHEN q.started THEN q.deadline
                        ELSE %(now)s + make_interval(secs => q.finish_within) END
    FROM chosen WHERE q.run_id = chosen.run_id
    RETURNING q.*
), begun AS (
    UPDATE engine.runs r SET status = 'Running', started_at = %(now)s
    FROM claimed WHERE r.id = claimed.run_id AND r.started_at IS NULL
)
SELECT c.run_id, c.function_id, c.epoch, c.pokes, c.cursor, c.gates, c.singleton, r.event_ids, r.queued_at,
       r.parent_run, r.parent_step, r.cause, r.started_at IS NULL AS fresh
FROM claimed c JOIN engine.runs r ON r.id = c.run_id
ORDER BY c.rank
"""

_CLAIM = f"WITH {CHOSEN}, {_TAKE}"
_CLAIM_THESE = f"WITH chosen AS (SELECT unnest(%(runs)s::text[]) AS run_id), {_TAKE}"

_EVENTS = "SELECT id, body FROM engine.events WHERE id = ANY(%b::text[])"
_STEPS = """
SELECT run_id, id, name, op, status, attempt, planned, race, queued_at, started_at, ended_at, wake_at, memo
FROM engine.steps WHERE run_id = ANY(%b::text[])
ORDER BY position NULLS LAST, queued_at, id
"""
_NEXT = """
SELECT least(
    (SELECT min(wake_at) FROM engine.queue WHERE state = 't'),
    (SELECT %b::timestamptz FROM engine.queue WHERE state = 'r' LIMIT 1)
)
"""
_STILL_HELD = """
SELECT pokes FROM engine.queue WHERE run_id = %s AND owner = %s AND epoch = %s AND state = 'o'
"""
_OWNED = "SELECT run_id, epoch FROM engine.queue WHERE owner = %b AND state = 'o'"
_LET_GO = """
UPDATE engine.queue q SET state = 'r', owner = NULL, cursor = NULL, epoch = q.epoch + 1
FROM unnest(%b::text[], %b::int4[]) AS x(run_id, epoch)
WHERE q.run_id = x.run_id AND q.epoch = x.epoch AND q.owner = %b AND q.state = 'o'
"""
_OVERDUE = """
SELECT run_id, started FROM engine.queue WHERE deadline <= %b ORDER BY deadline LIMIT 200
"""
_NEXT_DEADLINE = "SELECT min(deadline) FROM engine.queue WHERE deadline IS NOT NULL"


@dataclass(slots=True)
class Claimed:
    """A run that this process now drives."""

    run_id: str
    function_id: uuid.UUID
    epoch: int
    pokes: int
    cursor: bytes | None
    gates: list[str] | None
    singleton: str | None
    event_ids: list[str]
    queued_at: datetime
    parent_run: str | None
    parent_step: str | None
    cause: str
    # it had not started before this claim
    fresh: bool = False


@dataclass(slots=True)
class StepRow:
    """A step as it is stored."""

    run_id: str
    id: str
    name: str
    op: str
    status: str
    attempt: int
    planned: bool
    race: bool
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    wake_at: datetime | None
    memo: bytes | None


async def claim(connection: Connection, owner: uuid.UUID, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` due runs that need no slot."""
    values = {"owner": owner, "now": now, "limit": limit, "gated": False}
    async with connection.cursor(row_factory=class_row(Claimed), binary=True) as cursor:
        await cursor.execute(_CLAIM, values)
        return await cursor.fetchall()


async def claim_these(
    connection: Connection, owner: uuid.UUID, now: datetime, runs: Sequence[str]
) -> list[Claimed]:
    """Take these runs, whose rows the caller has locked."""
    values = {"owner": owner, "now": now, "runs": list(runs)}
    async with connection.cursor(row_factory=class_row(Claimed), binary=True) as cursor:
        await cursor.execute(_CLAIM_THESE, values)
        return await cursor.fetchall()


async def events(connection: Connection, event_ids: Sequence[str]) -> dict[str, bytes]:
    """The stored bodies of these events."""
    cursor = await connection.execute(_EVENTS, [list(event_ids)], binary=True)
    return dict(await cursor.fetchall())


async def steps(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[StepRow]]:
    """The steps of these runs, ended ones first and in the order of their end."""
    found: dict[str, list[StepRow]] = {run_id: [] for run_id in run_ids}
    async with connection.cursor(row_factory=class_row(StepRow), binary=True) as cursor:
        await cursor.execute(_STEPS, [list(run_ids)])
        for row in await cursor.fetchall():
            found[row.run_id].append(row)
    return found


async def still_held(connection: Connection, run_id: str, owner: uuid.UUID, epoch: int) -> int | None:
    """How often the run has been poked, if the owner still drives it."""
    cursor = await connection.execute(_STILL_HELD, [run_id, owner, epoch])
    row = await cursor.fetchone()
    return row[0] if row else None


async def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next run is due: `now` if one is ready."""
    cursor = await connection.execute(_NEXT, [now])
    row = await cursor.fetchone()
    return row[0] if row else None


async def owned(connection: Connection, owner: uuid.UUID) -> dict[str, int]:
    """The runs that `owner` holds, each with the epoch of its lease."""
    cursor = await connection.execute(_OWNED, [owner])
    return dict(await cursor.fetchall())


async def let_go(connection: Connection, owner: uuid.UUID, runs: dict[str, int]) -> None:
    """Put back runs that `owner` holds without driving them."""
    await connection.execute(_LET_GO, [list(runs), list(runs.values()), owner])


async def overdue(connection: Connection, now: datetime) -> list[tuple[str, bool]]:
    """Runs past their deadline, and whether they had started."""
    cursor = await connection.execute(_OVERDUE, [now])
    return [(run_id, started) for run_id, started in await cursor.fetchall()]


async def next_deadline(connection: Connection) -> datetime | None:
    cursor = await connection.execute(_NEXT_DEADLINE)
    row = await cursor.fetchone()
    return row[0] if row else None
