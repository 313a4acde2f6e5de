"""The ledger of identifiers: what must exist, how it stands, and when it is asked for next.

An identifier is *expected* when something has shown that the tender exists (a list, a bucket, a release); one
that was only probed is not. Nothing is ever removed from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

PREFIX = "ocds-9t57fa-"
FAILING_AFTER = 5
"""So many failed attempts in a row make an identifier *failing*: it is then asked for ever more rarely."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Evidence that a tender exists; `published_on` is its publication day where it is known."""

    n: int
    ocid: str
    published_on: date | None


@dataclass(frozen=True, slots=True)
class Due:
    """An identifier to ask for now."""

    n: int
    ocid: str
    # Something has shown that it exists; otherwise it is a probe, and an error says little about the host.
    expected: bool


def known_hashes(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    """The content that is held of each of these, where one is and nothing asks for a new look."""
    rows = conn.execute(
        sa.text(
            "SELECT n, release_hash FROM tender_ids"
            " WHERE n = ANY(:numbers) AND state = 'known' AND release_hash IS NOT NULL"
        ),
        {"numbers": list(numbers)},
    )
    return {row.n: bytes(row.release_hash) for row in rows}


def expect(conn: sa.Connection, sightings: Iterable[Sighting], *, by: str, now: datetime) -> int:
    """Take note of tenders that must exist; how many entries that changed. Nothing new, nothing written."""
    seen = {sighting.n: sighting for sighting in sightings}
    if not seen:
        return 0
    return conn.execute(
        _EXPECT,
        {
            "numbers": list(seen),
            "ocids": [sighting.ocid for sighting in seen.values()],
            "days": [sighting.published_on for sighting in seen.values()],
            "by": by,
            "now": now,
        },
    ).rowcount


def add_frontier(
    conn: sa.Connection, *, job_id: str, above: int, below: int, limit: int, now: datetime
) -> int:
    """Make probes of identifiers just above the highest whose release has come, and of unknown ones just below it.

    A release bears witness to its identifier; a row or a list's entry with an absurd one does not move the frontier.
    """
    top = conn.execute(_TOP, {"job_id": job_id}).scalar()
    if not top:
        return 0
    given = {"first": max(1, top - below), "last": top + above, "limit": limit, "now": now}
    return conn.execute(_FRONTIER, given).rowcount


def due(conn: sa.Connection, *, job_id: str, limit: int, now: datetime) -> list[Due]:
    """What a routine run should ask for now, the newest expected ones first, probes after them.

    What this job has staged already is left out, unless the portal's row changed after it was fetched.
    """
    rows = conn.execute(_DUE, {"job_id": job_id, "limit": limit, "now": now})
    return [Due(*row) for row in rows]


def count_due(conn: sa.Connection, *, job_id: str, now: datetime) -> int:
    """How many expected identifiers a routine run would still ask for."""
    return int(conn.execute(_COUNT_DUE, {"job_id": job_id, "now": now}).scalar_one())


def record_hole(conn: sa.Connection, n: int, *, ocid: str, now: datetime) -> None:
    """The source answered that there is no such release; it is asked again after a growing while."""
    conn.execute(_HOLE, {"n": n, "ocid": ocid, "now": now})


def record_failure(conn: sa.Connection, n: int, *, ocid: str, error: str, now: datetime) -> None:
    """The source did not answer properly; it is asked again after a growing while."""
    conn.execute(_FAILURE, {"n": n, "ocid": ocid, "error": error[:500], "now": now, "failing": FAILING_AFTER})


def record_rejected(conn: sa.Connection, n: int, *, ocid: str, reason: str, by: str, now: datetime) -> None:
    """The release was there and could not be read; it is asked for again after a growing while."""
    conn.execute(_REJECTED, {"n": n, "ocid": ocid, "reason": reason[:500], "by": by, "now": now})


def highest_expected(conn: sa.Connection) -> int:
    """The highest identifier that is known to exist; 0 when none is."""
    found = conn.execute(sa.text("SELECT max(n) FROM tender_ids WHERE is_expected")).scalar()
    return int(found or 0)


def get(conn: sa.Connection, n: int) -> dict[str, Any] | None:
    """One entry, for people."""
    row = conn.execute(sa.text("SELECT * FROM tender_ids WHERE n = :n"), {"n": n}).mappings().first()
    return None if row is None else dict(row)


_EXPECT = sa.text(
    """
    INSERT INTO tender_ids AS t (n, ocid, is_expected, expected_by, published_on, first_expected_at, next_try_at)
    SELECT n, ocid, true, :by, day, :now, :now
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:ocids AS text[]), CAST(:days AS date[])) AS s (n, ocid, day)
    ON CONFLICT (n) DO UPDATE SET
        is_expected = true,
        expected_by = CASE WHEN t.is_expected THEN t.expected_by ELSE excluded.expected_by END,
        published_on = coalesce(excluded.published_on, t.published_on),
        -- A hole that turns out to exist is asked for at once.
        next_try_at = CASE WHEN t.is_expected THEN t.next_try_at ELSE excluded.next_try_at END
    WHERE NOT t.is_expected OR (t.published_on IS NULL AND excluded.published_on IS NOT NULL)
    """
)

_FRONTIER = sa.text(
    """
    INSERT INTO tender_ids (n, ocid, state, expected_by, first_expected_at, next_try_at)
    SELECT g, 'ocds-9t57fa-' || g, 'pending', 'frontier', :now, :now
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS g
    WHERE g NOT IN (SELECT n FROM tender_ids WHERE n BETWEEN :first AND :last)
    ORDER BY g DESC
    LIMIT :limit
    ON CONFLICT DO NOTHING
    """
)

_TOP = sa.text(
    """
    SELECT greatest(
        (SELECT max(n) FROM tender_ids WHERE is_expected AND state = 'known'),
        (SELECT max(n) FROM staged_releases WHERE job_id = :job_id)
    )
    """
)

_OPEN = """
    t.is_expected AND (t.state <> 'known' OR NOT t.is_present)
    AND (t.next_try_at IS NULL OR t.next_try_at <= :now)
    AND NOT EXISTS (
        SELECT FROM staged_releases AS s LEFT JOIN portal_rows AS p ON p.n = t.n
        WHERE s.job_id = :job_id AND s.ocid = t.ocid
            AND (p.n IS NULL OR p.changed_at <= s.fetched_at OR p.changed_at = p.first_seen_at)
    )
"""

_DUE = sa.text(
    f"""
    (SELECT t.n, t.ocid, true FROM tender_ids AS t WHERE {_OPEN} ORDER BY t.n DESC LIMIT :limit)
    UNION ALL
    (SELECT t.n, t.ocid, false FROM tender_ids AS t
    WHERE NOT t.is_expected AND t.state <> 'known' AND t.next_try_at <= :now
        AND NOT EXISTS (SELECT FROM staged_releases AS s WHERE s.job_id = :job_id AND s.ocid = t.ocid)
    ORDER BY t.next_try_at LIMIT :limit)
    LIMIT :limit
    """  # noqa: S608 - both parts are constants
)

_COUNT_DUE = sa.text(f"SELECT count(*) FROM tender_ids AS t WHERE {_OPEN}")  # noqa: S608 - a constant

# A shown tender's release follows soon; a draft's may take months.
_HOLE = sa.text(
    """
    INSERT INTO tender_ids AS t (n, ocid, state, reason, expected_by, first_expected_at, attempts, next_try_at)
    VALUES (:n, :ocid, 'hole', 'the source has no such release', 'probe', :now, 1, :now + interval '2 hours')
    ON CONFLICT (n) DO UPDATE SET
        state = CASE WHEN t.is_expected THEN 'pending' ELSE 'hole' END,
        reason = excluded.reason,
        attempts = t.attempts + 1,
        last_error = NULL,
        next_try_at = CAST(:now AS timestamptz) + CASE
            WHEN t.is_expected THEN least(interval '30 seconds' * power(2, least(t.attempts, 20)), interval '1 day')
            ELSE least(interval '2 hours' * power(2, least(t.attempts, 20)), interval '60 days')
        END
    """
)

_FAILURE = sa.text(
    """
    INSERT INTO tender_ids AS t (
        n, ocid, state, reason, expected_by, first_expected_at, attempts, last_error, next_try_at
    )
    VALUES (
        :n, :ocid, 'pending', 'the source answered an error', 'probe', :now, 1, :error,
        CAST(:now AS timestamptz) + interval '10 seconds'
    )
    ON CONFLICT (n) DO UPDATE SET
        state = CASE WHEN t.attempts + 1 >= :failing THEN 'failing' ELSE 'pending' END,
        reason = excluded.reason,
        attempts = t.attempts + 1,
        last_error = excluded.last_error,
        next_try_at = CAST(:now AS timestamptz)
            + least(interval '10 seconds' * power(2, least(t.attempts, 20)), interval '7 days')
    """
)

_REJECTED = sa.text(
    """
    INSERT INTO tender_ids AS t (
        n, ocid, state, reason, is_expected, expected_by, first_expected_at, attempts, next_try_at
    )
    VALUES (
        :n, :ocid, 'rejected', :reason, true, :by, :now, 1, CAST(:now AS timestamptz) + interval '1 hour'
    )
    ON CONFLICT (n) DO UPDATE SET
        state = 'rejected',
        reason = excluded.reason,
        is_expected = true,
        attempts = t.attempts + 1,
        next_try_at = CAST(:now AS timestamptz)
            + least(interval '1 hour' * power(2, least(t.attempts, 20)), interval '7 days')
    """
)
