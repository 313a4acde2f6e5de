"""The buttons: each does one action, writes the audit log through `app.actions`, and leads back to a page."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException
from fastapi.responses import RedirectResponse

from app import actions
from app.dependencies import TheCaller, TheRuntime

router = APIRouter(prefix="/admin/actions", include_in_schema=False)

OptionalDay = Annotated[str, Form(max_length=10)]
OptionalNumber = Annotated[str, Form(max_length=6)]


@router.post("/sync-now")
async def sync_now(
    runtime: TheRuntime,
    by: TheCaller,
    from_date: OptionalDay = "",
    to_date: OptionalDay = "",
    max_enrichment: OptionalNumber = "",
    require_enrichment: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Asks for a sync."""
    data = actions.sync_data(
        by,
        from_date=_day(from_date, "From day"),
        to_date=_day(to_date, "To day"),
        max_enrichment=_number(max_enrichment, "Enrich at most"),
        require_enrichment=True if require_enrichment else None,
    )
    await _send(runtime, by, actions.SYNC, data, "sync.request")
    return back("/admin/jobs", "sync-requested")


@router.post("/enrich-today")
async def enrich_today(runtime: TheRuntime, by: TheCaller) -> RedirectResponse:
    """Asks for the enrichment of what was published today."""
    await _send(runtime, by, actions.ENRICH_TODAY, _who(by), "enrich-today.request")
    return back("/admin/jobs", "enrich-requested")


@router.post("/enrich-backfill")
async def enrich_backfill(
    runtime: TheRuntime,
    by: TheCaller,
    from_date: Annotated[str, Form(max_length=10)],
    to_date: Annotated[str, Form(max_length=10)],
    max_enrichment: Annotated[int, Form(ge=1, le=20_000)],
) -> RedirectResponse:
    """Asks for the enrichment of what was published between two days."""
    start, end = _day(from_date, "From day"), _day(to_date, "To day")
    data = {
        "fromDate": start.isoformat() if start else None,
        "toDate": end.isoformat() if end else None,
        "maxEnrichment": max_enrichment,
        **_who(by),
    }
    await _send(runtime, by, actions.ENRICH_BACKFILL, data, "enrich-backfill.request")
    return back("/admin/jobs", "backfill-requested")


@router.post("/history-backfill")
async def history_backfill(
    runtime: TheRuntime,
    by: TheCaller,
    from_date: Annotated[str, Form(max_length=10)],
    to_date: Annotated[str, Form(max_length=10)],
) -> RedirectResponse:
    """Asks for the releases that were published between two days."""
    start, end = _day(from_date, "From day"), _day(to_date, "To day")
    if start is None or end is None:
        raise HTTPException(422, "Name both days.")
    data = {"fromDate": start.isoformat(), "toDate": end.isoformat(), **_who(by)}
    await _send(runtime, by, actions.HISTORY_BACKFILL, data, "history-backfill.request")
    return back("/admin/jobs", "backfill-requested")


@router.post("/enrich-one")
async def enrich_one(
    runtime: TheRuntime, by: TheCaller, ocid: Annotated[str, Form(max_length=60)]
) -> RedirectResponse:
    """Asks for the enrichment of one tender, whether it is enriched already or not."""
    await _send(runtime, by, actions.ENRICH_ONE, {"ocid": ocid, "force": True, **_who(by)}, "enrich.request")
    return back("/admin/jobs", "enrich-requested")


@router.post("/jobs/{job_id}/cancel")
async def cancel(runtime: TheRuntime, by: TheCaller, job_id: str) -> RedirectResponse:
    """Asks a running job to end."""
    try:
        asked = await actions.cancel_job(runtime, by, job_id)
    except LookupError:
        raise HTTPException(404, f"There is no job {job_id}.") from None
    return back(f"/admin/jobs/{job_id}", "cancel-requested" if asked else "already-ended")


@router.post("/jobs/{job_id}/retry")
async def retry(runtime: TheRuntime, by: TheCaller, job_id: str) -> RedirectResponse:
    """Goes on with a job from the step at which it ended."""
    try:
        await actions.retry_job(runtime, by, job_id)
    except LookupError:
        raise HTTPException(404, f"There is no job {job_id}.") from None
    except actions.ActionRefusedError as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    return back(f"/admin/jobs/{job_id}", "retry-requested")


@router.post("/jobs/{job_id}/rerun")
async def rerun(runtime: TheRuntime, by: TheCaller, job_id: str) -> RedirectResponse:
    """Does a job's work again."""
    try:
        await actions.rerun_job(runtime, by, job_id)
    except LookupError:
        raise HTTPException(404, f"There is no job {job_id}.") from None
    except actions.ActionRefusedError as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    return back("/admin/jobs", "rerun-requested")


def back(path: str, done: str) -> RedirectResponse:
    """To a page of ours, which then says what was done."""
    return RedirectResponse(f"{path}?done={done}", status_code=303)


async def _send(runtime: TheRuntime, by: TheCaller, name: str, data: dict[str, Any], action: str) -> None:
    try:
        await actions.send(runtime, by, name, data, action=action)
    except actions.ActionRefusedError as refusal:
        raise HTTPException(422, str(refusal)) from refusal


def _who(by: TheCaller) -> dict[str, str]:
    return {"adminUserId": by.actor.id or by.actor.name}


def _day(text: str, label: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, f"{label}: {text!r} is not a day; write it as 2026-08-14.") from None


def _number(text: str, label: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise HTTPException(422, f"{label}: {text!r} is not a number.")
    return int(text)
