"""Slots of concurrency limits and turns of throttles: who may go on, who waits, who is next.

A run that may not go on is blocked under the name of what blocks it, and let try again, in the order of rank,
when a slot is given back or the throttle's next turn comes. Gates are locked in one order, in every
transaction that counts or changes their slots, so that no release is missed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from engine.flow import Turn
from engine.sql import admitting, queueing
from engine.sql.applying import Connection, columns

_LOCK = "SELECT pg_advisory_xact_lock(7141, hashtext(%s))"
_HELD = "SELECT DISTINCT gate FROM engine.slots WHERE run_id = ANY(%s::text[])"
_RELEASE = "DELETE FROM engine.slots WHERE run_id = ANY(%s::text[]) RETURNING gate, taken"
_UNBLOCK = """
UPDATE engine.queue SET state = 'r', blocked_by = NULL
WHERE run_id IN (
    SELECT run_id FROM engine.queue WHERE state = 'b' AND blocked_by = %s ORDER BY rank LIMIT %s FOR UPDATE
)
"""
_CANDIDATES = (
    "WITH "
    + queueing.CHOSEN
    + """
SELECT q.run_id, q.function_id, q.gates, q.throttle, q.started
FROM chosen JOIN engine.queue q USING (run_id) ORDER BY q.rank
"""
)
_TAKEN = "SELECT gate, sum(taken)::int FROM engine.slots WHERE gate = ANY(%s::text[]) GROUP BY gate"
_TAKE = """
INSERT INTO engine.slots AS s (gate, run_id, taken)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[])
ON CONFLICT (gate, run_id) DO UPDATE SET taken = s.taken + excluded.taken
"""
_BLOCK = """
UPDATE engine.queue q SET state = 'b', blocked_by = x.blocked_by
FROM unnest(%b::text[], %b::text[]) AS x(run_id, blocked_by) WHERE q.run_id = x.run_id
"""
_SHRINK = "UPDATE engine.slots SET taken = 1 WHERE run_id = %s AND taken > 1 RETURNING gate"
_WAKE_LIMIT = "UPDATE engine.limits SET wake_at = least(wake_at, %s) WHERE key = %s"
_DUE_LIMITS = """
UPDATE engine.limits SET wake_at = NULL WHERE key IN (
    SELECT key FROM engine.limits WHERE wake_at <= %s ORDER BY wake_at LIMIT 100 FOR UPDATE SKIP LOCKED
) RETURNING key
"""
_NEXT_LIMIT = "SELECT min(wake_at) FROM engine.limits WHERE wake_at IS NOT NULL"
# Blocked runs whose gate nobody holds: only a crash between two transactions can leave them.
_FORGOTTEN = """
SELECT DISTINCT blocked_by FROM engine.queue q
WHERE state = 'b' AND NOT EXISTS (SELECT FROM engine.slots s WHERE s.gate = q.blocked_by)
  AND NOT EXISTS (SELECT FROM engine.limits l WHERE l.key = q.blocked_by AND l.wake_at IS NOT NULL)
"""
_STRAY_SLOTS = """
SELECT DISTINCT run_id FROM engine.slots s
WHERE NOT EXISTS (SELECT FROM engine.queue q WHERE q.run_id = s.run_id AND q.state = 'o')
"""
AT_ONCE = 20


@dataclass(slots=True)
class Candidate:
    """A due run that needs a slot or a turn."""

    run_id: str
    function_id: uuid.UUID
    gates: list[str] | None
    throttle: str | None
    started: bool


Limits = Callable[[Candidate], dict[str, int]]
Turns = Callable[[Candidate, datetime, datetime], Turn | None]


async def lock(connection: Connection, gates: Sequence[str]) -> None:
    """Hold these gates until the transaction ends; always in the same order."""
    for gate in sorted(set(gates)):
        await connection.execute(_LOCK, [gate])


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
    for gate, count in sorted(freed.items()):
        woken += await unblock(connection, gate, count)
    return woken > 0


async def unblock(connection: Connection, name: str, count: int) -> int:
    """Let the first `count` runs that this gate or throttle blocks try again."""
    cursor = await connection.execute(_UNBLOCK, [name, count])
    return cursor.rowcount


async def claim(
    connection: Connection,
    owner: uuid.UUID,
    now: datetime,
    limit: int,
    *,
    limits: Limits,
    turns: Turns,
) -> tuple[list[queueing.Claimed], int]:
    """Claim due runs as far as slots and turns allow; block the others. Returns those, and how many were due."""
    async with connection.cursor(row_factory=class_row(Candidate)) as cursor:
        await cursor.execute(_CANDIDATES, {"now": now, "limit": limit, "gated": True})
        candidates = await cursor.fetchall()
    if not candidates:
        return [], 0
    names = [gate for one in candidates for gate in one.gates or ()]
    await lock(connection, names)
    cursor2 = await connection.execute(_TAKEN, [names])
    taken: dict[str, int] = dict(await cursor2.fetchall())
    throttles = sorted({one.throttle for one in candidates if one.throttle and not one.started})
    tats = {key: await admitting.limiter(connection, key, now) for key in throttles}
    chosen: list[Candidate] = []
    blocked: list[tuple[str, str]] = []
    for one in candidates:
        wall = _blocked_by(one, limits(one), taken)
        if wall is None and one.throttle in tats:
            turn = turns(one, tats[one.throttle], now)
            if turn is not None and not turn.allowed:
                wall = one.throttle
                await connection.execute(_WAKE_LIMIT, [turn.again_at, one.throttle])
            elif turn is not None:
                tats[one.throttle] = turn.tat
                await admitting.advance(connection, one.throttle, turn.tat)
        if wall is not None:
            blocked.append((one.run_id, wall))
            continue
        chosen.append(one)
        for gate in one.gates or ():
            taken[gate] = taken.get(gate, 0) + 1
    slots = [(gate, one.run_id, 1) for one in chosen for gate in one.gates or ()]
    if slots:
        await connection.execute(_TAKE, columns(slots, 3))
    if blocked:
        await connection.execute(_BLOCK, columns(blocked, 2))
    claimed = await queueing.claim_these(connection, owner, now, [one.run_id for one in chosen])
    return claimed, len(candidates)


def _blocked_by(one: Candidate, limits: dict[str, int], taken: dict[str, int]) -> str | None:
    """The first full gate in the run's way."""
    for gate, most in limits.items():
        if taken.get(gate, 0) >= most:
            return gate
    return None


async def take_more(connection: Connection, run_id: str, limits: dict[str, int], wanted: int) -> int:
    """Further slots for a run that would execute several steps at once. Returns how many it got."""
    await lock(connection, list(limits))
    cursor = await connection.execute(_TAKEN, [list(limits)])
    taken: dict[str, int] = dict(await cursor.fetchall())
    free = min((most - taken.get(gate, 0) for gate, most in limits.items()), default=wanted)
    count = max(0, min(wanted, free))
    if count:
        await connection.execute(_TAKE, columns([(gate, run_id, count) for gate in limits], 3))
    return count


async def shrink(connection: Connection, run_id: str, gates: Sequence[str]) -> bool:
    """Keep one slot of each gate, give the others back."""
    await lock(connection, gates)
    cursor = await connection.execute(_SHRINK, [run_id])
    woken = 0
    for (gate,) in await cursor.fetchall():
        woken += await unblock(connection, gate, AT_ONCE)
    return woken > 0


async def wake_limits(connection: Connection, now: datetime) -> bool:
    """Let runs try whose throttle's next turn has come."""
    cursor = await connection.execute(_DUE_LIMITS, [now])
    keys = [row[0] for row in await cursor.fetchall()]
    woken = 0
    for key in sorted(keys):
        woken += await unblock(connection, key, AT_ONCE)
    return woken > 0


async def next_limit(connection: Connection) -> datetime | None:
    """When the next throttle's turn comes."""
    cursor = await connection.execute(_NEXT_LIMIT)
    row = await cursor.fetchone()
    return row[0] if row else None


async def sweep(connection: Connection) -> bool:
    """Undo what a crash left: slots of runs that nobody drives, runs blocked by what nobody holds."""
    cursor = await connection.execute(_STRAY_SLOTS)
    stray = [row[0] for row in await cursor.fetchall()]
    woken = await release(connection, stray) if stray else False
    cursor = await connection.execute(_FORGOTTEN)
    names = [row[0] for row in await cursor.fetchall()]
    await lock(connection, names)
    for name in sorted(names):
        woken = bool(await unblock(connection, name, AT_ONCE)) or woken
    return woken
