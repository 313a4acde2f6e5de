"""Who may ask a government host, and when: one question at a time, spaced, over all processes and machines.

The host's row is the token, the queue's head and the circuit breaker in one. Each statement here stands for
itself, so that a connection in autocommit will do; nobody holds one while a question is under way. Time is the
database's, so that clocks cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db import processes
from db.clock import iso

# So many failures in a row shut a host; the rest doubles each time, up to the longest.
SHUT_AFTER = 8
LONGEST_REST_SECONDS = 900.0
_MOST_SLOWDOWN = 16.0


@dataclass(frozen=True, slots=True)
class Turn:
    """`granted`: ask now. Otherwise wait `seconds`; `resting` when the host is shut for that long."""

    granted: bool
    seconds: float = 0.0
    resting: bool = False


def take_turn(
    conn: sa.Connection,
    host: str,
    *,
    holder: str,
    spacing: float,
    pause: float,
    lease: float,
    background: bool,
) -> Turn:
    """Take the host's token, or learn how long to wait for it.

    Starts lie `spacing` seconds apart; a host that answers errors gets up to fifteen `pause`s on top. A
    routine question that waits makes background ones wait behind it. `holder` is a unique word,
    a blank and `processes.identity()`: the token of a process that died on this machine is free at once, that
    of any other after `lease` seconds. A shut host whose rest is over gives one token: its answer decides.
    """
    given = {"host": host, "holder": holder, "spacing": spacing, "pause": pause, "lease": lease}
    if conn.execute(_TAKE, given | {"background": background}).rowcount:
        return Turn(granted=True)
    row = conn.execute(_LOOK, {"host": host}).first()
    if row is None:
        conn.execute(
            sa.text("INSERT INTO upstream_hosts (host) VALUES (:host) ON CONFLICT DO NOTHING"), {"host": host}
        )
        return Turn(granted=False)
    if row.state == "open" and row.rest > 0:
        return Turn(granted=False, seconds=row.rest, resting=True)
    if row.lease_holder and processes.is_dead(row.lease_holder.partition(" ")[2]):
        conn.execute(_TAKE_AWAY, {"host": host, "holder": row.lease_holder})
        return Turn(granted=False)
    wait = max(row.busy, row.spacing, row.routine if background else 0.0)
    if not background:
        conn.execute(_RESERVE, {"host": host, "seconds": wait + 1.0})
    return Turn(granted=False, seconds=wait)


def give_back(
    conn: sa.Connection,
    host: str,
    *,
    holder: str,
    ok: bool,
    seconds: float,
    status: int | None,
    rest: float,
) -> None:
    """The question is answered, or was in vain: the token goes back, and the host's health is noted."""
    conn.execute(
        _GIVE_BACK,
        {
            "host": host,
            "holder": holder,
            "ok": ok,
            "seconds": seconds,
            "status": status,
            "shut_after": SHUT_AFTER,
            "rest": rest,
            "longest": LONGEST_REST_SECONDS,
            "most": _MOST_SLOWDOWN,
        },
    )


def health(conn: sa.Connection) -> list[dict[str, Any]]:
    """How each host has been answering, for people."""
    rows = conn.execute(sa.text("SELECT * FROM upstream_hosts ORDER BY host"))
    return [
        {
            "host": row.host,
            "state": row.state,
            "openUntil": iso(row.open_until) if row.state == "open" else None,
            "requests": row.requests,
            "errors": row.errors,
            "consecutiveFailures": row.consecutive_failures,
            "meanSeconds": None if row.mean_seconds is None else round(row.mean_seconds, 3),
            "slowdown": round(row.slowdown, 2),
            "lastStatus": row.last_status,
            "lastOkAt": iso(row.last_ok_at),
            "lastError": row.last_error,
            "lastErrorAt": iso(row.last_error_at),
        }
        for row in rows
    ]


_LOOK = sa.text(
    """
    SELECT state, lease_holder,
        coalesce(extract(epoch FROM open_until - clock_timestamp()), 0)::float8 AS rest,
        CASE WHEN lease_holder IS NULL THEN 0
            ELSE greatest(0, least(0.05, extract(epoch FROM lease_until - clock_timestamp())))
        END::float8 AS busy,
        greatest(0, coalesce(extract(epoch FROM next_free_at - clock_timestamp()), 0))::float8 AS spacing,
        greatest(0, least(0.25, coalesce(extract(epoch FROM routine_until - clock_timestamp()), 0)))::float8
            AS routine
    FROM upstream_hosts WHERE host = :host
    """
)

_TAKE_AWAY = sa.text(
    """
    UPDATE upstream_hosts SET lease_holder = NULL, lease_until = NULL
    WHERE host = :host AND lease_holder = :holder
    """
)

_RESERVE = sa.text(
    """
    UPDATE upstream_hosts SET routine_until = clock_timestamp() + CAST(:seconds AS float8) * interval '1 second'
    WHERE host = :host
    """
)

_TAKE = sa.text(
    """
    UPDATE upstream_hosts SET
        state = CASE WHEN state = 'open' THEN 'half_open' ELSE state END,
        lease_holder = :holder,
        lease_until = clock_timestamp() + CAST(:lease AS float8) * interval '1 second',
        next_free_at = clock_timestamp()
            + (CAST(:spacing AS float8) + CAST(:pause AS float8) * (slowdown - 1)) * interval '1 second'
    WHERE host = :host
        AND (state <> 'open' OR open_until <= clock_timestamp())
        AND (lease_holder IS NULL OR lease_until <= clock_timestamp())
        AND (next_free_at IS NULL OR next_free_at <= clock_timestamp())
        AND (NOT :background OR routine_until IS NULL OR routine_until <= clock_timestamp())
    """
)

_GIVE_BACK = sa.text(
    """
    UPDATE upstream_hosts SET
        lease_holder = CASE WHEN lease_holder = :holder THEN NULL ELSE lease_holder END,
        lease_until = CASE WHEN lease_holder = :holder THEN NULL ELSE lease_until END,
        requests = requests + 1,
        errors = errors + CASE WHEN :ok THEN 0 ELSE 1 END,
        mean_seconds = coalesce(mean_seconds * 0.9 + CAST(:seconds AS float8) * 0.1, :seconds),
        last_status = :status,
        last_ok_at = CASE WHEN :ok THEN clock_timestamp() ELSE last_ok_at END,
        last_error_at = CASE WHEN :ok THEN last_error_at ELSE clock_timestamp() END,
        last_error = CASE WHEN :ok THEN last_error ELSE coalesce(
            CASE WHEN CAST(:status AS int) < 400 THEN 'an answer that cannot be used, ' ELSE '' END
                || 'HTTP ' || CAST(:status AS int),
            'no answer'
        ) END,
        slowdown = CASE WHEN :ok THEN greatest(1, slowdown * 0.8)
            ELSE least(CAST(:most AS float8), slowdown * 1.5) END,
        consecutive_failures = CASE WHEN :ok THEN 0 ELSE consecutive_failures + 1 END,
        state = CASE
            WHEN :ok THEN 'closed'
            WHEN state = 'half_open' OR consecutive_failures + 1 >= :shut_after THEN 'open'
            ELSE state
        END,
        opened_times = CASE
            WHEN :ok THEN 0
            WHEN state = 'half_open' OR consecutive_failures + 1 >= :shut_after THEN opened_times + 1
            ELSE opened_times
        END,
        open_until = CASE
            WHEN NOT :ok AND (state = 'half_open' OR consecutive_failures + 1 >= :shut_after)
            THEN clock_timestamp() + least(
                CAST(:longest AS float8), CAST(:rest AS float8) * power(2, least(opened_times, 20))
            ) * interval '1 second'
            ELSE open_until
        END
    WHERE host = :host
    """
)
