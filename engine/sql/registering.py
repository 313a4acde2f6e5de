"""Apps, functions and their schedules as they are registered."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from engine.functions import Function
from engine.sql.applying import Connection

_LOCK = "SELECT pg_advisory_xact_lock(7142, 0)"
_CHECKSUM = "SELECT checksum FROM engine.apps WHERE name = %s"
_APP = """
INSERT INTO engine.apps AS a (name, id, url, sdk, framework, checksum, created_at, synced_at)
VALUES (%(name)s, %(id)s, %(url)s, %(sdk)s, %(framework)s, %(checksum)s, %(now)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET url = excluded.url, sdk = excluded.sdk, framework = excluded.framework,
    checksum = excluded.checksum, synced_at = excluded.synced_at
"""
_FUNCTION = """
INSERT INTO engine.functions AS f (id, app, slug, name, config, created_at)
VALUES (%(id)s, %(app)s, %(slug)s, %(name)s, %(config)s, %(now)s)
ON CONFLICT (id) DO UPDATE SET app = excluded.app, name = excluded.name, config = excluded.config,
    archived_at = NULL, version = f.version + (f.config IS DISTINCT FROM excluded.config)::int
"""
_ARCHIVE = """
UPDATE engine.functions SET archived_at = %(now)s
WHERE app = %(app)s AND archived_at IS NULL AND id <> ALL(%(ids)s::uuid[]) RETURNING slug
"""
_SCHEDULE = """
INSERT INTO engine.schedules (function_id, cron, due_at, next_at)
VALUES (%(function)s, %(cron)s, %(due)s, %(next)s) ON CONFLICT DO NOTHING
"""
_DROP_SCHEDULES = """
DELETE FROM engine.schedules s
WHERE NOT EXISTS (
    SELECT FROM unnest(%(functions)s::uuid[], %(crons)s::text[]) AS x(function_id, cron)
    WHERE x.function_id = s.function_id AND x.cron = s.cron
) AND (s.function_id IN (SELECT id FROM engine.functions WHERE app = %(app)s))
"""
_FUNCTIONS = """
SELECT app, config, id, CASE WHEN paused_at IS NOT NULL THEN paused_runs END
FROM engine.functions WHERE archived_at IS NULL ORDER BY slug
"""
_REMOVE_APP = "DELETE FROM engine.apps WHERE url = ANY(%s::text[]) RETURNING name"


async def register(
    connection: Connection,
    *,
    app: dict[str, Any],
    functions: Sequence[Function],
    schedules: Sequence[tuple[uuid.UUID, str, datetime, datetime]],
    now: datetime,
) -> tuple[bool, list[str]]:
    """Store an app and its functions; what it no longer names is archived and its schedules end.

    Returns whether anything changed, and the slugs that were archived.
    """
    await connection.execute(_LOCK)
    cursor = await connection.execute(_CHECKSUM, [app["name"]])
    row = await cursor.fetchone()
    modified = row is None or row[0] != app["checksum"]
    await connection.execute(_APP, {**app, "now": now})
    for function in functions:
        values = {
            "id": function.id, "app": function.app, "slug": function.slug, "name": function.name,
            "config": Jsonb(function.config), "now": now,
        }  # fmt: skip
        await connection.execute(_FUNCTION, values)
    gone = await connection.execute(
        _ARCHIVE, {"now": now, "app": app["name"], "ids": [function.id for function in functions]}
    )
    archived = [row[0] for row in await gone.fetchall()]
    await connection.execute(
        _DROP_SCHEDULES,
        {"functions": [s[0] for s in schedules], "crons": [s[1] for s in schedules], "app": app["name"]},
    )
    for function_id, cron, due, planned in schedules:
        await connection.execute(
            _SCHEDULE, {"function": function_id, "cron": cron, "due": due, "next": planned}
        )
    return modified, archived


async def functions(connection: Connection) -> list[tuple[str, dict[str, Any], uuid.UUID, str | None]]:
    """The registered functions: app, configuration, id, and what its runs do while it is paused, if it is."""
    cursor = await connection.execute(_FUNCTIONS)
    return [
        (app, config, function_id, paused) for app, config, function_id, paused in await cursor.fetchall()
    ]


async def remove_app(connection: Connection, urls: Sequence[str], now: datetime) -> list[str]:
    """Forget apps by URL; their functions stop and their schedules end. Returns the apps' names."""
    cursor = await connection.execute(_REMOVE_APP, [list(urls)])
    names = [row[0] for row in await cursor.fetchall()]
    for name in names:
        await connection.execute(_DROP_SCHEDULES, {"functions": [], "crons": [], "app": name})
        await connection.execute(_ARCHIVE, {"now": now, "app": name, "ids": []})
    return names
