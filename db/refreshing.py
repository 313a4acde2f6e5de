"""When a known release is worth another look: often while its tender is open, ever more rarely afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from db.identifiers import Due


def schedule(conn: sa.Connection, *, now: datetime) -> int:
    """Give known releases that have none their next look, the newest first; how many.

    A large part at a time: the rest follows the next time. Awarded and cancelled tenders get few looks.
    """
    return conn.execute(_SCHEDULE, {"now": now}).rowcount


def due(conn: sa.Connection, *, limit: int, now: datetime) -> list[Due]:
    """The releases whose next look has come, those that wait longest first."""
    rows = conn.execute(
        sa.text(
            "SELECT n, ocid, true FROM tender_ids WHERE refresh_at <= :now ORDER BY refresh_at LIMIT :limit"
        ),
        {"now": now, "limit": limit},
    )
    return [Due(*row) for row in rows]


def visited(conn: sa.Connection, numbers: Sequence[int], *, now: datetime) -> None:
    """These have been looked at: the next look comes later than the last one did."""
    conn.execute(_VISITED, {"numbers": list(numbers), "now": now})


_NEXT = """
    CASE
        WHEN t.lifecycle = 'open' THEN CAST(:now AS timestamptz) + interval '2 days'
        WHEN t.lifecycle IN ('awarded', 'cancelled') AND i.refreshes >= 3 THEN NULL
        WHEN coalesce(t.closing_at, t.published_at, t.first_seen_at) < CAST(:now AS timestamptz) - interval '2 years'
            THEN NULL
        ELSE CAST(:now AS timestamptz) + least(interval '3 days' * power(2, least(i.refreshes, 10)), interval '90 days')
    END
"""

_SCHEDULE = sa.text(
    f"""
    UPDATE tender_ids AS i SET refresh_at = {_NEXT}
    FROM tenders AS t
    WHERE t.n = i.n AND i.n IN (
        SELECT n FROM tender_ids WHERE state = 'known' AND refresh_at IS NULL AND refreshes = 0
        ORDER BY n DESC LIMIT 20000
    )
    """  # noqa: S608 - a constant
)

_VISITED = sa.text(
    f"""
    UPDATE tender_ids AS i SET
        refreshes = CASE WHEN t.lifecycle = 'open' THEN i.refreshes ELSE i.refreshes + 1 END,
        refresh_at = {_NEXT}
    FROM tenders AS t WHERE t.n = i.n AND i.n = ANY(:numbers)
    """  # noqa: S608 - a constant
)
