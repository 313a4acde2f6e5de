"""Ending runs from outside, running them again, pausing functions, clearing what is old."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from engine.sql.applying import Connection


@dataclass(slots=True)
class EndedRun:
    """A run that was ended from outside."""

    run_id: str
    function_id: uuid.UUID
    slug: str
    app: str
    event_ids: list[str]
    parent_run: str | None
    parent_step: str | None


_END = """
WITH gone AS MATERIALIZED (
    SELECT run_id FROM engine.queue WHERE run_id = ANY(%(runs)s::text[]) ORDER BY run_id FOR UPDATE
), deleted AS (
    DELETE FROM engine.queue q USING gone WHERE q.run_id = gone.run_id
), ended AS (
    UPDATE engine.runs r SET status = %(status)s, ended_at = %(now)s, output = %(output)s
    FROM gone WHERE r.id = gone.run_id
    RETURNING r.id, r.function_id, r.event_ids, r.parent_run, r.parent_step
)
SELECT e.id AS run_id, e.function_id, f.slug, f.app, e.event_ids, e.parent_run, e.parent_step
FROM ended e JOIN engine.functions f ON f.id = e.function_id ORDER BY e.id
"""
_MATCHING = """
SELECT q.run_id, e.body FROM engine.queue q JOIN engine.runs r ON r.id = q.run_id
JOIN engine.functions f ON f.id = q.function_id
JOIN engine.events e ON e.id = r.event_ids[1]
WHERE f.app = coalesce(%(app)s, f.app) AND f.slug = coalesce(%(function)s, f.slug)
  AND r.queued_at >= coalesce(%(after)s, r.queued_at) AND r.queued_at <= coalesce(%(before)s, r.queued_at)
ORDER BY q.run_id
"""
_ENDED_MATCHING = """
SELECT r.id, e.body FROM engine.runs r JOIN engine.functions f ON f.id = r.function_id
JOIN engine.events e ON e.id = r.event_ids[1]
WHERE r.status = ANY(%(statuses)s::text[]) AND f.archived_at IS NULL
  AND f.app = coalesce(%(app)s, f.app) AND f.slug = coalesce(%(function)s, f.slug)
  AND r.queued_at >= coalesce(%(after)s, r.queued_at) AND r.queued_at <= coalesce(%(before)s, r.queued_at)
ORDER BY r.id
"""
_COPY_STEPS = """
INSERT INTO engine.steps (run_id, id, name, op, status, attempt, planned, race, queued_at, started_at, ended_at,
                          memo, position)
SELECT %(run)s, s.id, s.name, s.op, s.status, s.attempt, s.planned, s.race, s.queued_at, s.started_at,
       s.ended_at, s.memo, nextval('engine.step_positions')
FROM engine.steps s
WHERE s.run_id = %(original)s AND s.ended_at IS NOT NULL AND s.position < %(position)s
ORDER BY s.position
"""
_STEP_AT = """
SELECT id, coalesce(position, 9223372036854775807), name FROM engine.steps
WHERE run_id = %s AND (id = %s OR name = %s)
ORDER BY (id = %s) DESC, position NULLS LAST LIMIT 1
"""
_STEP_INPUT = """
INSERT INTO engine.steps (run_id, id, name, op, status, attempt, queued_at, memo)
VALUES (%s, %s, %s, 'StepRun', 'Input', 0, %s, %s)
"""
_PAUSE = "UPDATE engine.functions SET paused_at = %s, paused_runs = %s WHERE id = %s"
_RESUME = "UPDATE engine.functions SET paused_at = NULL WHERE id = %s"
# The share lock makes a resume that is under way come first or after, never in between.
_SETTLED = "SELECT id FROM engine.functions WHERE id = ANY(%s::uuid[]) ORDER BY id FOR SHARE"
_HOLD = """
UPDATE engine.queue q
SET state = CASE WHEN f.paused_at IS NULL THEN 't' ELSE 'h' END, owner = NULL
FROM engine.functions f
WHERE f.id = q.function_id AND q.run_id = ANY(%s::text[]) AND q.owner = %s
"""
_LET_GO = "UPDATE engine.queue SET state = 't' WHERE function_id = %s AND state = 'h'"
_LIVE_OF = "SELECT run_id FROM engine.queue WHERE function_id = ANY(%s::uuid[]) ORDER BY run_id"
_CANCELLATION = """
INSERT INTO engine.cancellations (id, request, cancelled, created_at) VALUES (%s, %s, %s, %s)
"""
_CANCELLATIONS = (
    "SELECT id, request, cancelled, created_at FROM engine.cancellations ORDER BY id DESC LIMIT %s"
)

_OLD_RUNS = """
DELETE FROM engine.runs WHERE id IN (
    SELECT id FROM engine.runs WHERE ended_at < %s LIMIT %s
) RETURNING id
"""
_OLD_EVENTS = """
DELETE FROM engine.events WHERE id IN (
    SELECT e.id FROM engine.events e WHERE e.received_at < %s
      AND NOT EXISTS (SELECT FROM engine.runs r WHERE r.event_ids[1] = e.id)
      AND NOT EXISTS (SELECT FROM engine.gathered g WHERE g.event_ids @> ARRAY[e.id])
      AND NOT EXISTS (SELECT FROM engine.queue q JOIN engine.runs r ON r.id = q.run_id
                      WHERE r.event_ids @> ARRAY[e.id])
    LIMIT %s
)
"""
_OLD_STEPS = "DELETE FROM engine.steps WHERE run_id = ANY(%s::text[])"
_OLD_FAILURES = "DELETE FROM engine.failures WHERE run_id = ANY(%s::text[])"
_OLD_DEDUPE = "DELETE FROM engine.dedupe WHERE expires_at <= %s"
_OLD_LIMITS = "DELETE FROM engine.limits WHERE tat < %s AND wake_at IS NULL AND dropped = 0"
_OLD_WAITS = """
DELETE FROM engine.waits w
WHERE w.expires_at < %s OR NOT EXISTS (SELECT FROM engine.queue q WHERE q.run_id = w.run_id)
"""


async def end(
    connection: Connection, run_ids: Sequence[str], *, status: str, output: bytes | None, now: datetime
) -> list[EndedRun]:
    """End these runs if they have not; whoever removes a run's queue row first decides how it ended."""
    values = {"runs": list(run_ids), "status": status, "output": output, "now": now}
    async with connection.cursor(row_factory=class_row(EndedRun)) as cursor:
        await cursor.execute(_END, values)
        return await cursor.fetchall()


async def cancelled_at(connection: Connection, run_ids: Sequence[str], at: datetime) -> list[str]:
    """Those of the runs that were cancelled at exactly this time."""
    cursor = await connection.execute(
        "SELECT id FROM engine.runs WHERE id = ANY(%s::text[]) AND status = 'Cancelled' AND ended_at = %s",
        [list(run_ids), at],
    )
    return [row[0] for row in await cursor.fetchall()]


async def matching(
    connection: Connection, *, live: bool, statuses: Sequence[str] = (), **values: Any
) -> list[tuple[str, bytes]]:
    """Runs (id, trigger event) by app, function, and when they were queued: live ones, or ended ones."""
    query = _MATCHING if live else _ENDED_MATCHING
    cursor = await connection.execute(query, {**values, "statuses": list(statuses)})
    return [(run_id, body) for run_id, body in await cursor.fetchall()]


async def step_at(connection: Connection, run_id: str, step: str) -> tuple[str, int, str] | None:
    """A step by its id or name: id, place in the order of ends, name."""
    cursor = await connection.execute(_STEP_AT, [run_id, step, step, step])
    row = await cursor.fetchone()
    return (row[0], row[1], row[2]) if row else None


async def copy_steps(connection: Connection, original: str, run_id: str, position: int) -> None:
    """Give a run the steps that another ended before a position."""
    await connection.execute(_COPY_STEPS, {"run": run_id, "original": original, "position": position})


async def set_input(
    connection: Connection, run_id: str, step: tuple[str, str], memo: bytes, now: datetime
) -> None:
    """Let a step (id, name) run with other input."""
    await connection.execute(_STEP_INPUT, [run_id, step[0], step[1], now, memo])


async def pause(connection: Connection, function: uuid.UUID, now: datetime, runs: str) -> None:
    await connection.execute(_PAUSE, [now, runs, function])


async def resume(connection: Connection, function: uuid.UUID) -> None:
    """Let the function go on, and what was held back of it."""
    await connection.execute(_RESUME, [function])
    await connection.execute(_LET_GO, [function])


async def hold(
    connection: Connection, run_ids: Sequence[str], functions: Sequence[uuid.UUID], owner: uuid.UUID
) -> None:
    """Set claimed runs of paused functions aside; one that was resumed meanwhile is due again."""
    await connection.execute(_SETTLED, [list(functions)])
    await connection.execute(_HOLD, [list(run_ids), owner])


async def live_of(connection: Connection, functions: Sequence[uuid.UUID]) -> list[str]:
    cursor = await connection.execute(_LIVE_OF, [list(functions)])
    return [row[0] for row in await cursor.fetchall()]


async def note_cancellation(
    connection: Connection, cancellation: str, request: dict[str, Any], count: int, now: datetime
) -> None:
    await connection.execute(_CANCELLATION, [cancellation, Jsonb(request), count, now])


async def cancellations(connection: Connection, limit: int) -> list[dict[str, Any]]:
    cursor = await connection.execute(_CANCELLATIONS, [limit])
    return [
        {"id": key, **request, "cancelled": count, "created_at": created}
        for key, request, count, created in await cursor.fetchall()
    ]


async def clear_runs(connection: Connection, older_than: datetime, limit: int) -> int:
    """Delete ended runs with everything about them."""
    cursor = await connection.execute(_OLD_RUNS, [older_than, limit])
    gone = [row[0] for row in await cursor.fetchall()]
    if gone:
        await connection.execute(_OLD_STEPS, [gone])
        await connection.execute(_OLD_FAILURES, [gone])
    return len(gone)


async def clear_events(connection: Connection, older_than: datetime, limit: int) -> int:
    """Delete events that no run needs any more."""
    return (await connection.execute(_OLD_EVENTS, [older_than, limit])).rowcount


async def clear_rest(connection: Connection, now: datetime) -> None:
    """Delete expired dedupe keys, waits that nobody keeps and limits at rest."""
    await connection.execute(_OLD_DEDUPE, [now])
    await connection.execute(_OLD_LIMITS, [now])
    await connection.execute(_OLD_WAITS, [now])
