"""The processes that share the work, and what the dead among them leave behind."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg import Connection as SyncConnection

from engine.sql import gating

JOIN = """
INSERT INTO engine.instances (id, process, started_at, seen_at, lease_seconds)
VALUES (%s, %s, now(), now(), %s)
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""
BEAT = "UPDATE engine.instances SET seen_at = clock_timestamp() WHERE id = %s"
OTHERS = """
SELECT id, process, seen_at,
       CASE WHEN seen_at + make_interval(secs => lease_seconds) < clock_timestamp() THEN 0.0
            WHEN seen_at > clock_timestamp() THEN lease_seconds END
FROM engine.instances WHERE id <> %s
"""
# Deleting the row is the verdict: only one recoverer sees it returned, and the dead holder, should it wake,
# finds itself gone and its leases with other owners.
_BURY = "DELETE FROM engine.instances WHERE id = %s RETURNING id"
_BURY_EXPIRED = """
DELETE FROM engine.instances
WHERE id = %s AND clock_timestamp() NOT BETWEEN seen_at AND seen_at + make_interval(secs => lease_seconds)
RETURNING id
"""
_TAKE_OVER = """
UPDATE engine.queue SET state = 'r', owner = NULL, cursor = NULL, epoch = epoch + 1
WHERE owner = %s AND state = 'o' RETURNING run_id
"""
_ORPHANS = """
UPDATE engine.queue q SET state = 'r', owner = NULL, cursor = NULL, epoch = epoch + 1
WHERE q.owner IS NOT NULL AND q.state = 'o'
  AND NOT EXISTS (SELECT FROM engine.instances i WHERE i.id = q.owner) RETURNING run_id
"""


def join(connection: SyncConnection[Any], instance: uuid.UUID, process: str, lease: float) -> None:
    connection.execute(JOIN, [instance, process, lease])


def beat(connection: SyncConnection[Any], instance: uuid.UUID) -> bool:
    """Renew the lease. False: others have declared this instance dead."""
    return connection.execute(BEAT, [instance]).rowcount == 1


def others(
    connection: SyncConnection[Any], instance: uuid.UUID
) -> list[tuple[uuid.UUID, str, datetime, float | None]]:
    """The other instances: id, process, when it last renewed its lease, and whether that has run out.

    None: it has not. Otherwise for how many seconds it must be seen unchanged; a lease if it was renewed at a
    time to come, which a living process corrects when the clock has been set back.
    """
    return connection.execute(OTHERS, [instance]).fetchall()


async def bury(
    connection: AsyncConnection[Any], instance: uuid.UUID, *, proven_dead: bool
) -> Sequence[str] | None:
    """Take an instance's runs from it. None: somebody else did, or it is alive after all."""
    cursor = await connection.execute(_BURY if proven_dead else _BURY_EXPIRED, [instance])
    if await cursor.fetchone() is None:
        return None
    return await _give_back(connection, instance)


async def _give_back(connection: AsyncConnection[Any], instance: uuid.UUID) -> list[str]:
    """Everything an instance drives is ready for others, and the slots it held are free."""
    cursor = await connection.execute(_TAKE_OVER, [instance])
    runs = [row[0] for row in await cursor.fetchall()]
    if runs:
        await gating.release(connection, runs)
    return runs


async def adopt_orphans(connection: AsyncConnection[Any]) -> list[str]:
    """Runs whose holder is in no list: put them back."""
    cursor = await connection.execute(_ORPHANS)
    return [row[0] for row in await cursor.fetchall()]


async def leave(connection: AsyncConnection[Any], instance: uuid.UUID) -> None:
    """Give everything back and sign off."""
    await _give_back(connection, instance)
    await connection.execute(_BURY, [instance])
