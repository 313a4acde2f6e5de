"""The tenders as open data: one page of a search, one tender, and what was ever published of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query

from app.dependencies import Reading
from db import tender_cursors, tender_reads, tender_search
from db.clock import iso

router = APIRouter(prefix="/api/tenders", tags=["tenders"])

Text = Annotated[str | None, Query(max_length=200)]


def filters(
    q: Text = None,
    province: Text = None,
    category: Text = None,
    buyer: Text = None,
    status: Text = None,
    lifecycle: Text = None,
    organ_of_state_type: Text = None,
    published_from: date | None = None,
    published_to: date | None = None,
    closing_before: date | None = None,
    closing_after: date | None = None,
) -> tender_search.Filters:
    """The search's parameters, as every form of it takes them."""
    return tender_search.Filters(
        q=q,
        province=province,
        category=category,
        buyer=buyer,
        status=status,
        lifecycle=lifecycle,
        organ_of_state_type=organ_of_state_type,
        published_from=published_from,
        published_to=published_to,
        closing_before=closing_before,
        closing_after=closing_after,
    )


@router.get("")
def search(
    connection: Reading,
    asked: Annotated[tender_search.Filters, Depends(filters)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Published tenders, the newest first. `next` is the cursor of the following page, or null."""
    try:
        page = tender_search.search(connection, asked, limit=limit, cursor=cursor)
    except tender_cursors.CursorError as problem:
        raise HTTPException(422, f"cursor: {problem}") from problem
    return {"tenders": page.tenders, "next": page.next}


@router.get("/{key}")
def one(connection: Reading, key: str) -> dict[str, Any]:
    """The tender with this ocid or slug."""
    found = tender_reads.one(connection, key)
    if found is None:
        raise HTTPException(404, f"There is no published tender {key}.")
    return found


@router.get("/{ocid}/history")
def history(connection: Reading, ocid: str) -> dict[str, Any]:
    """Every distinct release that was ever seen of the tender, oldest first."""
    if tender_reads.one(connection, ocid) is None:
        raise HTTPException(404, f"There is no published tender {ocid}.")
    return {
        "ocid": ocid,
        "releases": [
            {
                "releaseId": row.release_id,
                "date": row.date.isoformat() if row.date else None,
                "fetchedAt": iso(row.fetched_at),
                "release": tender_reads.body_of(row),
            }
            for row in tender_reads.history(connection, ocid)
        ],
    }
