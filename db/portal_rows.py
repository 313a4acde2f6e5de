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
                "bodies": [body.text.decode() for _, body in changed],
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
    changed are to be fetched again. With `accepted`, rows that were not shown are marked gone. Returns how many
    rows changed.
    """
    given = {"job_id": job_id, "bucket": bucket, "now": now}
    changed = conn.execute(_UPSERT, given).rowcount
    if changed:
        conn.execute(_EXPECT, given)
        conn.execute(
            sa.text("DELETE FROM staged_portal_rows WHERE job_id = :job_id AND bucket = :bucket"), given
        )
    if accepted:
        conn.execute(_VANISH, {"bucket": bucket, "shown": list(shown), "now": now})
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


def doubted_counts(conn: sa.Connection, bucket: int, *, since: datetime) -> list[int]:
    """The sizes of the looks that were not believed since then, oldest first."""
    return list(
        conn.execute(
            sa.text(
                "SELECT row_count FROM portal_snapshots"
                " WHERE bucket = :bucket AND NOT accepted AND fetched_at >= :since ORDER BY fetched_at"
            ),
            {"bucket": bucket, "since": since},
        ).scalars()
    )


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
    SELECT :job_id, :bucket, n, ocid, hash, day, CAST(body AS jsonb), exact
    FROM unnest(
        CAST(:numbers AS bigint[]), CAST(:ocids AS text[]), CAST(:hashes AS bytea[]), CAST(:days AS date[]),
        CAST(:bodies AS text[]), CAST(:exact AS bytea[])
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

_VANISH = sa.text(
    """
    UPDATE portal_rows SET vanished_at = :now
    WHERE bucket = :bucket AND vanished_at IS NULL AND n <> ALL (CAST(:shown AS bigint[]))
    """
)
