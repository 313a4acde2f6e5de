"""Reading events, runs and steps for the REST routes and the admin pages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from engine.sql.applying import Connection


@dataclass(slots=True)
class EventRow:
    """A stored event; `body` is its JSON."""

    id: str
    sender_id: str | None
    name: str
    body: bytes
    received_at: datetime
    copies: int


@dataclass(slots=True)
class RunRow:
    """A run, with its function's slug and name."""

    id: str
    function_id: uuid.UUID
    slug: str
    function_name: str
    app: str
    version: int
    status: str
    cause: str
    event_ids: list[str]
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    output: bytes | None
    parent_run: str | None
    original_run: str | None


_EVENT = "SELECT id, sender_id, name, body, received_at, copies FROM engine.events"
_RUN = """
SELECT r.id, r.function_id, f.slug, f.name AS function_name, f.app, f.version, r.status, r.cause, r.event_ids,
       r.queued_at, r.started_at, r.ended_at, r.output, r.parent_run, r.original_run
FROM engine.runs r JOIN engine.functions f ON f.id = r.function_id
"""
_BATCHED = """
WHERE cardinality(r.event_ids) > 1 AND r.event_ids @> ARRAY[%s] ORDER BY r.id DESC LIMIT 100
"""
_LIVE = {"Scheduled", "Running"}
_STEPS = """
SELECT id, name, op, status, attempt, planned, queued_at, started_at, ended_at, wake_at, memo
FROM engine.steps WHERE run_id = %s ORDER BY position NULLS LAST, queued_at, id
"""
_FAILURES = """
SELECT step_id, attempt, started_at, ended_at, error FROM engine.failures WHERE run_id = %s ORDER BY started_at
"""


async def event(connection: Connection, event_id: str) -> EventRow | None:
    async with connection.cursor(row_factory=class_row(EventRow)) as cursor:
        await cursor.execute(f"{_EVENT} WHERE id = %s", [event_id])
        return await cursor.fetchone()


async def events(
    connection: Connection,
    *,
    name: str | None,
    before: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[EventRow]:
    """Events, newest first, from below the id `before`."""
    async with connection.cursor(row_factory=class_row(EventRow)) as cursor:
        await cursor.execute(
            f"""{_EVENT} WHERE (%(name)s::text IS NULL OR name = %(name)s)
                AND (%(before)s::text IS NULL OR id < %(before)s)
                AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
                AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
                ORDER BY id DESC LIMIT %(limit)s""",
            {"name": name, "before": before, "since": since, "until": until, "limit": limit},
        )
        return await cursor.fetchall()


async def events_of(connection: Connection, run: RunRow) -> list[EventRow]:
    """A run's trigger events, in its order."""
    async with connection.cursor(row_factory=class_row(EventRow)) as cursor:
        await cursor.execute(f"{_EVENT} WHERE id = ANY(%s::text[])", [run.event_ids])
        found = {row.id: row for row in await cursor.fetchall()}
    return [found[event_id] for event_id in run.event_ids if event_id in found]


async def run(connection: Connection, run_id: str) -> RunRow | None:
    async with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        await cursor.execute(f"{_RUN} WHERE r.id = %s", [run_id])
        return await cursor.fetchone()


async def runs_of_event(connection: Connection, event_id: str) -> list[RunRow]:
    """The runs that an event triggered, newest first; of batches too, by their first event."""
    async with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        await cursor.execute(f"{_RUN} WHERE r.event_ids[1] = %s ORDER BY r.id DESC", [event_id])
        found = await cursor.fetchall()
        if not found:
            await cursor.execute(_RUN + _BATCHED, [event_id])
            found = await cursor.fetchall()
        return found


async def runs(
    connection: Connection,
    *,
    function: str | None = None,
    statuses: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[RunRow]:
    """Runs, newest first, filtered; `before` is the last id of the page above."""
    conditions: list[str] = []
    parameters: list[Any] = []
    for condition, value in (
        # A subquery, so that the index of a function's runs gives them in their order.
        ("r.function_id = (SELECT id FROM engine.functions WHERE slug = %s)", function),
        ("r.status = ANY(%s::text[])", list(statuses) or None),
        ("r.queued_at >= %s", since),
        ("r.queued_at < %s", until),
        ("r.id < %s", before),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if statuses and set(statuses) <= _LIVE:
        # Few among many: the queue knows them.
        conditions.append("r.id IN (SELECT run_id FROM engine.queue)")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    async with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        await cursor.execute(f"{_RUN} {where} ORDER BY r.id DESC LIMIT %s", [*parameters, limit])
        return await cursor.fetchall()


async def steps(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """A run's steps in the order of their end, those that have not ended last."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_STEPS, [run_id])
        return await cursor.fetchall()


async def failures(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """The failed attempts of a run; `step_id` is `step` where the function's body itself failed."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_FAILURES, [run_id])
        return await cursor.fetchall()


async def memos(connection: Connection, run_id: str) -> dict[str, bytes]:
    """The memos of a run's ended steps."""
    cursor = await connection.execute(
        """SELECT id, memo FROM engine.steps WHERE run_id = %s AND ended_at IS NOT NULL
           ORDER BY position""",
        [run_id],
    )
    return dict(await cursor.fetchall())


async def queue_of(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """A live run's place in the queue."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM engine.queue WHERE run_id = %s", [run_id])
        return await cursor.fetchone()


async def functions(connection: Connection) -> list[dict[str, Any]]:
    """Every function that is registered, with its newest run and its schedules: cron, when next, when last."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT f.*, coalesce(s.schedules, '[]'::jsonb) AS schedules, newest.*
               FROM engine.functions f
               LEFT JOIN LATERAL (
                   SELECT id AS newest_run, queued_at AS newest_at, status AS newest_status
                   FROM engine.runs
                   -- Not `=`, for which the planner would look for the runs of a function that has none among all.
                   WHERE function_id >= f.id AND function_id <= f.id
                   ORDER BY function_id DESC, id DESC LIMIT 1) newest ON true
               LEFT JOIN LATERAL (
                   SELECT jsonb_agg(jsonb_build_object('cron', cron, 'next_at', next_at, 'last_at', last_at,
                                                       'last_run', last_run) ORDER BY cron) AS schedules
                   FROM engine.schedules WHERE function_id = f.id) s ON true
               WHERE f.archived_at IS NULL ORDER BY f.slug"""
        )
        return await cursor.fetchall()


async def apps(connection: Connection) -> list[dict[str, Any]]:
    """The registered apps and how many functions each has."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT a.*, (SELECT count(*) FROM engine.functions f
                            WHERE f.app = a.name AND f.archived_at IS NULL) AS function_count
               FROM engine.apps a ORDER BY a.name"""
        )
        return await cursor.fetchall()


async def is_python(connection: Connection, app: str) -> bool:
    """Whether the app is written with the Python SDK; one that registered in process says no SDK, and is."""
    asked = "SELECT sdk = '' OR sdk LIKE 'py:%%' FROM engine.apps WHERE name = %s"
    cursor = await connection.execute(asked, (app,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def queue_depth(connection: Connection, now: datetime) -> dict[str, Any]:
    """How many runs are ready, running, on a timer, blocked and held, and the age of the oldest ready one."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT count(*) FILTER (WHERE state = 'r') AS ready,
                      count(*) FILTER (WHERE state = 'o') AS running,
                      count(*) FILTER (WHERE state = 't') AS waiting,
                      count(*) FILTER (WHERE state = 'b') AS blocked,
                      count(*) FILTER (WHERE state = 'h') AS held,
                      coalesce(extract(epoch FROM %(now)s - min(wake_at) FILTER (
                          WHERE state IN ('r', 'b') OR (state = 't' AND wake_at < %(now)s))), 0)::float8
                          AS oldest_seconds
               FROM engine.queue""",
            {"now": now},
        )
        row = await cursor.fetchone()
    return row or {}
