"""The columns of a tender, once: `tenders` and `staged_tenders` are made from the same list."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from db.metadata import JSONB, Instant

# Columns that content determines: what `DerivedTender.columns` may carry.
CONTENT: dict[str, Any] = {
    "release_id": sa.Text(),
    "date": sa.Date(),
    "tag": pg.ARRAY(sa.Text()),
    "buyer_id": sa.Text(),
    "buyer_name": sa.Text(),
    "title": sa.Text(),
    "display_title": sa.Text(),
    "description": sa.Text(),
    "main_category": sa.Text(),
    "status": sa.Text(),
    "published_at": Instant,
    "updated_at": Instant,
    "closing_at": Instant,
    "tender_type": sa.Text(),
    "tender_type_category": sa.Text(),
    "province": sa.Text(),
    "city": sa.Text(),
    "district": sa.Text(),
    "delivery_location": sa.Text(),
    "special_conditions": sa.Text(),
    "contact_person": sa.Text(),
    "contact_email": sa.Text(),
    "contact_telephone": sa.Text(),
    "briefing_at": Instant,
    "briefing_venue": sa.Text(),
    "briefing_meeting_link": sa.Text(),
    "briefing_meeting_id": sa.Text(),
    "briefing_meeting_passcode": sa.Text(),
    "has_briefing": sa.Boolean(),
    "briefing_compulsory": sa.Boolean(),
    "detailed_category": sa.Text(),
    "organ_of_state_type": sa.Text(),
    "municipality_type": sa.Text(),
    "department_level": sa.Text(),
    "has_e_submission": sa.Boolean(),
    "two_envelope": sa.Boolean(),
    "validity_days": sa.Integer(),
    "estimated_value_min": sa.Numeric(),
    "estimated_value_max": sa.Numeric(),
    "award_supplier": sa.Text(),
    "award_amount": sa.Numeric(),
    "document_count": sa.Integer(),
    "data_quality_score": sa.SmallInteger(),
}

# What the platform itself knows about the tender.
STATE: dict[str, Any] = {
    "slug": sa.Text(),
    "lifecycle": sa.Text(),
    "enrichment_status": sa.Text(),
    "enrichment_attempts": sa.Integer(),
    "enrichment_next_at": Instant,
    "enrichment_error": sa.Text(),
    "enriched_at": Instant,
    "is_published": sa.Boolean(),
    "first_seen_at": Instant,
    "last_changed_at": Instant,
    "provenance": JSONB,
    "quality": JSONB,
}

# Of what the row was made: equal hashes mean that there is nothing to write.
ORIGIN: dict[str, Any] = {
    "content_hash": sa.LargeBinary(),
    "release_hash": sa.LargeBinary(),
    "release_fetched_at": Instant,
    "row_hash": sa.LargeBinary(),
    # The portal's row as it was then, whether or not the tender could use it.
    "portal_hash": sa.LargeBinary(),
    "job_id": sa.Text(),
}

_REQUIRED = frozenset(
    {
        "slug",
        "lifecycle",
        "enrichment_status",
        "is_published",
        "first_seen_at",
        "last_changed_at",
        "content_hash",
    }
)
_DEFAULTS = {"enrichment_attempts": "0", "provenance": "'{}'::jsonb", "quality": "'{}'::jsonb"}


def tender_columns(*, staged: bool = False) -> list[sa.Column[Any]]:
    """The columns, in one order for both tables. A staged tender may lack what saving fills in."""
    columns: list[sa.Column[Any]] = [
        sa.Column("ocid", sa.Text, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
    ]
    for name, type_ in {**CONTENT, **STATE, **ORIGIN}.items():
        if staged and name == "job_id":
            continue
        default = None if staged else _DEFAULTS.get(name)
        columns.append(
            sa.Column(
                name,
                type_,
                nullable=staged or not (name in _REQUIRED or default is not None),
                server_default=sa.text(default) if default is not None else None,
            )
        )
    return columns
