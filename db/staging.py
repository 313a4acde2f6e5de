"""What a running job has found and not yet saved. A job's rows go when it has saved them, or with `discard`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from db import bodies, bulk
from db.tables import staged_tenders
from db.tender_rows import COLUMNS, TenderRow, values

JOB_TABLES = ("staged_releases", "staged_portal_rows", "staged_tenders", "job_tenders", "list_walks")
"""What jobs leave behind while they run; each table has a `job_id`."""


@dataclass(frozen=True, slots=True)
class FetchedRelease:
    """A release as it came; `content_hash` is over what it says, not over how it is written."""

    n: int
    ocid: str
    release_id: str | None
    date: date | None
    content_hash: bytes
    body: Any
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """What a tender is made of: the newest release that is known and the portal's row; at least one is there."""

    n: int
    release: Any
    release_hash: bytes | None
    release_fetched_at: datetime | None
    row: Any
    row_hash: bytes | None
    was_enriched: bool
    was_published: bool
    attempts: int


def stage(conn: sa.Connection, job_id: str, releases: Iterable[FetchedRelease]) -> None:
    """Keep fetched contents for this job; a later content of the same ocid replaces an earlier one, which is kept among
    the releases."""
    newest = {release.ocid: release for release in releases}
    if newest:
        conn.execute(_STAGE, _given(job_id, newest.values()))


def staged_hashes(conn: sa.Connection, job_id: str, numbers: Sequence[int]) -> dict[int, bytes]:
    """The content that this job has staged of each of these, where it has."""
    query = sa.text(
        "SELECT n, content_hash FROM staged_releases WHERE job_id = :job_id AND n = ANY(:numbers)"
    )
    rows = conn.execute(query, {"job_id": job_id, "numbers": list(numbers)})
    return {row.n: bytes(row.content_hash) for row in rows}


def keep_aside(conn: sa.Connection, job_id: str, releases: Sequence[FetchedRelease]) -> None:
    """Keep contents of which one or more cannot be right: none of them is staged, nor stays so."""
    unique = {(release.ocid, release.content_hash): release for release in releases}
    if unique:
        numbers = list({release.n for release in releases})
        conn.execute(_KEEP_ASIDE, _given(job_id, unique.values()))
        conn.execute(_KEEP_STAGED, {"job_id": job_id, "numbers": numbers})
        unstage(conn, job_id, numbers)


def _given(job_id: str, releases: Collection[FetchedRelease]) -> dict[str, Any]:
    encoded = [bodies.encode(release.body) for release in releases]
    return {
        "job_id": job_id,
        "ocids": [release.ocid for release in releases],
        "numbers": [release.n for release in releases],
        "release_ids": [release.release_id for release in releases],
        "dates": [release.date for release in releases],
        "hashes": [release.content_hash for release in releases],
        # As bytes they travel in binary; as texts, every quotation mark in them would be escaped.
        "bodies": [body.text for body in encoded],
        "exact": [body.exact for body in encoded],
        "times": [release.fetched_at for release in releases],
    }


def plan_changes(
    conn: sa.Connection, job_id: str, *, batch_size: int, limit: int, now: datetime
) -> dict[str, int]:
    """Plan what a sync makes anew: what it staged, what the portal changed, and what is due for enrichment.

    A batch has `batch_size` tenders, or more where there would be more than eight batches. What the portal
    shows is enriched first, and of that what has been due longest; what only waits goes before what was tried in vain.
    A tender without a release is made of its portal row alone and is in no batch.
    """
    return _plan(conn, _CHANGES, job_id=job_id, size=batch_size, limit=limit, now=now)


def plan_pending(
    conn: sa.Connection,
    job_id: str,
    *,
    batch_size: int,
    limit: int,
    first: date | None,
    last: date | None,
    now: datetime,
) -> dict[str, int]:
    """Plan the enrichment of what is not enriched and was published in these days, whenever it is due, and of what the
    portal changed.

    Without days: of what is due by now.
    """
    return _plan(conn, _PENDING, job_id=job_id, size=batch_size, limit=limit, first=first, last=last, now=now)


def plan_one(conn: sa.Connection, job_id: str, number: int) -> dict[str, int]:
    """Plan to make one tender anew, if there is anything to make it of."""
    return _plan(conn, _ONE, job_id=job_id, size=1, limit=1, number=number)


def _plan(conn: sa.Connection, wanted: str, *, job_id: str, **given: Any) -> dict[str, int]:
    conn.execute(sa.text("DELETE FROM job_tenders WHERE job_id = :job_id"), {"job_id": job_id})
    conn.execute(sa.text(_PLAN.format(wanted=wanted)), {"job_id": job_id, **given})
    row = conn.execute(_PLANNED, {"job_id": job_id}).one()
    return {"tenders": row.tenders, "batched": row.batched, "batches": row.batches}


def planned(conn: sa.Connection, job_id: str) -> int:
    """How many tenders the job has still to make and save; in the end, those of which none could be made."""
    return int(conn.execute(_PLANNED, {"job_id": job_id}).one().tenders)


def staged(conn: sa.Connection, job_id: str) -> int:
    """How many tenders the job has made and not saved yet."""
    statement = sa.select(sa.func.count()).where(staged_tenders.c.job_id == job_id)
    return int(conn.execute(statement).scalar_one())


def sources(conn: sa.Connection, job_id: str, *, batch: int | None, after: int, limit: int) -> list[Source]:
    """The next tenders of a batch, or (None) those of any batch that are not made, by their numbers."""
    rows = conn.execute(_SOURCES, {"job_id": job_id, "batch": batch, "after": after, "limit": limit})
    return [_source(row) for row in rows]


def staged_sources(conn: sa.Connection, job_id: str, *, limit: int) -> list[Source]:
    """Some tenders whose release the job has staged."""
    return [_source(row) for row in conn.execute(_STAGED_SOURCES, {"job_id": job_id, "limit": limit})]


def unstage(conn: sa.Connection, job_id: str, numbers: Sequence[int]) -> None:
    """These releases of the job are saved."""
    conn.execute(
        sa.text("DELETE FROM staged_releases WHERE job_id = :job_id AND n = ANY(:numbers)"),
        {"job_id": job_id, "numbers": list(numbers)},
    )


def sources_of(conn: sa.Connection, numbers: Sequence[int]) -> list[Source]:
    """The same for tenders named by number, from what is saved."""
    return [_source(row) for row in conn.execute(_SOURCES_OF, {"numbers": list(numbers)})]


def put_tenders(conn: sa.Connection, job_id: str, tenders: Iterable[TenderRow], *, batch: int | None) -> None:
    """Keep made tenders for this job's saving; those already there are replaced."""
    made = list(tenders)
    conn.execute(
        sa.text("DELETE FROM staged_tenders WHERE job_id = :job_id AND n = ANY(:numbers)"),
        {"job_id": job_id, "numbers": [tender.n for tender in made]},
    )
    columns = [staged_tenders.c.job_id, staged_tenders.c.batch, *COLUMNS]
    bulk.copy(conn, "staged_tenders", columns, ((job_id, batch, *values(tender)) for tender in made))


def discard(conn: sa.Connection, job_id: str) -> None:
    """Remove everything that this job still has staged; the contents that it fetched are kept among the releases."""
    conn.execute(_KEEP_STAGED, {"job_id": job_id, "numbers": None})
    for table in JOB_TABLES:
        conn.execute(sa.text(f"DELETE FROM {table} WHERE job_id = :job_id"), {"job_id": job_id})  # noqa: S608


def _source(row: sa.Row[Any]) -> Source:
    return Source(
        n=row.n,
        release=bodies.exact(row.release, row.release_exact),
        release_hash=row.release_hash,
        release_fetched_at=row.release_fetched_at,
        row_hash=row.row_hash,
        row=bodies.exact(row.portal, row.portal_exact),
        was_enriched=row.was_enriched,
        was_published=row.was_published,
        attempts=row.attempts,
    )


_FETCHED = """
    fetched AS (
        SELECT ocid, n, release_id, date, hash, CAST(convert_from(body, 'UTF8') AS jsonb) AS body, exact, fetched_at
        FROM unnest(
            CAST(:ocids AS text[]), CAST(:numbers AS bigint[]), CAST(:release_ids AS text[]), CAST(:dates AS date[]),
            CAST(:hashes AS bytea[]), CAST(:bodies AS bytea[]), CAST(:exact AS bytea[]),
            CAST(:times AS timestamptz[])
        ) AS r (ocid, n, release_id, date, hash, body, exact, fetched_at)
    )
"""
_RELEASES = "releases (ocid, release_id, date, content_hash, body, body_exact, fetched_at, job_id)"

_STAGE = sa.text(
    f"""
    WITH {_FETCHED}, replaced AS (
        INSERT INTO {_RELEASES}
        SELECT s.ocid, s.release_id, s.date, s.content_hash, s.body, s.body_exact, s.fetched_at, s.job_id
        FROM staged_releases AS s JOIN fetched AS f ON s.job_id = :job_id AND s.ocid = f.ocid
        WHERE s.content_hash <> f.hash
        ON CONFLICT (ocid, content_hash) DO NOTHING
    )
    INSERT INTO staged_releases AS s
        (job_id, ocid, n, release_id, date, content_hash, body, body_exact, fetched_at)
    SELECT :job_id, ocid, n, release_id, date, hash, body, exact, fetched_at FROM fetched
    ON CONFLICT (job_id, ocid) DO UPDATE SET
        release_id = excluded.release_id, date = excluded.date, content_hash = excluded.content_hash,
        body = excluded.body, body_exact = excluded.body_exact, fetched_at = excluded.fetched_at
    """  # noqa: S608 - constants
)

_KEEP_ASIDE = sa.text(
    f"""
    WITH {_FETCHED}
    INSERT INTO {_RELEASES}
    SELECT ocid, release_id, date, hash, body, exact, fetched_at, :job_id FROM fetched
    ON CONFLICT (ocid, content_hash) DO NOTHING
    """  # noqa: S608 - constants
)

_KEEP_STAGED = sa.text(
    f"""
    INSERT INTO {_RELEASES}
    SELECT ocid, release_id, date, content_hash, body, body_exact, fetched_at, job_id
    FROM staged_releases
    WHERE job_id = :job_id AND (CAST(:numbers AS bigint[]) IS NULL OR n = ANY(CAST(:numbers AS bigint[])))
    ON CONFLICT (ocid, content_hash) DO NOTHING
    """  # noqa: S608 - constants
)

_CHANGES = """
    SELECT n FROM staged_releases WHERE job_id = :job_id
    UNION
    SELECT n FROM portal_rows WHERE saved_hash IS NULL
    UNION
    (SELECT n FROM tenders
    WHERE enrichment_status <> 'enriched' AND enrichment_next_at <= :now
    ORDER BY enrichment_status <> 'pending', enrichment_next_at, n LIMIT :limit)
"""

_PENDING = """
    SELECT n FROM portal_rows WHERE saved_hash IS NULL
    UNION
    (SELECT n FROM tenders
    WHERE enrichment_status <> 'enriched' AND CASE
        WHEN CAST(:first AS date) IS NULL THEN enrichment_next_at <= :now
        ELSE published_at >= CAST(:first AS date)::timestamp AT TIME ZONE INTERVAL '+02:00'
            AND published_at < (CAST(:last AS date) + 1)::timestamp AT TIME ZONE INTERVAL '+02:00'
    END
    ORDER BY enrichment_status <> 'pending', enrichment_next_at, n LIMIT :limit)
"""

_ONE = """
    SELECT n FROM tender_ids AS i WHERE n = :number AND (
        EXISTS (SELECT FROM staged_releases AS s WHERE s.job_id = :job_id AND s.n = i.n)
        OR EXISTS (SELECT FROM tenders AS t WHERE t.n = i.n)
        OR EXISTS (SELECT FROM portal_rows AS p WHERE p.n = i.n)
    )
"""

_PLAN = """
    WITH wanted AS ({wanted}), ranked AS (
        SELECT w.n, r.n IS NOT NULL OR t.release_hash IS NOT NULL AS has_release,
            row_number() OVER (
                PARTITION BY r.n IS NOT NULL OR t.release_hash IS NOT NULL
                ORDER BY p.n IS NULL, t.enrichment_next_at NULLS LAST, w.n DESC
            ) AS place
        FROM wanted AS w
        LEFT JOIN staged_releases AS r ON r.job_id = :job_id AND r.n = w.n
        LEFT JOIN tenders AS t ON t.n = w.n
        LEFT JOIN portal_rows AS p ON p.n = w.n
    )
    INSERT INTO job_tenders (job_id, n, batch)
    SELECT :job_id, n,
        CASE WHEN has_release AND place <= :limit THEN (place - 1) / greatest(
            CAST(:size AS bigint),
            (SELECT count(*) FROM ranked AS all_of_it WHERE all_of_it.has_release) / 8 + 1
        ) + 1 END
    FROM ranked
"""

_PLANNED = sa.text(
    """
    SELECT count(*) AS tenders, count(batch) AS batched, coalesce(max(batch), 0) AS batches
    FROM job_tenders WHERE job_id = :job_id
    """
)

_SOURCE_COLUMNS = """
    p.body AS portal, p.body_exact AS portal_exact, p.row_hash,
    coalesce(t.enrichment_status = 'enriched', false) AS was_enriched,
    coalesce(t.is_published, false) AS was_published,
    coalesce(t.enrichment_attempts, 0) AS attempts
"""

_SOURCES = sa.text(
    f"""
    SELECT j.n,
        coalesce(s.body, r.body) AS release,
        CASE WHEN s.n IS NULL THEN r.body_exact ELSE s.body_exact END AS release_exact,
        coalesce(s.content_hash, t.release_hash) AS release_hash,
        coalesce(s.fetched_at, t.release_fetched_at) AS release_fetched_at,
        {_SOURCE_COLUMNS}
    FROM job_tenders AS j
    LEFT JOIN staged_releases AS s ON s.job_id = j.job_id AND s.n = j.n
    LEFT JOIN tenders AS t ON t.n = j.n
    LEFT JOIN releases AS r ON s.n IS NULL AND r.ocid = t.ocid AND r.content_hash = t.release_hash
    LEFT JOIN portal_rows AS p ON p.n = j.n
    WHERE j.job_id = :job_id AND j.n > :after AND CASE
        WHEN CAST(:batch AS integer) IS NOT NULL THEN j.batch = :batch
        ELSE NOT EXISTS (SELECT FROM staged_tenders AS m WHERE m.job_id = j.job_id AND m.n = j.n)
    END
    ORDER BY j.n
    LIMIT :limit
    """  # noqa: S608 - constants
)

_STAGED_SOURCES = sa.text(
    f"""
    SELECT s.n, s.body AS release, s.body_exact AS release_exact, s.content_hash AS release_hash,
        s.fetched_at AS release_fetched_at,
        {_SOURCE_COLUMNS}
    FROM staged_releases AS s
    LEFT JOIN tenders AS t ON t.n = s.n
    LEFT JOIN portal_rows AS p ON p.n = s.n
    WHERE s.job_id = :job_id
    ORDER BY s.n
    LIMIT :limit
    """  # noqa: S608 - constants
)

_SOURCES_OF = sa.text(
    f"""
    SELECT i.n, r.body AS release, r.body_exact AS release_exact, t.release_hash, t.release_fetched_at,
        {_SOURCE_COLUMNS}
    FROM unnest(CAST(:numbers AS bigint[])) AS i (n)
    LEFT JOIN tenders AS t ON t.n = i.n
    LEFT JOIN releases AS r ON r.ocid = t.ocid AND r.content_hash = t.release_hash
    LEFT JOIN portal_rows AS p ON p.n = i.n
    ORDER BY i.n
    """  # noqa: S608 - constants
)
