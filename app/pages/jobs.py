"""The job log: the list, and one job with its waterfall."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from app.dependencies import TheRuntime, snapshot
from app.pages import durable, waterfall
from app.pages.shared import live
from app.pages.templates import page
from app.runtime import Runtime
from app.words import STATES
from db import accounts, console, jobs
from db.clock import SOUTH_AFRICA
from db.job_log import BEGINNING, Order

router = APIRouter(prefix="/admin/jobs", include_in_schema=False)

PAGE = 50
CAP = 1000


@router.get("")
def listing(
    request: Request,
    runtime: TheRuntime,
    type: Annotated[str, Query(max_length=60)] = "",  # noqa: A002 - the parameter's public name
    status: Annotated[str, Query(max_length=20)] = "",
    trigger: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    sort: Order = "newest",
    before: Annotated[str, Query(max_length=60)] = "",
) -> HTMLResponse:
    """Jobs with counts by state as navigation; days are South African days, both included."""
    filters = {
        "type": type,
        "status": status,
        "trigger": trigger,
        "q": q,
        "from": first,
        "to": last,
        "sort": "" if sort == "newest" else sort,
    }
    since, until = _midnight(first, "from"), _midnight(last, "to", after=1)

    def look() -> dict[str, Any]:
        with snapshot(runtime) as connection:
            found = jobs.page(
                connection,
                limit=PAGE + 1,
                type=type or None,
                status=status or None,
                trigger=trigger or None,
                text=q or None,
                since=since,
                until=until,
                order=sort,
                before=before or None,
            )
            return {
                "jobs": found[:PAGE],
                "following": found[PAGE - 1].id if len(found) > PAGE else None,
                "wakes": durable.wakes(connection, found),
                "counts": console.capped_status_counts(connection, cap=CAP),
                "types": console.job_types(connection),
            }

    return page(
        request,
        "jobs.html",
        filters=filters,
        before=before,
        cap=CAP,
        beginning=BEGINNING,
        states=STATES,
        **live(request, runtime, look),
    )


@router.get("/{job_id}")
def one(request: Request, runtime: TheRuntime, job_id: str) -> HTMLResponse:
    """One job: what it did, step by step, and what can be done with it."""
    now = runtime.clock()
    found = live(request, runtime, lambda: _look(runtime, job_id, now))
    job = found["job"]
    return page(
        request,
        "job.html",
        bars=waterfall.bars(job, now=now, attempts=found["engine"].attempts),
        run_address=durable.run_address(runtime, job.run_id),
        most_tenders=console.TOUCHED,
        **found,
    )


def _look(runtime: Runtime, job_id: str, now: datetime) -> dict[str, Any]:
    with snapshot(runtime) as connection:
        job = jobs.get(connection, job_id)
        if job is None:
            raise HTTPException(
                404, f"There is no job {job_id}. It may have been removed after its retention time."
            )
        return {
            "job": job,
            "started_by": job.actor and (accounts.name_of(connection, job.actor) or job.actor),
            "tenders": console.tenders_of_job(connection, job, now=now),
            "until": durable.wakes(connection, [job]).get(job.id),
            "engine": durable.known_of(connection, job),
        }


def _midnight(text: str, name: str, *, after: int = 0) -> datetime | None:
    """The instant at which a South African day begins, some days after the one that is named."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=after), time(), SOUTH_AFRICA)
    except (ValueError, OverflowError):
        raise HTTPException(422, f"{name}: {text!r} is not a day; write it as 2026-08-14.") from None
