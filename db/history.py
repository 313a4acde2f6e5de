"""What a background run finds to do: a range of identifiers, or all that is awaited; and whether it is paused."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa

from db import sync_state
from db.identifiers import Due

_PAUSED = "history_paused"
# The search for work in a range looks at so many identifiers at a time.
_STRETCH = 20_000


def due_in_range(conn: sa.Connection, *, first: int, last: int, limit: int, now: datetime) -> list[int]:
    """The lowest identifiers of the range that are not known and may be asked for now."""
    found: list[int] = []
    start = first
    while start <= last and len(found) < limit:
        end = min(last, start + _STRETCH - 1)
        found += conn.execute(
            _DUE_IN_RANGE, {"first": start, "last": end, "limit": limit - len(found), "now": now}
        ).scalars()
        start = end + 1
    return found


def due(conn: sa.Connection, *, limit: int, now: datetime) -> list[Due]:
    """Expected identifiers that are due, the oldest first (a routine run begins at the other end), then probes."""
    rows = conn.execute(_DUE, {"now": now, "limit": limit})
    return [Due(*row) for row in rows]


def next_due_at(conn: sa.Connection) -> datetime | None:
    """When the next expected identifier is due that has not failed so often that it is only looked at rarely."""
    found: datetime | None = conn.execute(
        sa.text(
            "SELECT min(next_try_at) FROM tender_ids"
            " WHERE is_expected AND (state <> 'known' OR NOT is_present) AND state = 'pending'"
        )
    ).scalar()
    return found


def count_open(conn: sa.Connection, *, now: datetime) -> int:
    """How many expected identifiers are due by now."""
    return int(
        conn.execute(
            sa.text(
                "SELECT count(*) FROM tender_ids WHERE is_expected AND (state <> 'known' OR NOT is_present)"
                " AND (next_try_at IS NULL OR next_try_at <= :now)"
            ),
            {"now": now},
        ).scalar_one()
    )


def range_of_days(
    conn: sa.Connection, first: date | None, last: date | None
) -> tuple[int | None, int | None]:
    """The identifiers that were issued about these days: from the last one before them to the first one after.

    Identifiers are issued roughly in the order of publication, so the neighbours bound the range.
    """
    row = conn.execute(
        sa.text(
            """
            SELECT
                CASE WHEN CAST(:first AS date) IS NULL THEN 1 ELSE coalesce(
                    (SELECT min(n) FROM tender_ids WHERE published_on >= :first AND is_expected), 1) END AS low,
                CASE WHEN CAST(:last AS date) IS NULL
                    THEN (SELECT max(n) FROM tender_ids WHERE is_expected)
                    ELSE (SELECT max(n) FROM tender_ids WHERE published_on <= :last AND is_expected) END AS high
            """
        ),
        {"first": first, "last": last},
    ).one()
    return row.low, row.high


def pause(conn: sa.Connection, *, now: datetime) -> None:
    """Let the background run end before its next batch."""
    sync_state.put(conn, _PAUSED, value=True, now=now)


def resume(conn: sa.Connection, *, now: datetime) -> None:
    """Let background runs work again; the next one takes up what is left."""
    sync_state.put(conn, _PAUSED, value=False, now=now)


def is_paused(conn: sa.Connection) -> bool:
    """Whether background runs are to stop."""
    return bool(sync_state.get(conn, _PAUSED))


_DUE = sa.text(
    """
    (SELECT n, ocid, true FROM tender_ids
    WHERE is_expected AND (state <> 'known' OR NOT is_present) AND (next_try_at IS NULL OR next_try_at <= :now)
    ORDER BY n LIMIT :limit)
    UNION ALL
    (SELECT n, ocid, false FROM tender_ids
    WHERE NOT is_expected AND state <> 'known' AND next_try_at <= :now
    ORDER BY next_try_at LIMIT :limit)
    LIMIT :limit
    """
)

_DUE_IN_RANGE = sa.text(
    """
    SELECT g FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS g
    LEFT JOIN tender_ids AS t ON t.n = g
    WHERE t.n IS NULL OR (t.state <> 'known' AND (t.next_try_at IS NULL OR t.next_try_at <= :now))
    ORDER BY g
    LIMIT :limit
    """
)
