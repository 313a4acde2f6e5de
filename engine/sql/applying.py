"""Recording what the holder of a lease did, many runs in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from engine.records import Apply, Delivery, Finish, Park, StepWrite

Connection = AsyncConnection[tuple[Any, ...]]

_APPLY = """
WITH u AS (
    SELECT * FROM unnest(
        %b::text[], %b::int4[], %b::text[], %b::timestamptz[], %b::int4[], %b::bytea[], %b::text[], %b::bytea[]
    ) AS u(run_id, epoch, verdict, at, pokes, cursor, status, output)
), held AS MATERIALIZED (
    SELECT q.run_id, q.pokes
    FROM engine.queue q JOIN u ON u.run_id = q.run_id AND u.epoch = q.epoch
    WHERE q.owner = %b AND q.state = 'o'
    ORDER BY q.run_id
    FOR UPDATE OF q
), written AS (
    INSERT INTO engine.steps AS s (run_id, id, name, op, status, attempt, planned, race, queued_at, started_at,
                                   ended_at, wake_at, memo, position)
    SELECT x.run_id, x.id, x.name, x.op, x.status, x.attempt, x.planned, x.race, x.queued_at, x.started_at,
           x.ended_at, x.wake_at, x.memo,
           CASE WHEN x.ended_at IS NOT NULL THEN nextval('engine.step_positions') END
    FROM unnest(
        %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int4[], %b::bool[], %b::bool[],
        %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::bytea[]
    ) WITH ORDINALITY AS x(run_id, id, name, op, status, attempt, planned, race, queued_at, started_at,
                           ended_at, wake_at, memo, n)
    JOIN held USING (run_id)
    ORDER BY x.n
    ON CONFLICT (run_id, id) DO UPDATE
        SET name = excluded.name, op = excluded.op, status = excluded.status, attempt = excluded.attempt,
            planned = excluded.planned, race = excluded.race, started_at = excluded.started_at,
            ended_at = excluded.ended_at, wake_at = excluded.wake_at, memo = excluded.memo,
            position = excluded.position
        WHERE s.ended_at IS NULL
), parked AS (
    UPDATE engine.queue q
    SET state = 't', owner = NULL, wake_at = u.at, cursor = u.cursor
    FROM u JOIN held USING (run_id)
    WHERE q.run_id = u.run_id AND u.verdict = 'park' AND held.pokes = u.pokes
), finished AS (
    DELETE FROM engine.queue q USING u, held
    WHERE q.run_id = u.run_id AND held.run_id = u.run_id AND u.verdict = 'finish'
), ended AS (
    UPDATE engine.runs r
    SET status = u.status, output = u.output, ended_at = u.at
    FROM u JOIN held USING (run_id)
    WHERE r.id = u.run_id AND u.verdict = 'finish'
)
SELECT run_id, pokes FROM held
"""

# The same for the commonest case, a lone step of a run that goes on: no arrays, half the time.
_APPLY_STEP = """
WITH held AS MATERIALIZED (
    SELECT run_id, pokes FROM engine.queue
    WHERE run_id = %b AND epoch = %b AND owner = %b AND state = 'o' FOR UPDATE
), written AS (
    INSERT INTO engine.steps AS s (run_id, id, name, op, status, attempt, planned, race, queued_at, started_at,
                                   ended_at, wake_at, memo, position)
    SELECT run_id, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, nextval('engine.step_positions') FROM held
    ON CONFLICT (run_id, id) DO UPDATE
        SET name = excluded.name, op = excluded.op, status = excluded.status, attempt = excluded.attempt,
            planned = excluded.planned, race = excluded.race, started_at = excluded.started_at,
            ended_at = excluded.ended_at, wake_at = excluded.wake_at, memo = excluded.memo,
            position = excluded.position
        WHERE s.ended_at IS NULL
)
SELECT run_id, pokes FROM held
"""

_FAILURES = """
INSERT INTO engine.failures (run_id, step_id, attempt, started_at, ended_at, error)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[], %b::timestamptz[], %b::timestamptz[], %b::bytea[])
ON CONFLICT DO NOTHING
"""

_WAITS = """
INSERT INTO engine.waits (run_id, step_id, event, expression, expires_at)
SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[])
ON CONFLICT DO NOTHING
"""

_FORGET_WAITS = "DELETE FROM engine.waits WHERE run_id = ANY(%b::text[])"
_END_WAITS = """
DELETE FROM engine.waits w USING unnest(%b::text[], %b::text[]) AS x(run_id, step_id)
WHERE w.run_id = x.run_id AND w.step_id = x.step_id
"""
_FORGET_SINGLETONS = "DELETE FROM engine.singletons WHERE run_id = ANY(%b::text[])"

_DELIVER = """
WITH x AS (
    SELECT * FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::text[], %b::timestamptz[])
        AS x(run_id, step_id, memo, status, at)
), q AS MATERIALIZED (
    SELECT run_id FROM engine.queue WHERE run_id IN (SELECT run_id FROM x) ORDER BY run_id FOR UPDATE
), done AS (
    UPDATE engine.steps s
    SET memo = x.memo, status = x.status, ended_at = x.at, wake_at = NULL,
        position = nextval('engine.step_positions')
    FROM x JOIN q USING (run_id)
    WHERE s.run_id = x.run_id AND s.id = x.step_id AND s.ended_at IS NULL
    RETURNING s.run_id, s.id
), forgotten AS (
    DELETE FROM engine.waits w USING done WHERE w.run_id = done.run_id AND w.step_id = done.id
)
UPDATE engine.queue q
SET pokes = pokes + 1, state = CASE WHEN q.state = 't' THEN 'r' ELSE q.state END
WHERE q.run_id IN (SELECT run_id FROM done)
RETURNING q.run_id, q.owner, q.state
"""


async def apply(connection: Connection, owner: uuid.UUID, items: Sequence[Apply]) -> dict[str, int]:
    """Record these results for the runs that `owner` still holds.

    Returns, for every run that was held, how often it had been poked from outside. Items of the same run are
    one: the last verdict counts.
    """
    if (
        len(items) == 1
        and items[0].verdict is None
        and len(items[0].steps) == 1
        and items[0].steps[0].ended_at
    ):
        item = items[0]
        step = _step_row(item, item.steps[0])
        cursor = await connection.execute(_APPLY_STEP, [item.run_id, item.epoch, owner, *step[1:]])
        found: dict[str, int] = dict(await cursor.fetchall())
        await _side_tables(connection, [item] if found else [])
        return found
    merged: dict[str, Apply] = {}
    for item in items:
        if item.verdict is not None or item.run_id not in merged:
            merged[item.run_id] = item
    updates = [_update(item) for item in merged.values()]
    rows = [_step_row(item, step) for item in items for step in item.steps]
    cursor = await connection.execute(_APPLY, [*columns(updates, 8), owner, *columns(rows, 13)])
    held: dict[str, int] = dict(await cursor.fetchall())
    await _side_tables(connection, [item for item in items if item.run_id in held])
    return held


def _step_row(item: Apply, s: StepWrite) -> tuple[Any, ...]:
    return (
        item.run_id, s.id, s.name, s.op, s.status, s.attempt, s.planned, s.race, s.queued_at, s.started_at,
        s.ended_at, s.wake_at, s.memo,
    )  # fmt: skip


def _update(item: Apply) -> tuple[Any, ...]:
    verdict = item.verdict
    if isinstance(verdict, Park):
        return (item.run_id, item.epoch, "park", verdict.wake_at, verdict.pokes, verdict.cursor, None, None)
    if isinstance(verdict, Finish):
        ended = verdict.ended_at
        return (item.run_id, item.epoch, "finish", ended, 0, None, verdict.status, verdict.output)
    return (item.run_id, item.epoch, None, None, 0, None, None, None)


def needs_transaction(item: Apply) -> bool:
    """Whether more than the one statement belongs to this commit."""
    return bool(
        item.failures or item.waits or item.accept or item.deliveries or item.gated or item.cleanup
    ) or (any(step.op == "WaitForEvent" for step in item.steps))


async def _side_tables(connection: Connection, held: Sequence[Apply]) -> None:
    failures = [
        (item.run_id, f.step_id, f.attempt, f.started_at, f.ended_at, f.error)
        for item in held
        for f in item.failures
    ]
    if failures:
        await connection.execute(_FAILURES, columns(failures, 6))
    waits = [(i.run_id, w.step_id, w.event, w.expression, w.expires_at) for i in held for w in i.waits]
    if waits:
        await connection.execute(_WAITS, columns(waits, 5))
    over = [(i.run_id, s.id) for i in held for s in i.steps if s.op == "WaitForEvent" and s.ended_at]
    if over:
        await connection.execute(_END_WAITS, columns(over, 2))
    ended = [item for item in held if isinstance(item.verdict, Finish)]
    await forget(connection, [item.run_id for item in ended if item.cleanup])


async def forget(connection: Connection, run_ids: Sequence[str]) -> None:
    """Drop what runs that have ended waited for, what would have cancelled them and whom they kept out."""
    if run_ids:
        await connection.execute(_FORGET_WAITS, [list(run_ids)])
        await connection.execute(_FORGET_SINGLETONS, [list(run_ids)])


async def event_body(connection: Connection, event_id: str) -> bytes | None:
    """One event's JSON."""
    cursor = await connection.execute("SELECT body FROM engine.events WHERE id = %s", [event_id])
    row = await cursor.fetchone()
    return row[0] if row else None


async def deliver(
    connection: Connection, deliveries: Sequence[Delivery]
) -> list[tuple[str, uuid.UUID | None, str]]:
    """End steps from outside their runs; each at most once. Returns (run, holder, queue state) of those hit."""
    rows = [(d.run_id, d.step_id, d.memo, d.status, d.at) for d in deliveries]
    cursor = await connection.execute(_DELIVER, columns(rows, 5))
    return [(run_id, owner, state) for run_id, owner, state in await cursor.fetchall()]


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as one list per column: the parameters of `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
