"""The portal's buckets as last shown: what a bucket says now, what of it changed, and what is gone from it.

A bucket is read in chunks (`stage`) and counts as a whole (`settle`): only a whole look that is believed may say that
a row is gone. A row that is gone keeps its content; nothing is deleted or closed because a bucket went quiet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from db import bodies
from db.coverage import OPEN_BUCKET


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A readable row of a bucket; `row_hash` is over what it says."""

    n: int
    ocid: str
    row_hash: bytes
    published_on: date | None
    body: Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at a bucket, and whether it was believed."""

    bucket: int
    fetched_at: datetime
    row_count: int
    accepted: bool
    reason: str | None


def stage(conn: sa.Connection, job_id: str, bucket: int, rows: Sequence[BucketRow]) -> int:
    """Keep those rows of a chunk that are new, changed, or back; how many."""
    unique = list({row.n: row for row in rows}.values())
    same = {
        found.n
        for found in conn.execute(
            _SAME,
            {
                "numbers": [row.n for row in unique],
                "hashes": [row.row_hash for row in unique],
                "bucket": bucket,
            },
        )
    }
    changed = [(row, bodies.encode(row.body)) for row in unique if row.n not in same]
    if changed:
        conn.execute(
            _STAGE,
            {
                "job_id": job_id,
                "bucket": bucket,
                "numbers": [row.n for row, _ in changed],
                "ocids": [row.ocid for row, _ in changed],
                "hashes": [row.row_hash for row, _ in changed],
                "days": [row.published_on for row, _ in changed],
                "bodies": [body.text for _, body in changed],
                "exact": [body.exact for _, body in changed],
            },
        )
    return len(changed)


def settle(
    conn: sa.Connection,
    job_id: str,
    bucket: int,
    *,
    shown: Sequence[int],
    rejected: int,
    accepted: bool,
    reason: str | None,
    now: datetime,
) -> int:
    """End a look at a bucket: what was staged becomes current, its tenders are expected, and those whose row
    changed are to be fetched again. With `accepted`, rows that were not shown are marked gone; when that comes
    before the tender's closing time or at it, something happened to it, and it is fetched again as well. Returns how
    many rows changed.
    """
    given = {"job_id": job_id, "bucket": bucket, "now": now}
    changed = conn.execute(_UPSERT, given).rowcount
    if changed:
        conn.execute(_EXPECT, given)
        conn.execute(
            sa.text("DELETE FROM staged_portal_rows WHERE job_id = :job_id AND bucket = :bucket"), given
        )
    if accepted:
        conn.execute(_VANISH, {"bucket": bucket, "shown": list(shown), "now": now, "open": OPEN_BUCKET})
    conn.execute(
        sa.text(
            "INSERT INTO portal_snapshots (bucket, fetched_at, row_count, rejected, changed, accepted, reason, job_id)"
            " VALUES (:bucket, :now, :rows, :rejected, :changed, :accepted, :reason, :job_id)"
        ),
        given
        | {
            "rows": len(shown),
            "rejected": rejected,
            "changed": changed,
            "accepted": accepted,
            "reason": reason,
        },
    )
    return changed


def count_early(conn: sa.Connection, bucket: int, *, shown: Sequence[int], now: datetime) -> int:
    """How many of the bucket's rows are not among these although their tenders are still to close."""
    given = {"bucket": bucket, "shown": list(shown), "now": now}
    return int(conn.execute(_COUNT_EARLY, given).scalar_one())


def last_accepted(conn: sa.Connection, bucket: int) -> Snapshot | None:
    """The newest look at the bucket that was believed."""
    row = conn.execute(
        sa.text(
            "SELECT bucket, fetched_at, row_count, accepted, reason FROM portal_snapshots"
            " WHERE bucket = :bucket AND accepted ORDER BY fetched_at DESC LIMIT 1"
        ),
        {"bucket": bucket},
    ).first()
    return None if row is None else Snapshot(*row)


def doubted(conn: sa.Connection, bucket: int) -> list[tuple[datetime, int]]:
    """When the looks since the last believed one were, none of which was believed, and their sizes; oldest first."""
    rows = conn.execute(
        sa.text(
            "SELECT fetched_at, row_count FROM portal_snapshots WHERE bucket = :bucket AND fetched_at > coalesce("
            " (SELECT max(fetched_at) FROM portal_snapshots WHERE bucket = :bucket AND accepted), '-infinity')"
            " ORDER BY fetched_at"
        ),
        {"bucket": bucket},
    )
    return [(row.fetched_at, row.row_count) for row in rows]


_SAME = sa.text(
    """
    SELECT p.n
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:hashes AS bytea[])) AS s (n, hash)
    JOIN portal_rows AS p ON p.n = s.n
    WHERE p.row_hash = s.hash AND p.bucket = :bucket AND p.vanished_at IS NULL
    """
)

_STAGE = sa.text(
    """
    INSERT INTO staged_portal_rows AS s (job_id, bucket, n, ocid, row_hash, published_on, body, body_exact)
    SELECT :job_id, :bucket, n, ocid, hash, day, CAST(convert_from(body, 'UTF8') AS jsonb), exact
    FROM unnest(
        CAST(:numbers AS bigint[]), CAST(:ocids AS text[]), CAST(:hashes AS bytea[]), CAST(:days AS date[]),
        CAST(:bodies AS bytea[]), CAST(:exact AS bytea[])
    ) AS r (n, ocid, hash, day, body, exact)
    ON CONFLICT (job_id, bucket, n) DO UPDATE SET
        row_hash = excluded.row_hash, published_on = excluded.published_on,
        body = excluded.body, body_exact = excluded.body_exact
    """
)

# A tender that moved to another bucket changes there; the old bucket's look does not take it back.
_UPSERT = sa.text(
    """
    INSERT INTO portal_rows AS p (
        n, ocid, bucket, row_hash, body, body_exact, first_seen_at, changed_at, job_id
    )
    SELECT n, ocid, bucket, row_hash, body, body_exact, :now, :now, job_id
    FROM staged_portal_rows WHERE job_id = :job_id AND bucket = :bucket
    ON CONFLICT (n) DO UPDATE SET
        bucket = excluded.bucket,
        body = excluded.body,
        body_exact = excluded.body_exact,
        changed_at = CASE
            WHEN p.row_hash = excluded.row_hash AND p.bucket = excluded.bucket THEN p.changed_at
            ELSE excluded.changed_at
        END,
        -- A tender that moved between buckets is made anew even if its row says the same.
        saved_hash = CASE
            WHEN p.row_hash = excluded.row_hash AND p.bucket = excluded.bucket THEN p.saved_hash
        END,
        row_hash = excluded.row_hash,
        vanished_at = NULL,
        job_id = excluded.job_id
    """
)

_EXPECT = sa.text(
    """
    INSERT INTO tender_ids AS t (
        n, ocid, is_expected, expected_by, published_on, first_expected_at, next_try_at, reason
    )
    SELECT n, ocid, true, 'portal', published_on, :now, :now, 'not fetched yet'
    FROM staged_portal_rows WHERE job_id = :job_id AND bucket = :bucket
    ON CONFLICT (n) DO UPDATE SET
        is_expected = true,
        expected_by = CASE WHEN t.is_expected THEN t.expected_by ELSE 'portal' END,
        published_on = coalesce(t.published_on, excluded.published_on),
        state = 'pending',
        reason = CASE WHEN t.release_hash IS NULL THEN 'not fetched yet' ELSE 'its portal row changed' END,
        attempts = 0,
        next_try_at = :now
    WHERE t.portal_hash IS DISTINCT FROM (SELECT row_hash FROM portal_rows AS p WHERE p.n = t.n)
        OR NOT t.is_expected
    """
)

_GONE = """
    SELECT p.n, t.closing_at
    FROM portal_rows AS p LEFT JOIN tenders AS t ON t.n = p.n
    WHERE p.bucket = :bucket AND p.vanished_at IS NULL AND p.n <> ALL (CAST(:shown AS bigint[]))
"""

_COUNT_EARLY = sa.text(f"SELECT count(*) FROM ({_GONE}) AS gone WHERE closing_at > :now")  # noqa: S608 - a constant

_VANISH = sa.text(
    f"""
    WITH gone AS ({_GONE}), marked AS (
        UPDATE portal_rows AS p SET
            vanished_at = :now,
            changed_at = CASE
                WHEN p.bucket = :open AND gone.closing_at > CAST(:now AS timestamptz) - interval '1 day' THEN :now
                ELSE p.changed_at
            END
        FROM gone WHERE p.n = gone.n
        RETURNING p.n, p.changed_at = :now AS is_news
    )
    UPDATE tender_ids AS t SET
        state = 'pending', reason = 'it left the open bucket', attempts = 0, next_try_at = :now
    FROM marked WHERE t.n = marked.n AND marked.is_news AND t.state = 'known'
    """  # noqa: S608 - a constant
)
