"""What a sync leaves behind, without the moments at which it happened: two databases can be compared by it."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

# When and as which number something was first seen, saved or enriched differs between two runs that did the same.
_MOMENTS = {
    "first_seen_at",
    "last_changed_at",
    "enriched_at",
    "enrichment_next_at",
    "release_fetched_at",
    "provenance",
    "search",
    "content_hash",
    # A number that a transaction took with it when it was undone is not given again.
    "arrival",
}


def snapshot(url: str) -> dict[str, Any]:
    """Rows of every table that holds data, keyed by what they are about."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            columns = [
                column["name"]
                for column in sa.inspect(connection).get_columns("tenders")
                if column["name"] not in _MOMENTS and not column["name"].endswith("job_id")
            ]
            tenders = {
                row["ocid"]: dict(row)
                for row in connection.execute(sa.text(f"SELECT {', '.join(columns)} FROM tenders")).mappings()
            }
            provenance = {
                row.ocid: {
                    name: (origin["source"], origin["field"]) for name, origin in row.provenance.items()
                }
                for row in connection.execute(sa.text("SELECT ocid, provenance FROM tenders"))
            }
            documents = sorted(
                tuple(row)
                for row in connection.execute(sa.text("SELECT ocid, id, title, url FROM tender_documents"))
            )
            releases = sorted(
                (row.ocid, bytes(row.content_hash).hex())
                for row in connection.execute(sa.text("SELECT ocid, content_hash FROM releases"))
            )
            cursor = connection.execute(sa.text("SELECT value FROM sync_state WHERE key = 'cursor'")).scalar()
    finally:
        engine.dispose()
    return {
        "tenders": tenders,
        "provenance": provenance,
        "documents": documents,
        "releases": releases,
        "cursor": cursor,
    }


def fingerprint(url: str) -> str:
    """Changes whenever PostgreSQL wrote any tender row, even with the same values (xmin)."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT ocid, xmin::text FROM tenders ORDER BY ocid")).all()
    finally:
        engine.dispose()
    return hashlib.sha256(repr(rows).encode()).hexdigest()
