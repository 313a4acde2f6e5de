"""What the doctor asks the database: small statements that change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.freshness import Host
from app.freshness_facts import gather
from db import console, measures
from functions.client import APP_ID


def _row(connection: sa.Connection, query: str, **given: object) -> tuple[Any, ...]:
    return tuple(connection.execute(sa.text(query), given).one())


def connections(connection: sa.Connection) -> tuple[int, int]:
    """Connections of the server in use, and how many it allows."""
    found = measures.connections(connection)
    return found.used, found.allowed


def runs(connection: sa.Connection) -> tuple[int, int, timedelta | None]:
    """Live engines, runs of dead ones, and the age of the oldest run that is ready."""
    live, orphans, waiting = _row(connection, _ENGINE)
    return live, orphans, waiting


def functions(connection: sa.Connection) -> tuple[int, list[str]]:
    """How many of our functions are registered, their failure handlers aside, and which of them are paused."""
    count, paused = _row(connection, _FUNCTIONS, app=APP_ID)
    return count, paused


def unheard_events(connection: sa.Connection) -> dict[str, int]:
    """Names of events of the last day that no function listens to, and how often each came."""
    rows = connection.execute(sa.text(_UNHEARD)).all()
    return {row.name: row.events for row in rows}


def unlogged_runs(connection: sa.Connection) -> int:
    """Runs of the last day that began a first step and have no job, of the functions that keep one."""
    return int(_row(connection, _UNLOGGED)[0])


def most_silent_job(connection: sa.Connection, now: datetime) -> tuple[str, str | None, timedelta] | None:
    """The active job that gave the last sign of life longest ago, with the step that it is at; less than nothing for
    one whose step has said until when it waits."""
    row = connection.execute(sa.text(_SILENT)).first()
    return None if row is None else (row.id, row.step, now - row.alive_at)


def upstream(connection: sa.Connection) -> tuple[list[Host], str | None]:
    """The two hosts, and why the newest look at the portal was not believed."""
    hosts = [
        Host(row.host, row.state, row.last_ok_at, row.last_error_at, row.last_error)
        for row in console.hosts(connection)
    ]
    reason = connection.execute(sa.text(_DISBELIEVED)).scalar()
    return hosts, reason


def last_sync(connection: sa.Connection, now: datetime, *, replay: bool) -> datetime | None:
    """The end of the last complete sync, as the first page and /readyz have it."""
    return gather(connection, now=now, replay=replay).last_complete_at


def executions(connection: sa.Connection, now: datetime) -> int:
    """Since the first of the month, as Inngest would bill them."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return measures.executions_since(connection, month)


_ENGINE = """
WITH live AS (
    SELECT id FROM engine.instances
    WHERE seen_at + make_interval(secs => lease_seconds) >= clock_timestamp()
)
SELECT (SELECT count(*) FROM live),
       (SELECT count(*) FROM engine.queue WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM live)),
       (SELECT clock_timestamp() - min(rank) FROM engine.queue WHERE state = 'r' AND rank < clock_timestamp())
"""
_FUNCTIONS = """
SELECT count(*), coalesce(array_agg(slug ORDER BY slug) FILTER (WHERE paused_at IS NOT NULL), '{}')
FROM engine.functions
WHERE app = :app AND archived_at IS NULL
AND NOT coalesce(config -> 'triggers' @> '[{"event": "inngest/function.failed"}]', false)
"""
_UNHEARD = """
SELECT e.name, count(*) AS events FROM engine.events AS e
WHERE e.received_at > clock_timestamp() - interval '1 day' AND e.name NOT LIKE 'inngest/%'
AND NOT EXISTS (
    SELECT FROM engine.functions AS f, jsonb_array_elements(f.config -> 'triggers') AS t
    WHERE f.archived_at IS NULL AND t ->> 'event' = e.name
)
GROUP BY e.name ORDER BY events DESC, e.name LIMIT 5
"""
_UNLOGGED = """
SELECT count(DISTINCT s.run_id) FROM engine.steps AS s
WHERE s.name = 'create-job-log' AND s.status = 'Completed' AND s.ended_at > clock_timestamp() - interval '1 day'
AND NOT EXISTS (SELECT FROM job_runs AS r WHERE r.run_id = s.run_id)
"""
_SILENT = """
SELECT j.id, s.name AS step, greatest(j.heartbeat_at, CAST(s.output ->> 'until' AS timestamptz)) AS alive_at
FROM jobs AS j
LEFT JOIN LATERAL (
    SELECT name, output FROM job_steps WHERE job_id = j.id ORDER BY attempt_started_at DESC LIMIT 1
) AS s ON true
WHERE j.status IN ('RUNNING', 'RETRYING') ORDER BY alive_at LIMIT 1
"""
_DISBELIEVED = """
SELECT reason FROM portal_snapshots AS newest
WHERE NOT accepted AND NOT EXISTS (
    SELECT FROM portal_snapshots AS s WHERE s.bucket = newest.bucket AND s.fetched_at > newest.fetched_at
)
ORDER BY fetched_at DESC LIMIT 1
"""
