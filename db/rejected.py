"""Releases that the reader could not accept: kept whole, with the reason, and read again by a newer reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import bodies


@dataclass(frozen=True, slots=True)
class Rejected:
    """A release as it came and why it was not accepted; `ocid` is what it claimed."""

    content_hash: bytes
    ocid: str | None
    reason: str
    body: Any


def keep(
    conn: sa.Connection, rejected: Sequence[Rejected], *, reader_version: int, job_id: str, now: datetime
) -> None:
    """Note rejections; a content that this reader has rejected already is written again only when it was due."""
    unique = list({item.content_hash: item for item in rejected}.values())
    if not unique:
        return
    encoded = [bodies.encode(item.body) for item in unique]
    conn.execute(
        _KEEP,
        {
            "hashes": [item.content_hash for item in unique],
            "ocids": [None if item.ocid is None else bodies.clean(item.ocid) for item in unique],
            "reasons": [bodies.clean(item.reason)[:500] for item in unique],
            "bodies": [body.text.decode() for body in encoded],
            "exact": [body.exact for body in encoded],
            "version": reader_version,
            "job_id": job_id,
            "now": now,
        },
    )


def for_newer_reader(conn: sa.Connection, *, reader_version: int, limit: int) -> list[Rejected]:
    """Rejections by an older reader, to be read again."""
    rows = conn.execute(
        sa.text(
            "SELECT content_hash, ocid, reason, body, body_exact FROM rejected_releases"
            " WHERE resolved_at IS NULL AND reader_version <> :version ORDER BY first_rejected_at LIMIT :limit"
        ),
        {"version": reader_version, "limit": limit},
    )
    return [
        Rejected(bytes(row.content_hash), row.ocid, row.reason, bodies.exact(row.body, row.body_exact))
        for row in rows
    ]


def resolve(conn: sa.Connection, hashes: Sequence[bytes], *, now: datetime) -> None:
    """The reader accepts these contents now."""
    conn.execute(
        sa.text("UPDATE rejected_releases SET resolved_at = :now WHERE content_hash = ANY(:hashes)"),
        {"hashes": list(hashes), "now": now},
    )


_KEEP = sa.text(
    """
    INSERT INTO rejected_releases AS r (
        content_hash, ocid, reason, body, body_exact, reader_version, attempts,
        first_rejected_at, last_rejected_at, next_try_at, job_id
    )
    SELECT hash, ocid, reason, CAST(body AS jsonb), exact, :version, 1, :now, :now,
        CAST(:now AS timestamptz) + interval '1 hour', :job_id
    FROM unnest(
        CAST(:hashes AS bytea[]), CAST(:ocids AS text[]), CAST(:reasons AS text[]), CAST(:bodies AS text[]),
        CAST(:exact AS bytea[])
    ) AS s (hash, ocid, reason, body, exact)
    ON CONFLICT (content_hash) DO UPDATE SET
        reason = excluded.reason,
        reader_version = excluded.reader_version,
        attempts = r.attempts + 1,
        last_rejected_at = excluded.last_rejected_at,
        next_try_at = CAST(:now AS timestamptz)
            + least(interval '1 hour' * power(2, least(r.attempts, 20)), interval '7 days'),
        job_id = excluded.job_id
    WHERE r.next_try_at <= :now OR r.reader_version <> excluded.reader_version
    """
)
