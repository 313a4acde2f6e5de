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
# A single identifier further away from all others than this is somebody's mistake, and no frontier.
_LONELY = 50_000
# About so many identifiers on either side of a published one are published within days of it.
_NEIGHBOURS = 50
_MOST_BETWEEN = 5_000
# What has failed more often than this is not asked for before its time even to see whether the host has recovered.
_HOPELESS_AFTER = 12


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
    # So often in a row has it been answered with an error.
    failures: int = 0


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
    top = highest(conn, job_id=job_id)
    if not top:
        return 0
    given = {"first": max(1, top - below), "last": top + above, "limit": limit, "now": now}
    return conn.execute(_FRONTIER, given).rowcount


def add_between(
    conn: sa.Connection, *, since: date, until: date, unless_over: int | None = None, now: datetime
) -> int:
    """Make probes of the unknown identifiers beside those that were published in these days; how many.

    Identifiers are issued roughly in order: one between two of this week's is a draft, or a tender of this week that
    the list lost and the open bucket shows no more. `unless_over`: none at all if there are more than so many.
    """
    given = {"since": since, "until": until, "near": _NEIGHBOURS, "most": _MOST_BETWEEN, "now": now}
    given["few"] = _MOST_BETWEEN if unless_over is None else unless_over
    return conn.execute(_ADD_BETWEEN, given).rowcount


def count_between(conn: sa.Connection, *, since: date, until: date) -> int:
    """How many probes `add_between` would make."""
    given = {"since": since, "until": until, "near": _NEIGHBOURS, "most": _MOST_BETWEEN}
    return int(conn.execute(_COUNT_BETWEEN, given).scalar_one())


def due(conn: sa.Connection, *, job_id: str, limit: int, now: datetime, eager: bool = False) -> list[Due]:
    """What a routine run should ask for now, the newest expected ones first, probes after them.

    What this job has staged already is left out, unless the portal's row changed after it was fetched. An `eager` one
    takes also what has failed a few times only, and a few of what keeps failing, before their time: the host may have
    recovered since.
    """
    given = {"job_id": job_id, "limit": limit, "now": now, "eager": eager}
    given |= {"failing": FAILING_AFTER, "hopeless": _HOPELESS_AFTER}
    return [Due(*row) for row in conn.execute(_DUE, given)]


def wake_failing(conn: sa.Connection, *, now: datetime) -> int:
    """The host has recovered: whatever kept failing is due. How many those are."""
    return conn.execute(_WAKE_FAILING, {"now": now}).rowcount


def doubt(conn: sa.Connection, numbers: Sequence[int], *, reason: str, now: datetime) -> None:
    """What is held of these may be wrong: they are to be asked for by ocid, at once."""
    conn.execute(_DOUBT, {"numbers": list(numbers), "reason": reason, "now": now})


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


def highest(conn: sa.Connection, *, job_id: str | None = None) -> int:
    """The highest identifier whose release is held, or staged by this job; 0 when there is none.

    A few that lie far above all others are not believed.
    """
    return int(conn.execute(_HIGHEST, {"job_id": job_id, "lonely": _LONELY}).scalar() or 0)


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

_HIGHEST = sa.text(
    """
    WITH high AS (
        (SELECT n FROM tender_ids WHERE is_expected AND release_hash IS NOT NULL ORDER BY n DESC LIMIT 20)
        UNION
        (SELECT n FROM staged_releases WHERE job_id = :job_id ORDER BY n DESC LIMIT 20)
    ), spaced AS (
        SELECT n, n - lead(n) OVER (ORDER BY n DESC) AS above FROM high
    )
    SELECT max(n) FROM spaced WHERE above IS NULL OR above <= :lonely
    """
)

_BETWEEN = """
    WITH recent AS (
        SELECT n, lead(n) OVER (ORDER BY n) AS following
        FROM tender_ids WHERE is_expected AND published_on BETWEEN :since AND :until
    ), near AS (
        SELECT generate_series(n + 1, least(following - 1, n + :near)) AS n FROM recent WHERE following > n + 1
        UNION
        SELECT generate_series(greatest(n + 1, following - :near), following - 1) FROM recent
        WHERE following > n + 1
    )
    SELECT n FROM near WHERE NOT EXISTS (SELECT FROM tender_ids AS t WHERE t.n = near.n)
    ORDER BY n DESC LIMIT :most
"""

_ADD_BETWEEN = sa.text(
    f"""
    WITH unknown AS MATERIALIZED ({_BETWEEN})
    INSERT INTO tender_ids (n, ocid, state, expected_by, first_expected_at, next_try_at)
    SELECT n, 'ocds-9t57fa-' || n, 'pending', 'between', :now, :now FROM unknown
    WHERE (SELECT count(*) FROM unknown) <= :few
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - a constant
)

_COUNT_BETWEEN = sa.text(f"SELECT count(*) FROM ({_BETWEEN}) AS b")  # noqa: S608 - a constant

_WAKE_FAILING = sa.text(
    """
    UPDATE tender_ids SET next_try_at = :now
    WHERE next_try_at > :now AND n IN (
        SELECT n FROM tender_ids
        WHERE is_expected AND (state <> 'known' OR NOT is_present) AND state = 'failing'
        UNION ALL
        SELECT n FROM tender_ids WHERE NOT is_expected AND state <> 'known' AND state = 'failing'
    )
    """
)

_DOUBT = sa.text(
    """
    UPDATE tender_ids SET state = 'pending', reason = :reason, attempts = 0, next_try_at = :now
    WHERE n = ANY(:numbers)
    """
)

_TIMELY = "(t.next_try_at IS NULL OR t.next_try_at <= :now)"

_OPEN = """
    t.is_expected AND (t.state <> 'known' OR NOT t.is_present)
    AND NOT EXISTS (
        SELECT FROM staged_releases AS s LEFT JOIN portal_rows AS p ON p.n = t.n
        WHERE s.job_id = :job_id AND s.ocid = t.ocid
            AND (
                p.n IS NULL OR p.changed_at <= s.fetched_at OR p.changed_at = p.first_seen_at OR p.changed_at > :now
            )
    )
"""

_DUE = sa.text(
    f"""
    (SELECT t.n, t.ocid, true, CASE WHEN t.last_error IS NULL THEN 0 ELSE t.attempts END FROM tender_ids AS t
    WHERE {_OPEN} AND ({_TIMELY} OR CAST(:eager AS boolean) AND (
        t.attempts < :failing OR t.n IN (
            SELECT f.n FROM tender_ids AS f
            WHERE f.is_expected AND (f.state <> 'known' OR NOT f.is_present) AND f.state = 'failing'
                AND f.attempts < :hopeless
            ORDER BY f.next_try_at LIMIT 3
        )
    ))
    ORDER BY t.n DESC LIMIT :limit)
    UNION ALL
    (SELECT t.n, t.ocid, false, CASE WHEN t.last_error IS NULL THEN 0 ELSE t.attempts END FROM tender_ids AS t
    WHERE NOT t.is_expected AND t.state <> 'known' AND t.next_try_at <= :now
        AND NOT EXISTS (SELECT FROM staged_releases AS s WHERE s.job_id = :job_id AND s.ocid = t.ocid)
    ORDER BY t.next_try_at LIMIT :limit)
    LIMIT :limit
    """  # noqa: S608 - both parts are constants
)

_COUNT_DUE = sa.text(f"SELECT count(*) FROM tender_ids AS t WHERE {_OPEN} AND {_TIMELY}")  # noqa: S608

# A shown tender's release follows soon. A draft may be published at any time: those at the frontier are likely to be,
# those of a history are not.
_HOLE = sa.text(
    """
    INSERT INTO tender_ids AS t (n, ocid, state, reason, expected_by, first_expected_at, attempts, next_try_at)
    VALUES (:n, :ocid, 'hole', 'the source has no such release', 'probe', :now, 1, :now + interval '30 days')
    ON CONFLICT (n) DO UPDATE SET
        state = CASE WHEN t.is_expected THEN 'pending' ELSE 'hole' END,
        reason = excluded.reason,
        attempts = t.attempts + 1,
        last_error = NULL,
        next_try_at = CAST(:now AS timestamptz) + CASE
            WHEN t.is_expected THEN least(interval '30 seconds' * power(2, least(t.attempts, 20)), interval '1 day')
            ELSE least(
                CASE t.expected_by
                    WHEN 'frontier' THEN interval '2 hours'
                    WHEN 'between' THEN interval '1 day'
                    ELSE interval '30 days'
                END * power(2, least(t.attempts, 20)),
                interval '60 days'
            )
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
