"""The job log: the list, and one job with its waterfall."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from app.dependencies import Reading, TheRuntime
from app.pages import waterfall
from app.pages.templates import page
from app.words import STATES
from db import console, jobs

router = APIRouter(prefix="/admin/jobs", include_in_schema=False)

PAGE = 50
CAP = 1000


@router.get("")
def listing(
    request: Request,
    connection: Reading,
    type: Annotated[str, Query(max_length=60)] = "",  # noqa: A002 - the parameter's public name
    status: Annotated[str, Query(max_length=20)] = "",
    trigger: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[str, Query(max_length=60)] = "",
) -> HTMLResponse:
    """Jobs, the newest first, with counts by state as navigation."""
    filters = {"type": type, "status": status, "trigger": trigger, "q": q}
    found = jobs.page(
        connection,
        limit=PAGE + 1,
        type=type or None,
        status=status or None,
        trigger=trigger or None,
        text=q or None,
        before=before or None,
    )
    return page(
        request,
        "jobs.html",
        jobs=found[:PAGE],
        filters=filters,
        before=before,
        following=found[PAGE - 1].id if len(found) > PAGE else None,
        counts=console.capped_status_counts(connection, cap=CAP),
        cap=CAP,
        types=console.job_types(connection),
        states=STATES,
    )


@router.get("/{job_id}")
def one(request: Request, runtime: TheRuntime, connection: Reading, job_id: str) -> HTMLResponse:
    """One job: what it did, step by step, and what can be done with it."""
    job = jobs.get(connection, job_id)
    if job is None:
        raise HTTPException(
            404, f"There is no job {job_id}. It may have been removed after its retention time."
        )
    return page(request, "job.html", job=job, bars=waterfall.bars(job, now=runtime.clock()))
