"""What a database holds about tenders, without the moments at which it came: two runs can be compared by it."""

from __future__ import annotations

from typing import Any

from db import bodies
from ocds.content import canonical_json
from tests.functions.conftest import World

_CONTENT = """
    SELECT ocid, slug, title, display_title, buyer_name, closing_at, lifecycle, enrichment_status, is_published,
        encode(content_hash, 'hex'), encode(release_hash, 'hex'), encode(row_hash, 'hex'), document_count
    FROM tenders ORDER BY ocid
"""
_DOCUMENTS = "SELECT ocid, position, id, title, url, source FROM tender_documents ORDER BY ocid, position"
_RELEASES = "SELECT ocid, encode(content_hash, 'hex') FROM releases ORDER BY 1, 2"
_LEDGER = """
    SELECT n, state, is_expected, is_present, published_on, encode(release_hash, 'hex') FROM tender_ids
    WHERE is_expected ORDER BY n
"""


def content(world: World) -> dict[str, Any]:
    """Tenders, documents, releases, ledger, cursor, and that nothing is left staged."""
    return {
        "tenders": world.rows(_CONTENT),
        "documents": world.rows(_DOCUMENTS),
        "releases": world.rows(_RELEASES),
        "ledger": world.rows(_LEDGER),
        "cursor": world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'"),
        "staged": [
            world.scalar(f"SELECT count(*) FROM {table}")
            for table in ("staged_releases", "staged_tenders", "staged_portal_rows", "job_tenders")
        ],
    }


def held_bodies(world: World) -> dict[str, Any]:
    """The release that is held of each tender, as the source said it."""
    query = (
        "SELECT r.ocid, r.body, r.body_exact FROM releases r JOIN tender_ids i"
        " ON i.ocid = r.ocid AND i.release_hash = r.content_hash"
    )
    return {ocid: bodies.exact(body, exact) for ocid, body, exact in world.rows(query)}


def unlike_served(world: World) -> list[str]:
    """The published tenders whose held release differs from what the stand-in serves, to the byte."""
    held = held_bodies(world)
    return [
        each["ocid"]
        for each in world.stand_in.truth()
        if canonical_json(held.get(each["ocid"])) != canonical_json(each["release"])
    ]
