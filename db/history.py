"""What a background run finds to do: a range of identifiers, or all that is awaited; and whether it is paused."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa

from db import sync_state
from db.identifiers import Due

_PAUSED = "history_paused"
# The search for work in a range looks at so many identifiers at a time.
_STRETCH = 20_000
# About a day's identifiers: some are published a day before or after their neighbours.
_MARGIN = 150


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
    """How many identifiers are due by now, expected ones and probes."""
    return int(conn.execute(_COUNT_OPEN, {"now": now}).scalar_one())


def count_unanswered(conn: sa.Connection, *, first: int, last: int) -> int:
    """How many identifiers of this range were last answered with an error, and may yet hide a release."""
    return int(conn.execute(_COUNT_UNANSWERED, {"first": first, "last": last}).scalar_one())


def count_expected_unanswered(conn: sa.Connection) -> int:
    """How many identifiers that must exist were last answered with an error."""
    return int(conn.execute(_COUNT_EXPECTED_UNANSWERED).scalar_one())


def range_of_days(conn: sa.Connection, first: date, last: date) -> tuple[int, int] | None:
    """The identifiers that were issued about these days; None when nothing is known to have been published then.

    Identifiers are issued roughly in the order of publication: where most of the first week's lie bounds the range
    below, and where most of the last week's lie bounds it above. A draft that was published years after its
    identifier was issued does not stretch it.
    """
    low, high = conn.execute(_RANGE_OF_DAYS, {"first": first, "last": last}).one()
    if low is None or high is None:
        return None
    return max(1, min(low, high) - _MARGIN), max(low, high) + _MARGIN


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

_COUNT_OPEN = sa.text(
    """
    SELECT
        (SELECT count(*) FROM tender_ids
        WHERE is_expected AND (state <> 'known' OR NOT is_present) AND (next_try_at IS NULL OR next_try_at <= :now))
        + (SELECT count(*) FROM tender_ids WHERE NOT is_expected AND state <> 'known' AND next_try_at <= :now)
    """
)

_COUNT_UNANSWERED = sa.text(
    """
    SELECT count(*) FROM tender_ids
    WHERE n BETWEEN :first AND :last AND state IN ('pending', 'failing') AND last_error IS NOT NULL
    """
)

_COUNT_EXPECTED_UNANSWERED = sa.text(
    """
    SELECT count(*) FROM tender_ids
    WHERE is_expected AND (state <> 'known' OR NOT is_present) AND state IN ('pending', 'failing')
        AND last_error IS NOT NULL
    """
)

_RANGE_OF_DAYS = sa.text(
    """
    WITH published AS (
        SELECT n, published_on AS day FROM tender_ids WHERE published_on BETWEEN :first AND :last AND is_expected
    ), ends AS (SELECT min(day) AS first, max(day) AS last FROM published)
    SELECT
        (SELECT percentile_disc(0.02) WITHIN GROUP (ORDER BY n) FROM published, ends WHERE day < ends.first + 7),
        (SELECT percentile_disc(0.98) WITHIN GROUP (ORDER BY n) FROM published, ends WHERE day > ends.last - 7)
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
