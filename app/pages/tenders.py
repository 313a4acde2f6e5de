"""Tenders: the search, and one tender with where each field came from and how it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from app.dependencies import Reading
from app.opendata.asking import of_form
from app.opendata.differences import changes
from app.pages.templates import page
from db import console, tender_cursors, tender_reads, tender_search
from enrichment.quality import MOST

router = APIRouter(prefix="/admin/tenders", include_in_schema=False)

PAGE = 50


@router.get("")
def search(
    request: Request,
    connection: Reading,
    asked: Annotated[tender_search.Filters, Depends(of_form)],
    enrichment_status: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """All tenders, those that are not published yet included; the newest first."""
    wanted = replace(asked, published_only=False, enrichment_status=enrichment_status or None)
    try:
        found = tender_search.search(connection, wanted, limit=PAGE, cursor=cursor or None)
    except tender_cursors.CursorError as problem:
        raise HTTPException(422, str(problem)) from problem
    return page(
        request,
        "tenders.html",
        found=found,
        filters=wanted.given(),
        cursor=cursor,
        choices=console.choices(connection),
    )


@router.get("/{key}")
def one(request: Request, connection: Reading, key: str) -> HTMLResponse:
    """One tender by ocid or slug."""
    tender = tender_reads.one(connection, key, published_only=False)
    if tender is None:
        raise HTTPException(404, f"There is no tender {key}.")
    history = tender_reads.history(connection, tender["ocid"])
    return page(
        request,
        "tender.html",
        tender=tender,
        fields=_fields(tender),
        points=_points(tender["quality"] or {}),
        versions=_versions(history),
        identifier=console.identifier(connection, tender["ocid"]),
        touched=console.jobs_of_tender(connection, tender["ocid"]),
    )


_ASIDE = frozenset(
    {"ocid", "title", "display_title", "description", "provenance", "documents", "quality", "slug"}
)


def _fields(tender: dict[str, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    """Field, value and where it came from; fields without a value are left out."""
    provenance = tender["provenance"] or {}
    return [
        (name, value, provenance.get(name, {}))
        for name, value in tender.items()
        if name not in _ASIDE and value is not None
    ]


def _points(given: dict[str, int]) -> list[tuple[str, int, int]]:
    """Group, its points, and how many it can give, of the data-quality score."""
    return [(group, given[group], most) for group, most in MOST.items() if group in given]


def _versions(history: Any) -> list[dict[str, Any]]:
    """The versions, newest first, each with what it changed against the one before."""
    found: list[dict[str, Any]] = []
    before: Any = None
    for row in history:
        found.append(
            {
                "release_id": row.release_id,
                "fetched_at": row.fetched_at,
                "job_id": row.job_id,
                "changes": changes(before, row.body) if before is not None else None,
                "body": row.body,
            }
        )
        before = row.body
    return found[::-1]
