"""What should be there, what is, what is missing and why: in all, by day, by block of identifiers.

*Present*: its release is held. *Awaiting release*: saved from its portal row, the release still to come. *Missing*:
shown to exist, and neither. A day is complete when the list was walked to its end and the open bucket was
believed, both after the day was over, and nothing published on it is missing. Complete is what was proven then: a
tender that appears under the day's date later, and is missing, is shown and asked for, and takes nothing back.

Days are kept from the first one on that a routine sync asked for. What a manual window or a history lists of earlier
ones proves nothing about the stretch that the cursor measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from db import sync_state, tallies
from db.clock import SOUTH_AFRICA, iso

BLOCK = 1000
OPEN_BUCKET = 1


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over every identifier that something has shown to exist."""

    expected: int
    present: int
    missing: int
    awaiting_release: int

    def to_json(self) -> dict[str, int]:
        """CONTRACT's `coverage` of a job."""
        return {
            "expected": self.expected,
            "present": self.present,
            "missing": self.missing,
            "awaitingRelease": self.awaiting_release,
        }


def summary(conn: sa.Connection) -> Summary:
    """The whole database's coverage."""
    known, (missing, awaiting) = expected(conn), open_counts(conn)
    return Summary(
        expected=known, present=known - missing - awaiting, missing=missing, awaiting_release=awaiting
    )


def expected(conn: sa.Connection) -> int:
    """How many tenders something has shown to exist."""
    return tallies.read(conn, "expected")


def open_counts(conn: sa.Connection) -> tuple[int, int]:
    """How many tenders are missing, and how many are shown from the portal until their release comes."""
    row = conn.execute(_OPEN_COUNTS).one()
    return row.missing, row.awaiting


def mark_listed(conn: sa.Connection, first: date, last: date, *, routine: bool, now: datetime) -> None:
    """The list was walked to its believed end for these days."""
    conn.execute(_LISTED, {"first": first, "last": last, "routine": routine, "now": now})


def mark_unlisted(
    conn: sa.Connection, first: date, last: date, *, routine: bool, reason: str, now: datetime
) -> None:
    """What the list said of these days is not believed: the reason is shown, and the days are due again."""
    given = {"first": first, "last": last, "routine": routine, "reason": reason[:500], "now": now}
    conn.execute(_UNLISTED, given)


def known_in(conn: sa.Connection, first: date, last: date) -> int:
    """How many tenders are known to have been published in these days."""
    return int(conn.execute(_KNOWN_IN, {"first": first, "last": last}).scalar_one())


def judge_days(conn: sa.Connection, first: date, last: date, *, now: datetime) -> list[date]:
    """Decide for each of these days whether it is proven complete; those that are not, oldest first.

    An incomplete day is due again after a while that grows with the number of its walks. What was proven stays so.
    """
    today = now.astimezone(SOUTH_AFRICA).date()
    conn.execute(
        _JUDGE,
        {"first": first, "last": min(last, today - timedelta(days=1)), "now": now, "bucket": OPEN_BUCKET},
    )
    return list(
        conn.execute(
            sa.text(
                "SELECT day FROM coverage_days WHERE NOT complete AND day BETWEEN :first AND :last ORDER BY day"
            ),
            {"first": first, "last": last},
        ).scalars()
    )


def advance(conn: sa.Connection, start: date, *, now: datetime, job_id: str) -> date:
    """Move the cursor over the complete days that follow it without a gap; where it stands then.

    `start` is the day before the first one that has ever been asked for: where the cursor begins.
    """
    cursor = sync_state.cursor(conn) or start
    complete = conn.execute(
        sa.text("SELECT day FROM coverage_days WHERE complete AND day > :cursor ORDER BY day"),
        {"cursor": cursor},
    ).scalars()
    for day in complete:
        if day != cursor + timedelta(days=1):
            break
        cursor = day
    return sync_state.advance_cursor(conn, cursor, now=now, job_id=job_id)


def first_asked(conn: sa.Connection) -> date | None:
    """The first day that a routine sync has ever asked for."""
    found: date | None = conn.execute(sa.text("SELECT min(day) FROM coverage_days")).scalar()
    return found


def due_for_background(conn: sa.Connection, *, now: datetime) -> int:
    """How much a background run would soon find to do: releases to fetch and tenders to enrich."""
    return int(conn.execute(_DUE_FOR_BACKGROUND, {"now": now}).scalar_one())


def incomplete_days(conn: sa.Connection, *, due_by: datetime | None = None) -> list[date]:
    """The days that were asked for and are not proven complete; with `due_by`, those to be walked again by then."""
    return list(
        conn.execute(
            sa.text(
                "SELECT day FROM coverage_days WHERE NOT complete"
                " AND (CAST(:due AS timestamptz) IS NULL OR next_try_at IS NULL OR next_try_at <= :due)"
                " ORDER BY day"
            ),
            {"due": due_by},
        ).scalars()
    )


def asked_since(conn: sa.Connection, cursor: date) -> set[date]:
    """The days after the cursor that some sync has asked the list for, in vain or not."""
    return set(
        conn.execute(
            sa.text("SELECT day FROM coverage_days WHERE day > :cursor"), {"cursor": cursor}
        ).scalars()
    )


def days(conn: sa.Connection, *, first: date, last: date) -> list[dict[str, Any]]:
    """Each day of the range, newest first, with its counts and whether it is proven complete.

    `complete` is None for a day before the first one that was asked for: it is not part of what the cursor measures.
    """
    rows = conn.execute(_DAYS, {"first": first, "last": last})
    return [
        {
            "day": row.day.isoformat(),
            "expected": row.expected,
            "present": row.present,
            "awaitingRelease": row.awaiting,
            "missing": row.missing,
            "complete": row.complete,
            "completedAt": iso(row.completed_at),
            "listedAt": iso(row.listed_at),
            "reason": "it lies before the days that were asked for" if row.complete is None else row.reason,
            "nextTryAt": iso(row.next_try_at),
        }
        for row in rows
    ]


def blocks(conn: sa.Connection, *, below: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Blocks of a thousand identifiers that anything is known of, highest first: how many are expected, holes, failing,
    and not asked for yet. `below` is the first number of the last block of the page before."""
    top = conn.execute(sa.text("SELECT max(n) FROM tender_ids WHERE is_expected")).scalar()
    if top is None:
        return []
    last = top if below is None else min(top, below - 1)
    lowest = conn.execute(_LOWEST_BLOCK, {"last": last, "size": BLOCK, "limit": limit}).scalar()
    if lowest is None:
        return []
    lowest *= BLOCK
    rows = conn.execute(_BLOCKS, {"first": max(1, lowest), "last": last, "size": BLOCK}).mappings()
    return [
        {
            "from": row["block"] * BLOCK or 1,
            "to": min(row["block"] * BLOCK + BLOCK - 1, top),
            **{name: row[name] for name in _BLOCK_COUNTS},
            "unknown": min(row["block"] * BLOCK + BLOCK - 1, top)
            - (row["block"] * BLOCK or 1)
            + 1
            - row["asked"],
        }
        for row in rows
    ]


def missing(conn: sa.Connection, *, limit: int = 100, after: int | None = None) -> list[dict[str, Any]]:
    """Expected identifiers without their release, highest first: why, and when they are asked for next.

    `after` is the last number of the page before.
    """
    rows = conn.execute(_MISSING, {"limit": limit, "after": after})
    return [
        {
            "ocid": row.ocid,
            "n": row.n,
            "state": row.state,
            "awaitingRelease": row.is_present,
            "publishedOn": None if row.published_on is None else row.published_on.isoformat(),
            "reason": row.reason or "not fetched yet",
            "lastError": row.last_error,
            "attempts": row.attempts,
            "expectedBy": row.expected_by,
            "firstExpectedAt": iso(row.first_expected_at),
            "nextTryAt": iso(row.next_try_at),
        }
        for row in rows
    ]


def reasons(conn: sa.Connection) -> dict[str, int]:
    """How many identifiers are without a release, by why."""
    rows: Sequence[Any] = conn.execute(
        sa.text(
            "SELECT coalesce(reason, 'not fetched yet') AS reason, count(*) AS ids FROM tender_ids"
            " WHERE is_expected AND (state <> 'known' OR NOT is_present) AND release_hash IS NULL"
            " GROUP BY 1 ORDER BY 2 DESC"
        )
    ).all()
    return {row.reason: row.ids for row in rows}


def end_of(day: date) -> datetime:
    """The instant at which a South African day is over."""
    return datetime.combine(day + timedelta(days=1), time(), SOUTH_AFRICA)


_ASKED = """
    asked AS (
        SELECT g::date AS day
        FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS g
        WHERE EXISTS (SELECT FROM coverage_days AS c WHERE c.day = g::date) OR g::date > coalesce(
            (SELECT (value #>> '{}')::date FROM sync_state WHERE key = 'cursor'),
            CASE WHEN :routine THEN CAST('-infinity' AS date) END
        )
    )
"""

_LISTED = sa.text(
    f"""
    WITH {_ASKED}
    INSERT INTO coverage_days AS d (day, listed_at, walks) SELECT day, :now, 1 FROM asked
    ON CONFLICT (day) DO UPDATE SET listed_at = :now, walks = d.walks + 1
    """  # noqa: S608 - a constant
)

_UNLISTED = sa.text(
    f"""
    WITH {_ASKED}
    INSERT INTO coverage_days AS d (day, reason, next_try_at) SELECT day, :reason, :now FROM asked
    ON CONFLICT (day) DO UPDATE SET reason = :reason, next_try_at = :now, listed_at = NULL WHERE NOT d.complete
    """  # noqa: S608 - a constant
)

_KNOWN_IN = sa.text(
    "SELECT count(*) FROM tender_ids WHERE is_expected AND published_on BETWEEN :first AND :last"
)

_OPEN_COUNTS = sa.text(
    """
    SELECT count(*) FILTER (WHERE NOT is_present) AS missing,
        count(*) FILTER (WHERE is_present AND release_hash IS NULL) AS awaiting
    FROM tender_ids WHERE is_expected AND (state <> 'known' OR NOT is_present)
    """
)

_DUE_FOR_BACKGROUND = sa.text(
    """
    SELECT
        (SELECT count(*) FROM tender_ids
        WHERE is_expected AND (state <> 'known' OR NOT is_present) AND state <> 'failing'
            AND (next_try_at IS NULL OR next_try_at <= CAST(:now AS timestamptz) + interval '15 minutes'))
        + (SELECT count(*) FROM tenders WHERE enrichment_status = 'pending' AND enrichment_next_at <= :now)
    """
)

_JUDGE = sa.text(
    """
    WITH looked AS (
        SELECT max(fetched_at) AS at FROM portal_snapshots
        WHERE bucket = :bucket AND accepted AND fetched_at <= :now
    ), judged AS (
        SELECT d.day,
            (d.day + 1)::timestamp AT TIME ZONE INTERVAL '+02:00' AS over,
            d.listed_at,
            looked.at AS looked_at,
            (SELECT count(*) FROM tender_ids AS i
            WHERE i.published_on = d.day AND i.is_expected AND (i.state <> 'known' OR NOT i.is_present)
                AND NOT i.is_present) AS missing
        FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS g
        JOIN coverage_days AS d ON d.day = g
        CROSS JOIN looked
    ), verdict AS (
        SELECT day, CASE
            WHEN listed_at IS NULL OR listed_at < over OR listed_at > :now
                THEN 'the list was not walked since the day ended'
            WHEN looked_at IS NULL OR looked_at < over THEN 'the open bucket was not read since the day ended'
            WHEN missing > 0 THEN missing || ' tenders are missing'
        END AS reason
        FROM judged
    )
    UPDATE coverage_days AS d SET
        complete = d.complete OR v.reason IS NULL,
        completed_at = CASE WHEN d.complete THEN d.completed_at WHEN v.reason IS NULL THEN :now END,
        reason = CASE WHEN d.complete THEN v.reason || ' that appeared after it was complete' ELSE v.reason END,
        checked_at = :now,
        next_try_at = CASE WHEN v.reason IS NOT NULL AND NOT d.complete THEN
            CAST(:now AS timestamptz)
            + least(interval '20 minutes' * power(2, least(d.walks, 12)), interval '1 day')
        END
    FROM verdict AS v
    WHERE d.day = v.day AND (NOT d.complete OR v.reason IS NOT NULL OR d.reason IS NOT NULL)
    """
)

_DAYS = sa.text(
    """
    WITH counted AS (
        SELECT published_on AS day,
            count(*) AS expected,
            count(*) FILTER (WHERE release_hash IS NOT NULL) AS present,
            count(*) FILTER (WHERE release_hash IS NULL AND is_present) AS awaiting,
            count(*) FILTER (WHERE NOT is_present) AS missing
        FROM tender_ids
        WHERE is_expected AND published_on BETWEEN :first AND :last
        GROUP BY published_on
    )
    SELECT coalesce(c.day, d.day) AS day, coalesce(c.expected, 0) AS expected, coalesce(c.present, 0) AS present,
        coalesce(c.awaiting, 0) AS awaiting, coalesce(c.missing, 0) AS missing,
        d.complete, d.completed_at, d.listed_at, d.reason, d.next_try_at
    FROM counted AS c
    FULL JOIN (SELECT * FROM coverage_days WHERE day BETWEEN :first AND :last) AS d ON d.day = c.day
    ORDER BY 1 DESC
    """
)

_BLOCK_COUNTS = ("expected", "present", "awaitingRelease", "missing", "holes", "failing", "rejected", "asked")

# From block to block with one look-up each, however many numbers lie between them.
_LOWEST_BLOCK = sa.text(
    """
    WITH RECURSIVE found AS (
        SELECT max(n) / :size AS block, 1 AS place FROM tender_ids WHERE n <= :last
        UNION ALL
        SELECT (SELECT max(n) / :size FROM tender_ids WHERE n < found.block * :size), found.place + 1
        FROM found WHERE found.block IS NOT NULL AND found.place < :limit
    )
    SELECT min(block) FROM found
    """
)

_BLOCKS = sa.text(
    """
    SELECT n / :size AS block,
        count(*) FILTER (WHERE is_expected) AS expected,
        count(*) FILTER (WHERE release_hash IS NOT NULL) AS present,
        count(*) FILTER (WHERE is_present AND release_hash IS NULL) AS "awaitingRelease",
        count(*) FILTER (WHERE is_expected AND NOT is_present) AS missing,
        count(*) FILTER (WHERE state = 'hole') AS holes,
        count(*) FILTER (WHERE state = 'failing') AS failing,
        count(*) FILTER (WHERE state = 'rejected') AS rejected,
        count(*) AS asked
    FROM tender_ids WHERE n BETWEEN :first AND :last
    GROUP BY 1 ORDER BY 1 DESC
    """
)

_MISSING = sa.text(
    """
    SELECT * FROM tender_ids
    WHERE is_expected AND (state <> 'known' OR NOT is_present) AND release_hash IS NULL
        AND (CAST(:after AS bigint) IS NULL OR n < :after)
    ORDER BY n DESC LIMIT :limit
    """
)
