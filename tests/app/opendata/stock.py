"""Tenders in a database: all captures, saved as the functions save them, and as many copies of them as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db import jobs, saving
from db.staging import FetchedRelease, Source
from db.tables import tenders
from enrichment.rows import read_row
from functions.making import Rules, make
from ocds.release import read
from tests.enrichment.captures import NOW, RAW_ROWS
from tests.ocds.captures import RELEASES

JOB = "01K0000000000000000000STCK"


def save_releases(
    engine: sa.Engine, raws: Sequence[dict[str, Any]], *, now: datetime = NOW, published: bool = True
) -> None:
    """Releases as a sync saves them that found no portal row."""
    _save(engine, [(raw, None) for raw in raws], now=now, published=published)


def save_captures(engine: sa.Engine, *, now: datetime = NOW) -> None:
    """Every captured release and every captured portal row; a tender has both where both were captured."""
    rows = {read_row(raw).number: raw for raw in RAW_ROWS}
    releases = {read(raw).number: raw for raw in RELEASES}
    numbers = sorted({*rows, *releases})
    _save(engine, [(releases.get(n), rows.get(n)) for n in numbers], now=now, published=True)


def _save(engine: sa.Engine, pairs: Sequence[tuple[Any, Any]], *, now: datetime, published: bool) -> None:
    fetched, made = [], []
    rules = Rules(now=now, enrich=True, require_enrichment=not published)
    for raw, row in pairs:
        release = None if raw is None else read(raw)
        number = release.number if release else read_row(row).number
        if release is not None:
            fetched.append(
                FetchedRelease(number, release.ocid, release.release_id, release.date, release.hash, raw, now)
            )
        source = Source(
            n=number,
            release=raw,
            release_hash=release.hash if release else None,
            release_fetched_at=now if release else None,
            row=row,
            row_hash=None if row is None else read_row(row).hash,
            was_enriched=False,
            was_published=False,
            attempts=0,
        )
        made.append(make(source, rules))
    with engine.begin() as connection:
        if jobs.get(connection, JOB) is None:
            jobs.create(
                connection,
                job_id=JOB,
                type="DELTA_SYNC",
                function_id="tender-sync",
                run_id=JOB,
                event_id=None,
                source="replay",
                triggered_by="manual",
                actor=None,
                parameters={},
                now=now,
            )
        saving.save(connection, job_id=JOB, step="save-to-database", fetched=fetched, made=made, now=now)


def multiply(engine: sa.Engine, *, total: int) -> None:
    """Copies the tenders, each set of copies 17 days older than the one before, until there are `total`."""
    names = [column.name for column in tenders.c if column.computed is None]
    given = {
        "n": "t.n + k * 300000",
        "ocid": "'ocds-9t57fa-' || (t.n + k * 300000)",
        "slug": "t.slug || '-' || k",
        "published_at": "t.published_at - k * interval '17 days'",
        "closing_at": "t.closing_at - k * interval '17 days'",
        "date": "t.date - CAST(k * 17 AS integer)",
        "first_seen_at": "t.first_seen_at - k * interval '17 days'",
        "last_changed_at": "t.last_changed_at - k * interval '17 days'",
        "lifecycle": "(ARRAY['closed', 'closed', 'closed', 'awarded', 'cancelled'])[1 + (t.n + k) % 5]",
    }
    values = ", ".join(given.get(name, f't."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    with engine.begin() as connection:
        have = connection.execute(sa.text("SELECT count(*) FROM tenders")).scalar_one()
        copies = {"sets": -(-total // have) - 1, "most": total - have}
        connection.execute(
            sa.text(
                f"INSERT INTO tenders ({columns}) SELECT {values} FROM generate_series(1, :sets) AS k"
                " CROSS JOIN tenders AS t ORDER BY k, t.n LIMIT :most"
            ),
            copies,
        )
        connection.execute(
            sa.text(
                "INSERT INTO tender_documents"
                " (ocid, position, id, title, url, format, date_published, date_modified, source)"
                " SELECT copy.ocid, d.position, d.id, d.title, d.url, d.format, d.date_published, d.date_modified,"
                " d.source FROM tenders AS copy JOIN tender_documents AS d"
                " ON d.ocid = 'ocds-9t57fa-' || (copy.n % 300000) WHERE copy.n > 300000"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE tenders"))
        connection.execute(sa.text("VACUUM ANALYZE tender_documents"))
