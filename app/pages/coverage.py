"""The coverage calendar: what should be there by day, what is, what is missing and why; and the enrichment queue."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.dependencies import Reading, TheRuntime, snapshot
from app.pages.shared import live
from app.pages.templates import page
from db import console, coverage
from db.clock import SOUTH_AFRICA

router = APIRouter(include_in_schema=False)

DAYS = 42
BLOCKS = 20
FIRST_DAY = date(2000, 1, 1)


@router.get("/admin/coverage")
def calendar(
    request: Request,
    runtime: TheRuntime,
    connection: Reading,
    until: Annotated[date | None, Query(ge=FIRST_DAY)] = None,
    after: Annotated[int | None, Query(ge=1)] = None,
    below: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """Six weeks up to a day, the blocks of identifiers, and the missing by number."""
    today = runtime.clock().astimezone(SOUTH_AFRICA).date()
    last = min(until or today, today)
    first = last - timedelta(days=DAYS - 1)
    by_day = {row["day"]: row for row in coverage.days(connection, first=first, last=last)}
    missing = coverage.missing(connection, limit=51, after=after)
    blocks = coverage.blocks(connection, below=below, limit=BLOCKS + 1)
    return page(
        request,
        "coverage.html",
        summary=coverage.summary(connection),
        days=[(day, by_day.get(day.isoformat())) for day in (first + timedelta(days=n) for n in range(DAYS))],
        first=first,
        last=last,
        today=today,
        reasons=coverage.reasons(connection),
        blocks=blocks[:BLOCKS],
        below=below,
        lower=blocks[BLOCKS - 1]["from"] if len(blocks) > BLOCKS else None,
        missing=missing[:50],
        following=missing[49]["n"] if len(missing) > 50 else None,
    )


@router.get("/admin/enrichment")
def enrichment(request: Request, runtime: TheRuntime) -> HTMLResponse:
    """The queue by reason, and the tenders whose turn is next."""

    def look() -> dict[str, Any]:
        with snapshot(runtime) as connection:
            return {
                "counts": console.enrichment_counts(connection),
                "reasons": console.enrichment_reasons(connection, limit=50),
                "queue": console.enrichment_queue(connection, limit=50),
            }

    return page(request, "enrichment.html", counted=console.COUNTED, **live(request, runtime, look))
