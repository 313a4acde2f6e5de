"""Slots of concurrency limits and turns of throttles: who may go on, who waits, who is next."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sql.applying import Connection

_LOCK = "SELECT pg_advisory_xact_lock(7141, hashtext(gate)) FROM unnest(%s::text[]) AS gate ORDER BY 1"
_LOCK_ONE = "SELECT pg_advisory_xact_lock(7141, hashtext(%s))"
_HELD = "SELECT DISTINCT gate FROM engine.slots WHERE run_id = ANY(%s::text[])"
_RELEASE = "DELETE FROM engine.slots WHERE run_id = ANY(%s::text[]) RETURNING gate, taken"
_UNBLOCK = """
UPDATE engine.queue SET state = 'r', blocked_by = NULL
WHERE run_id IN (
    SELECT run_id FROM engine.queue WHERE state = 'b' AND blocked_by = %s ORDER BY rank LIMIT %s FOR UPDATE
)
"""


async def lock(connection: Connection, gates: Sequence[str]) -> None:
    """Hold these gates until the transaction ends; always in the same order."""
    for gate in sorted(set(gates)):
        await connection.execute(_LOCK_ONE, [gate])


async def release(connection: Connection, run_ids: Sequence[str]) -> bool:
    """Give back the slots of these runs and let the next ones try. Returns whether any may."""
    cursor = await connection.execute(_HELD, [list(run_ids)])
    gates = [row[0] for row in await cursor.fetchall()]
    if not gates:
        return False
    await lock(connection, gates)
    freed: dict[str, int] = {}
    cursor = await connection.execute(_RELEASE, [list(run_ids)])
    for gate, taken in await cursor.fetchall():
        freed[gate] = freed.get(gate, 0) + taken
    woken = 0
    for gate, count in freed.items():
        cursor = await connection.execute(_UNBLOCK, [gate, count])
        woken += cursor.rowcount
    return woken > 0
