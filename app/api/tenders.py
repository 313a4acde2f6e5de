"""The tenders as open data: a page of a search, one tender, what was ever published of it, and all of them as files."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from app.dependencies import Reading, TheRuntime
from app.opendata import described, models
from app.opendata.asking import Asked, AskedPage, fault, once_each
from app.opendata.contents import Content, content_of
from app.opendata.delivering import answer, is_current, validators, weak_tag
from app.opendata.differences import Change, changes
from app.opendata.formats import FORMATS, Format
from app.opendata.origin import origin_of
from app.opendata.spreadsheet import TooManyRowsError
from app.runtime import Runtime
from db import tender_reads, tender_search
from db.clock import iso
from db.tender_search import Filters
from enrichment.category import category_of

router = APIRouter(tags=["open data"], dependencies=[Depends(once_each)])

Export = Annotated[Asked, Query()]


@router.get("/api/tenders", response_model=models.TenderPage, responses=described.DATA)
def search(request: Request, connection: Reading, asked: Annotated[AskedPage, Query()]) -> Response:
    """Published tenders that fit all filters, the newest publication first.

    Follow `next` (also sent as a `Link` header) to see all. Counts come with the first page.
    """
    filters = known(connection, asked.filters())
    counted = asked.facets if asked.facets is not None else asked.cursor is None
    page = tender_search.search(connection, filters, limit=asked.limit, cursor=asked.cursor, counted=counted)
    return answer(
        request,
        {"tenders": page.tenders, "next": page.next, "facets": _facets(page.counts)},
        changed=tender_reads.last_changed_at(connection),
        next_url=str(request.url.include_query_params(cursor=page.next)) if page.next else None,
    )


@router.get("/api/tenders.csv", responses=described.file("text/csv", "UTF-8 with a byte order mark."))
def as_csv(request: Request, runtime: TheRuntime, asked: Export) -> Response:
    """All tenders that fit as one CSV table, the newest first, streamed.

    Text that a spreadsheet would run as a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return,
    also after a semicolon or in a new line) has an apostrophe in front. `documents` holds the files' addresses,
    separated by blanks.
    """
    return _export(request, runtime, asked, FORMATS["csv"])


@router.get(
    "/api/tenders.jsonl",
    responses=described.file("application/jsonl", "One tender a line, as in the search."),
)
def as_jsonl(request: Request, runtime: TheRuntime, asked: Export) -> Response:
    """All tenders that fit as JSON, one a line, the newest first, streamed; with documents and provenance."""
    return _export(request, runtime, asked, FORMATS["jsonl"])


@router.get(
    "/api/tenders.xlsx", responses=described.file(FORMATS["xlsx"].media_type, "One sheet, texts as text.")
)
def as_xlsx(request: Request, runtime: TheRuntime, asked: Export) -> Response:
    """All tenders that fit as a spreadsheet, the newest first, streamed. Texts are cut at 32,767 characters."""
    return _export(request, runtime, asked, FORMATS["xlsx"])


@router.get("/api/tenders/{key}", response_model=models.Tender, responses=described.ONE)
def one(request: Request, connection: Reading, key: str) -> Response:
    """The tender with this ocid or slug: its documents, where each field came from, the points of its quality score."""
    found = tender_reads.one(connection, key)
    if found is None:
        raise HTTPException(404, f"There is no published tender {key}.")
    row = tender_reads.current(connection, found["ocid"])
    return answer(request, found, changed=row.last_changed_at if row else None)


@router.get("/api/tenders/{ocid}/history", response_model=models.History, responses=described.ONE)
def history(request: Request, connection: Reading, ocid: str) -> Response:
    """Every distinct content that was ever seen of the tender's release, oldest first, and what each changed.

    A tender that is only known from the portal so far has none.
    """
    found = tender_reads.one(connection, ocid)
    if found is None:
        raise HTTPException(404, f"There is no published tender {ocid}.")
    versions = [content_of(row) for row in tender_reads.history(connection, found["ocid"])]
    return answer(
        request,
        {
            "ocid": found["ocid"],
            "releases": [
                _version(version, before)
                for version, before in zip(versions, [None, *versions], strict=False)
            ],
        },
        changed=versions[-1].fetched_at if versions else None,
    )


def known(connection: sa.Connection, filters: Filters) -> Filters:
    """The filters; a category that is neither in the portal's vocabulary nor on any tender is a fault."""
    name = filters.category
    named = not name or name in tender_search.MAIN_CATEGORIES or category_of(name).id is not None
    if name and not named and not tender_search.has_category(connection, name):
        raise fault("category", "is neither goods, works or services nor one of the portal's categories")
    return filters


def _export(request: Request, runtime: Runtime, asked: Asked, chosen: Format) -> Response:
    filters = asked.filters()
    with runtime.engine.connect() as connection:
        known(connection, filters)
        changed = tender_reads.last_changed_at(connection)
    headers = validators(weak_tag(chosen.name, filters, changed), changed)
    if is_current(request, headers):
        return Response(status_code=304, headers=headers)
    day = runtime.clock().date().isoformat()
    headers["Content-Disposition"] = f'attachment; filename="tenders-{day}.{chosen.suffix}"'
    try:
        return runtime.downloads.start(chosen, filters, origin_of(request, runtime), headers)
    except TooManyRowsError as problem:
        raise HTTPException(422, f"{problem}.") from problem


def _facets(counts: tender_search.Counts | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    spread = {
        name: [{"value": value, "count": count} for value, count in values]
        for name, values in counts.values.items()
    }
    return {"counted": counts.total, "capped": counts.capped, **spread}


def _version(version: Content, before: Content | None) -> dict[str, Any]:
    return {
        "releaseId": version.release_id,
        "contentHash": version.content_hash.hex(),
        "date": version.date.isoformat() if version.date else None,
        "fetchedAt": iso(version.fetched_at),
        "changes": _changes(before.body, version.body) if before else [],
        "fields": _changes(before.fields, version.fields) if before else [],
        "release": version.body,
    }


def _changes(before: Any, after: Any) -> list[dict[str, Any]]:
    found: list[Change] = changes(before, after)
    return [change._asdict() for change in found]
