"""Storing events, with the runs and the open decisions that follow from them, in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from engine.records import OWNED, RUNNING, SCHEDULED, Accept
from engine.sql.applying import Connection, columns

_ACCEPT = """
WITH e AS (
    INSERT INTO engine.events (id, sender_id, name, body, received_at)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bytea[], %b::timestamptz[])
    ON CONFLICT (id) DO NOTHING
    RETURNING id, name, received_at
), again AS (
    UPDATE engine.events SET copies = copies + 1 WHERE id = ANY(%b::text[])
), x AS (
    SELECT * FROM unnest(
        %b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[],
        %b::timestamptz[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::text[],
        %b::text[], %b::timestamptz[], %b::float8[], %b::text[], %b::text[], %b::text[]
    ) AS x(id, function_id, status, cause, event_ids, queued_at, rank, wake_at, state, trigger, dedupe_key,
           dedupe_until, gates, throttle, singleton, deadline, finish_within, parent_run, parent_step, original_run)
    WHERE trigger IS NULL OR trigger IN (SELECT id FROM e)
), d AS (
    INSERT INTO engine.dedupe AS d (function_id, key, run_id, expires_at)
    SELECT DISTINCT ON (function_id, dedupe_key) function_id, dedupe_key, id, dedupe_until
    FROM x WHERE dedupe_key IS NOT NULL ORDER BY function_id, dedupe_key, id
    ON CONFLICT (function_id, key) DO UPDATE
        SET run_id = excluded.run_id, expires_at = excluded.expires_at WHERE d.expires_at <= %b
    RETURNING run_id
), fresh AS MATERIALIZED (
    SELECT * FROM x WHERE dedupe_key IS NULL OR id IN (SELECT run_id FROM d)
), r AS (
    INSERT INTO engine.runs (id, function_id, status, cause, event_ids, queued_at, started_at, parent_run,
                             parent_step, original_run)
    SELECT id, function_id, status, cause, event_ids::text[], queued_at,
           CASE WHEN state = 'o' THEN queued_at END, parent_run, parent_step, original_run
    FROM fresh
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), q AS (
    INSERT INTO engine.queue (run_id, function_id, state, rank, wake_at, owner, epoch, started, gates, throttle,
                              singleton, deadline, finish_within)
    SELECT id, function_id, state, rank, wake_at, CASE WHEN state = 'o' THEN %b::uuid END,
           CASE WHEN state = 'o' THEN 1 ELSE 0 END, state = 'o', gates::text[], throttle, singleton, deadline,
           finish_within
    FROM fresh WHERE id IN (SELECT id FROM r)
), i AS (
    INSERT INTO engine.intents (event_id, function_id, created_at, detail)
    SELECT y.event_id, y.function_id, %b, y.detail
    FROM unnest(%b::text[], %b::text[], %b::bytea[]) AS y(event_id, function_id, detail)
    WHERE y.event_id IN (SELECT id FROM e)
    ON CONFLICT DO NOTHING
), w AS (
    INSERT INTO engine.intents (event_id, function_id, created_at)
    SELECT e.id, '', %b FROM e WHERE EXISTS (SELECT FROM engine.waits WHERE waits.event = e.name)
    ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT id, 'r' FROM r UNION ALL SELECT event_id, 'w' FROM w
"""

_CANCELS = """
INSERT INTO engine.waits (run_id, step_id, event, expression, expires_at)
SELECT x.run_id, x.step_id, x.event, x.expression, x.expires_at
FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[])
    AS x(run_id, step_id, event, expression, expires_at)
ON CONFLICT DO NOTHING
"""

CANCEL_PREFIX = "cancel:"


def array_text(items: Sequence[str] | None) -> str | None:
    """A list as the text of a PostgreSQL array, so that arrays of different lengths can share a column."""
    if items is None:
        return None
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"


async def accept(
    connection: Connection, owner: uuid.UUID, accepts: Sequence[Accept], now: Any
) -> tuple[set[str], bool]:
    """Store events; create the runs whose trigger was new. Returns the runs' ids, and whether a wait may match."""
    events = [(e.id, e.sender_id, e.name, e.body, e.received_at) for accept in accepts for e in accept.events]
    new = [run for accept in accepts for run in accept.runs]
    runs = [
        (
            r.id, r.function_id, RUNNING if r.state == OWNED else SCHEDULED, r.cause, array_text(r.event_ids),
            r.queued_at, r.rank, r.wake_at, r.state, r.trigger, r.dedupe_key, r.dedupe_until,
            array_text(r.gates), r.throttle, r.singleton, r.deadline, r.finish_within, r.parent_run, r.parent_step,
            r.original_run,
        )
        for r in new
    ]  # fmt: skip
    intents = [(i.event_id, i.function_id, i.detail) for accept in accepts for i in accept.intents]
    cursor = await connection.execute(
        _ACCEPT,
        [
            *columns(events, 5),
            [event[0] for event in events],
            *columns(runs, 20),
            now,
            owner,
            now,
            *columns(intents, 3),
            now,
        ],
    )
    created: set[str] = set()
    awaited = False
    for key, kind in await cursor.fetchall():
        if kind == "r":
            created.add(key)
        else:
            awaited = True
    cancels = [
        (r.id, f"{CANCEL_PREFIX}{n}", c.event, c.expression, c.expires_at)
        for r in new
        if r.id in created
        for n, c in enumerate(r.cancels)
    ]
    if cancels:
        await connection.execute(_CANCELS, columns(cancels, 5))
    return created, awaited
