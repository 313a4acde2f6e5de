"""A tender on its way into the database: one typed row, made by whoever knows the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from db.bodies import clean, encode
from db.tables import staged_tenders
from db.tender_columns import CONTENT, ORIGIN, STATE

_MADE = [name for name in (*CONTENT, *STATE, *ORIGIN) if name != "job_id"]
COLUMNS: list[sa.Column[Any]] = [staged_tenders.c[name] for name in ("ocid", "n", *_MADE, "documents")]
"""The columns that `values` fills, in its order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TenderRow:
    """What a tender should look like. `content` holds any of the columns that content determines.

    Equal `content_hash` means equal content: columns, documents and where each came from. `release_hash`,
    `release_fetched_at` and `row_hash` say of what the row was made; `portal_hash` is the portal's row at that
    time, used or not.
    """

    n: int
    ocid: str
    content: Mapping[str, Any]
    documents: Sequence[Mapping[str, Any]]
    slug: str
    lifecycle: str
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]
    content_hash: bytes
    release_hash: bytes | None
    release_fetched_at: datetime | None
    row_hash: bytes | None
    portal_hash: bytes | None
    enrichment_status: str
    enrichment_attempts: int
    enrichment_next_at: datetime | None
    enrichment_error: str | None
    enriched_at: datetime | None
    is_published: bool
    now: datetime


def values(tender: TenderRow) -> tuple[Any, ...]:
    """The row's values for `COLUMNS`. A column that no tender has is a mistake and raises KeyError."""
    unknown = tender.content.keys() - CONTENT.keys()
    if unknown:
        message = f"a tender has no column {', '.join(sorted(unknown))}"
        raise KeyError(message)
    content = tender.content
    return (
        tender.ocid,
        tender.n,
        *[_VALUE[name](content.get(name)) for name in CONTENT],
        clean(tender.slug),
        tender.lifecycle,
        tender.enrichment_status,
        tender.enrichment_attempts,
        tender.enrichment_next_at,
        None if tender.enrichment_error is None else clean(tender.enrichment_error[:500]),
        tender.enriched_at,
        tender.is_published,
        tender.now,
        tender.now,
        _json(tender.provenance),
        _json(tender.quality),
        tender.content_hash,
        tender.release_hash,
        tender.release_fetched_at,
        tender.row_hash,
        tender.portal_hash,
        _json(tender.documents),
    )


def _json(value: object) -> Jsonb:
    return encode(value).jsonb


def _text(value: Any) -> str | None:
    return None if value is None else clean(str(value))


def _first(length: int) -> Any:
    return lambda value: _text(None if value is None else str(value)[:length])


def _texts(value: Any) -> list[str] | None:
    return None if value is None else [clean(str(member)) for member in value]


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else value if isinstance(value, Decimal) else Decimal(str(value))


def _same(value: Any) -> Any:
    return value


def _reader(type_: Any) -> Any:
    if isinstance(type_, sa.ARRAY):
        return _texts
    if isinstance(type_, sa.Text):
        return _text
    if isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Integer):
        return _decimal
    return _same


# What PostgreSQL takes into a B-tree's entry and into the words to search for: one text over that, and nothing of the
# whole portion is saved. The release is kept as it came.
_LONGEST = {
    **dict.fromkeys(
        (
            "buyer_id",
            "buyer_name",
            "detailed_category",
            "main_category",
            "organ_of_state_type",
            "province",
            "status",
        ),
        500,
    ),
    **dict.fromkeys(("title", "display_title", "description"), 60_000),
}
_VALUE = {
    name: _first(_LONGEST[name]) if name in _LONGEST else _reader(type_) for name, type_ in CONTENT.items()
}
