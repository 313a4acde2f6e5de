"""Saving: releases are appended, tenders are compared by hash, and only what differs is written.

Everything that belongs together happens in one transaction: the contents, the tenders made of them, the
ledger's entries and the job's counts. Running it again changes nothing and counts nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import bodies, bulk, jobs
from db.staging import FetchedRelease
from db.tables import releases, tender_documents, tender_ids, tenders
from db.tender_columns import CONTENT, ORIGIN, STATE
from db.tender_rows import COLUMNS, TenderRow, values

# One saver at a time: what is counted as added or changed is then exactly what was written, and tenders arrive in the
# order of the commits.
LOCK_NAME = "protenders.saving"
_LOCK = f"SELECT pg_advisory_xact_lock(hashtextextended('{LOCK_NAME}', 0))"


@dataclass(frozen=True, slots=True)
class Saved:
    """How many tenders one saving wrote, and how many it found as they should be."""

    tenders: int
    added: int
    updated: int


def save(
    conn: sa.Connection,
    *,
    job_id: str,
    step: str,
    fetched: Sequence[FetchedRelease],
    made: Sequence[TenderRow],
    now: datetime,
) -> Saved:
    """Save releases and the tenders made of them, straight from memory.

    Hashes first: what is held as it should be is not sent at all, what is new is copied into its place, and only
    what changed goes through a temporary table.
    """
    conn.execute(sa.text(_LOCK))
    _append_releases(conn, fetched, job_id=job_id)
    held = {row.ocid: row for row in conn.execute(_HELD, {"ocids": [tender.ocid for tender in made]})}
    new = [tender for tender in made if tender.ocid not in held]
    known = [tender for tender in made if tender.ocid in held and not _is_same(held[tender.ocid], tender)]
    _insert(conn, new, job_id=job_id)
    changed = Saved(len(made), len(new), 0)
    states = Counter(tender.enrichment_status for tender in new)
    if known:
        bulk.temporary_like(conn, "saving_tenders", COLUMNS)
        bulk.copy(conn, "saving_tenders", COLUMNS, (values(tender) for tender in known))
        counts = _upsert_changed(conn, job_id=job_id, now=now)
        conn.execute(sa.text("DROP TABLE saving_tenders, saving_changed"))
        changed = Saved(len(made), len(new) + counts["added"], counts["updated"])
        states.update({name: counts[name] for name in _STATES})
    bulk.temporary_like(conn, "saving_ledger", _LEDGER_COLUMNS)
    # A release of which no tender was made is kept, and still asked for.
    shown = {tender.n for tender in made}
    bulk.copy(
        conn,
        "saving_ledger",
        _LEDGER_COLUMNS,
        (
            (each.n, each.ocid, each.date, each.fetched_at, each.content_hash)
            for each in fetched
            if each.n in shown
        ),
    )
    bulk.temporary_like(conn, "saving_keys", _KEY_COLUMNS)
    bulk.copy(conn, "saving_keys", _KEY_COLUMNS, ((each.n, each.portal_hash) for each in made))
    _note(conn, job_id=job_id, step=step, saved=changed, states=states, now=now)
    return changed


def save_staged(conn: sa.Connection, *, job_id: str, step: str, limit: int, now: datetime) -> Saved | None:
    """Save the next staged tenders of a job with their releases, and unstage them; None when none is left."""
    given = {"job_id": job_id, "limit": limit}
    bulk.temporary_like(conn, "saving_tenders", COLUMNS)
    moved = conn.execute(_MOVE_TENDERS, given).rowcount
    if not moved:
        conn.execute(sa.text("DROP TABLE saving_tenders"))
        return None
    conn.execute(sa.text(_LOCK))
    bulk.temporary_like(conn, "saving_ledger", _LEDGER_COLUMNS)
    conn.execute(_MOVE_RELEASES, given)
    counts = _upsert_changed(conn, job_id=job_id, now=now)
    bulk.temporary_like(conn, "saving_keys", _KEY_COLUMNS)
    conn.execute(
        sa.text("INSERT INTO saving_keys (n, portal_hash) SELECT n, portal_hash FROM saving_tenders")
    )
    saved = Saved(moved, counts["added"], counts["updated"])
    _note(conn, job_id=job_id, step=step, saved=saved, states=counts, now=now)
    conn.execute(sa.text("DROP TABLE saving_tenders, saving_changed"))
    return saved


def close_passed(conn: sa.Connection, *, now: datetime) -> int:
    """Close the open tenders whose closing time has passed; how many."""
    return conn.execute(
        sa.text(
            "UPDATE tenders SET lifecycle = 'closed', last_changed_at = :now"
            " WHERE lifecycle = 'open' AND closing_at < :now"
        ),
        {"now": now},
    ).rowcount


def _append_releases(conn: sa.Connection, fetched: Sequence[FetchedRelease], *, job_id: str) -> None:
    ocids = [release.ocid for release in fetched]
    held = {(row.ocid, bytes(row.content_hash)) for row in conn.execute(_HELD_RELEASES, {"ocids": ocids})}
    unique = {(release.ocid, release.content_hash): release for release in fetched}
    missing = [release for key, release in unique.items() if key not in held]
    bulk.copy(conn, "releases", _RELEASE_COLUMNS, (_release(release, job_id) for release in missing))


def _is_same(held: sa.Row[Any], tender: TenderRow) -> bool:
    return (
        bytes(held.content_hash) == tender.content_hash
        and held.lifecycle == tender.lifecycle
        and held.release_hash == tender.release_hash
        and held.row_hash == tender.row_hash
        and held.enrichment_status == tender.enrichment_status
        and held.enrichment_attempts == tender.enrichment_attempts
        and held.enrichment_next_at == tender.enrichment_next_at
        and (held.is_published or not tender.is_published)
    )


def _insert(conn: sa.Connection, new: Sequence[TenderRow], *, job_id: str) -> None:
    """Copy tenders that are not there into their place, with their documents."""
    # A slug that ends in the tender's own number can be nobody else's.
    shared = [tender.slug for tender in new if not tender.slug.endswith(f"-{tender.n}")]
    taken: set[str] = set()
    if shared:
        query = sa.text("SELECT slug FROM tenders WHERE slug = ANY(:slugs)")
        taken.update(conn.execute(query, {"slugs": shared}).scalars())

    def rows() -> Iterator[tuple[object, ...]]:
        # Made while the server takes in those before.
        for tender in new:
            slug = f"{tender.slug}-{tender.n}" if tender.slug in taken else tender.slug
            taken.add(slug)
            yield (job_id, *values(tender if slug == tender.slug else replace(tender, slug=slug))[:-1])

    bulk.copy(conn, "tenders", [tenders.c.job_id, *COLUMNS[:-1]], rows())
    bulk.copy(
        conn,
        "tender_documents",
        _DOCUMENT_COLUMNS,
        (
            (tender.ocid, position, *[_text(document.get(name)) for name in _DOCUMENT_NAMES])
            for tender in new
            for position, document in enumerate(tender.documents)
        ),
    )


def _text(value: Any) -> str | None:
    # Most are plain, and there are many of them.
    if value is None or (type(value) is str and value.isascii() and "\x00" not in value):
        return value
    return bodies.clean(str(value))


def _upsert_changed(conn: sa.Connection, *, job_id: str, now: datetime) -> Counter[str]:
    """Write what differs of `saving_tenders`; what that came to."""
    given = {"job_id": job_id, "now": now}
    conn.execute(_FIND_CHANGED, given)
    counts = Counter(dict(conn.execute(_COUNT_CHANGED).mappings().one()))
    if counts["written"]:
        conn.execute(_UPSERT, given)
        conn.execute(_DROP_DOCUMENTS)
        conn.execute(_ADD_DOCUMENTS)
    return counts


def _note(
    conn: sa.Connection,
    *,
    job_id: str,
    step: str,
    saved: Saved,
    states: Counter[str],
    now: datetime,
) -> None:
    """Bring the ledger, the portal's rows, the rejections and the job's counts up to what was saved."""
    given = {"now": now}
    conn.execute(_LEDGER_OF_RELEASES, given)
    conn.execute(_LEDGER_OF_ROWS)
    conn.execute(_ROWS_SAVED)
    conn.execute(_RESOLVE_REJECTED, given)
    conn.execute(sa.text("DROP TABLE saving_ledger, saving_keys"))
    jobs.add_effect(
        conn,
        job_id,
        step,
        processed=saved.tenders,
        added=saved.added,
        updated=saved.updated,
        enriched=states["enriched"],
        enrichment_failed=states["failed"],
        enrichment_pending=states["pending"] + states["not_listed"],
    )


_STATES = ("enriched", "failed", "pending", "not_listed")
_RELEASE_COLUMNS = [
    *(releases.c[name] for name in ("ocid", "release_id", "date", "content_hash", "body", "body_exact")),
    releases.c.fetched_at,
    releases.c.job_id,
]
_LEDGER_COLUMNS = [
    tender_ids.c.n,
    tender_ids.c.ocid,
    releases.c.date,
    releases.c.fetched_at,
    releases.c.content_hash,
]
_KEY_COLUMNS = [tenders.c.n, tenders.c.portal_hash]
_DOCUMENT_NAMES = ("id", "title", "url", "format", "date_published", "date_modified", "source")
_DOCUMENT_COLUMNS = [tender_documents.c[name] for name in ("ocid", "position", *_DOCUMENT_NAMES)]


def _release(release: FetchedRelease, job_id: str) -> tuple[object, ...]:
    body = bodies.encode(release.body)
    return (
        release.ocid,
        _text(release.release_id),
        release.date,
        release.content_hash,
        body.jsonb,
        body.exact,
        release.fetched_at,
        job_id,
    )


_HELD = sa.text(
    """
    SELECT ocid, content_hash, lifecycle, release_hash, row_hash, enrichment_status, enrichment_attempts,
        enrichment_next_at, is_published
    FROM tenders WHERE ocid = ANY(:ocids)
    """
)

_HELD_RELEASES = sa.text("SELECT ocid, content_hash FROM releases WHERE ocid = ANY(:ocids)")

_NAMES = ", ".join(f'"{column.name}"' for column in COLUMNS)

_MOVE_TENDERS = sa.text(
    f"""
    WITH moved AS (
        DELETE FROM staged_tenders WHERE job_id = :job_id AND n IN (
            SELECT n FROM staged_tenders WHERE job_id = :job_id ORDER BY n LIMIT :limit
        ) RETURNING {_NAMES}
    ), done AS (
        -- A repeated attempt must not make again what is saved.
        DELETE FROM job_tenders AS j USING moved AS m WHERE j.job_id = :job_id AND j.n = m.n
    )
    INSERT INTO saving_tenders ({_NAMES}) SELECT {_NAMES} FROM moved
    """  # noqa: S608 - constants
)

_MOVE_RELEASES = sa.text(
    """
    WITH moved AS (
        DELETE FROM staged_releases AS r USING saving_tenders AS s
        WHERE r.job_id = :job_id AND r.ocid = s.ocid
        RETURNING r.ocid, r.release_id, r.date, r.content_hash, r.body, r.body_exact, r.fetched_at, r.n
    ), appended AS (
        INSERT INTO releases (ocid, release_id, date, content_hash, body, body_exact, fetched_at, job_id)
        SELECT ocid, release_id, date, content_hash, body, body_exact, fetched_at, :job_id FROM moved
        ON CONFLICT (ocid, content_hash) DO NOTHING
    )
    INSERT INTO saving_ledger (n, ocid, date, fetched_at, content_hash)
    SELECT n, ocid, date, fetched_at, content_hash FROM moved
    """
)

# What was made of an older content than the tender shows, or of a row alone when the tender has a release by
# now, is left alone.
_FIND_CHANGED = sa.text(
    """
    CREATE TEMPORARY TABLE saving_changed ON COMMIT DROP AS
    SELECT s.ocid, t.ocid IS NULL AS is_new,
        s.enrichment_status,
        t.enrichment_status IS DISTINCT FROM s.enrichment_status AS is_new_status,
        t.content_hash IS DISTINCT FROM s.content_hash OR t.lifecycle IS DISTINCT FROM s.lifecycle AS differs
    FROM saving_tenders AS s LEFT JOIN tenders AS t ON t.ocid = s.ocid
    WHERE t.ocid IS NULL OR (
        (
            t.release_fetched_at IS NULL OR s.release_fetched_at >= t.release_fetched_at
            OR t.release_fetched_at > CAST(:now AS timestamptz) + interval '1 hour'
        )
        AND (
            t.content_hash <> s.content_hash
            OR t.lifecycle <> s.lifecycle
            OR t.release_hash IS DISTINCT FROM s.release_hash
            OR t.row_hash IS DISTINCT FROM s.row_hash
            OR t.enrichment_status <> s.enrichment_status
            OR t.enrichment_attempts <> s.enrichment_attempts
            OR t.enrichment_next_at IS DISTINCT FROM s.enrichment_next_at
            OR (s.is_published AND NOT t.is_published)
        )
    )
    """
)

_COUNT_CHANGED = sa.text(
    """
    SELECT count(*) AS written,
        count(*) FILTER (WHERE is_new) AS added,
        count(*) FILTER (WHERE differs AND NOT is_new) AS updated,
        count(*) FILTER (WHERE enrichment_status = 'enriched' AND is_new_status) AS enriched,
        count(*) FILTER (WHERE enrichment_status = 'failed') AS failed,
        count(*) FILTER (WHERE enrichment_status = 'pending') AS pending,
        count(*) FILTER (WHERE enrichment_status = 'not_listed') AS not_listed
    FROM saving_changed
    """
)

_KEPT = {"first_seen_at", "slug", "job_id", "is_published", "last_changed_at", "enriched_at"}
_WRITTEN = [name for name in (*CONTENT, *STATE, *ORIGIN) if name != "job_id"]
_TAKEN = ", ".join(f'"{name}" = excluded."{name}"' for name in _WRITTEN if name not in _KEPT)
_INSERTED = ", ".join(f'"{name}"' for name in ("ocid", "n", *_WRITTEN))
_SELECTED = ", ".join(
    "CASE WHEN row_number() OVER (PARTITION BY s.slug ORDER BY s.n) > 1 OR EXISTS ("
    "SELECT FROM tenders AS other WHERE other.slug = s.slug AND other.ocid <> s.ocid"
    ") THEN s.slug || '-' || s.n ELSE s.slug END"
    if name == "slug"
    else f's."{name}"'
    for name in ("ocid", "n", *_WRITTEN)
)

_UPSERT = sa.text(
    f"""
    INSERT INTO tenders AS t ({_INSERTED}, job_id)
    SELECT {_SELECTED}, :job_id FROM saving_tenders AS s JOIN saving_changed AS c ON c.ocid = s.ocid
    ON CONFLICT (ocid) DO UPDATE SET
        {_TAKEN},
        is_published = t.is_published OR excluded.is_published,
        arrival = CASE WHEN excluded.is_published AND NOT t.is_published THEN excluded.arrival ELSE t.arrival END,
        enriched_at = coalesce(excluded.enriched_at, t.enriched_at),
        last_changed_at = CASE
            WHEN t.content_hash <> excluded.content_hash OR t.lifecycle <> excluded.lifecycle
                OR (excluded.is_published AND NOT t.is_published)
            THEN excluded.last_changed_at ELSE t.last_changed_at
        END,
        job_id = excluded.job_id
    """  # noqa: S608 - constants
)

_DROP_DOCUMENTS = sa.text(
    """
    DELETE FROM tender_documents AS d USING saving_changed AS c
    WHERE d.ocid = c.ocid AND c.differs AND NOT c.is_new
    """
)

_ADD_DOCUMENTS = sa.text(
    """
    INSERT INTO tender_documents (
        ocid, position, id, title, url, format, date_published, date_modified, source
    )
    SELECT s.ocid, d.place - 1, d.file ->> 'id', d.file ->> 'title', d.file ->> 'url', d.file ->> 'format',
        d.file ->> 'date_published', d.file ->> 'date_modified', d.file ->> 'source'
    FROM saving_tenders AS s
    JOIN saving_changed AS c ON c.ocid = s.ocid AND c.differs
    CROSS JOIN LATERAL jsonb_array_elements(s.documents) WITH ORDINALITY AS d (file, place)
    """
)

# A row that changed after the release was fetched asks for another look at once. A row that was new does not: it and
# the release were published together, and the next refresh makes sure that they still say the same.
_LEDGER_OF_RELEASES = sa.text(
    """
    INSERT INTO tender_ids AS i (
        n, ocid, state, is_expected, expected_by, is_present, published_on, first_expected_at, fetched_at,
        release_hash, portal_hash, refresh_at
    )
    SELECT s.n, s.ocid, 'known', true, 'release', true, s.date, :now, s.fetched_at, s.content_hash, p.row_hash,
        CASE WHEN p.changed_at > s.fetched_at THEN CAST(:now AS timestamptz) + interval '1 hour' END
    FROM saving_ledger AS s LEFT JOIN portal_rows AS p ON p.n = s.n
    ON CONFLICT (n) DO UPDATE SET
        state = CASE WHEN (
            SELECT p.changed_at > excluded.fetched_at AND p.changed_at > p.first_seen_at AND p.changed_at <= :now
            FROM portal_rows AS p WHERE p.n = i.n
        ) THEN 'pending' ELSE 'known' END,
        reason = NULL,
        is_expected = true,
        expected_by = CASE WHEN i.is_expected THEN i.expected_by ELSE 'release' END,
        is_present = true,
        published_on = coalesce(excluded.published_on, i.published_on),
        attempts = 0,
        next_try_at = NULL,
        last_error = NULL,
        fetched_at = excluded.fetched_at,
        release_hash = excluded.release_hash,
        portal_hash = excluded.portal_hash,
        refresh_at = coalesce(excluded.refresh_at, i.refresh_at)
    WHERE i.fetched_at IS NULL OR i.fetched_at <= excluded.fetched_at
        OR i.fetched_at > CAST(:now AS timestamptz) + interval '1 hour'
    """
)

_LEDGER_OF_ROWS = sa.text(
    """
    UPDATE tender_ids AS i SET is_present = true
    FROM saving_keys AS s WHERE i.n = s.n AND NOT i.is_present
    """
)

_ROWS_SAVED = sa.text(
    """
    UPDATE portal_rows AS p SET saved_hash = s.portal_hash
    FROM saving_keys AS s
    WHERE p.n = s.n AND p.row_hash = s.portal_hash AND p.saved_hash IS DISTINCT FROM s.portal_hash
    """
)

_RESOLVE_REJECTED = sa.text(
    """
    UPDATE rejected_releases AS r SET resolved_at = :now
    FROM saving_ledger AS s WHERE r.ocid = s.ocid AND r.resolved_at IS NULL
    """
)
