"""The tenders in the field's own standard: OCDS 1.1 release packages, record packages, and our extension of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from app.api.tenders import known
from app.dependencies import Reading, TheRuntime
from app.opendata import described, models, ocds_release, packages
from app.opendata.asking import AskedReleases, once_each
from app.opendata.contents import content_of, releases_of
from app.opendata.delivering import answer
from app.opendata.extension import EXTENSION, RELEASE_SCHEMA
from app.opendata.origin import origin_of
from db import tender_reads, tender_search

router = APIRouter(prefix="/api/ocds", tags=["open data"], dependencies=[Depends(once_each)])


@router.get("/releases.json", response_model=models.ReleasePackage, responses=described.SOME)
def releases(
    request: Request, runtime: TheRuntime, connection: Reading, asked: Annotated[AskedReleases, Query()]
) -> Response:
    """Published tenders that fit all filters as an OCDS release package, the newest publication first.

    Each release is a tender as it stands: times corrected, placeholders dropped, the portal's fields joined. Follow
    `links.next` to see all; `changed_since` gives only what is new since your last visit.
    """
    filters = known(connection, asked.filters())
    rows, following = tender_search.rows_of_page(connection, filters, limit=asked.limit, cursor=asked.cursor)
    if not rows:
        # OCDS has no package without a release.
        raise HTTPException(404, "No published tender fits.")
    documents = tender_reads.documents_of(connection, [row.ocid for row in rows])
    origin = origin_of(request, runtime)
    changed = tender_reads.last_changed_at(connection)
    following_url = str(request.url.include_query_params(cursor=following)) if following else None
    package = packages.release_package(
        [
            ocds_release.release(
                tender_reads.as_values(row), documents[row.ocid], portal_url=origin.portal_url
            )
            for row in rows
        ],
        uri=origin.uri,
        base_url=origin.base_url,
        published=changed or runtime.started_at,
        next_uri=following_url,
    )
    return answer(request, package, changed=changed, next_url=following_url)


@router.get("/records/{ocid}", response_model=models.RecordPackage, responses=described.ONE)
def record(request: Request, runtime: TheRuntime, connection: Reading, ocid: str) -> Response:
    """All of a tender as an OCDS record package: every content that was seen, the current view, and both compiled."""
    row = tender_reads.current(connection, ocid)
    if row is None:
        raise HTTPException(404, f"There is no published tender {ocid}.")
    origin = origin_of(request, runtime)
    found = releases_of(
        [content_of(each) for each in tender_reads.history(connection, ocid)],
        tender_reads.as_values(row),
        tender_reads.documents_of(connection, [ocid])[ocid],
        portal_url=origin.portal_url,
    )
    package = packages.record_package(
        found, uri=origin.uri, base_url=origin.base_url, published=row.last_changed_at
    )
    return answer(request, package, changed=row.last_changed_at)


@router.get("/extension/extension.json", responses=described.DATA)
def extension(request: Request, runtime: TheRuntime) -> dict[str, Any]:
    """The declaration of our OCDS extension: fields that OCDS 1.1 has no name for."""
    base = origin_of(request, runtime).base_url
    return {**EXTENSION, "documentationUrl": {"en": f"{base}/docs"}}


@router.get("/extension/release-schema.json", responses=described.DATA)
def extension_schema() -> dict[str, Any]:
    """What our OCDS extension adds to the release schema, as a JSON merge patch."""
    return RELEASE_SCHEMA
