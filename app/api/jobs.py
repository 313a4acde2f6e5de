"""The job log as JSON, and what can be done with a job."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import (
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from app import actions
from app.dependencies import Reading, TheCaller, TheRuntime
from db import jobs
from functions.events import MAX_ENRICHMENT, MAX_PAUSE_MS

router = APIRouter(prefix="/api/admin/jobs", tags=["jobs"])

Status = Literal[
    "QUEUED", "RUNNING", "RETRYING", "SUCCESS", "PARTIAL", "FAILED", "CANCELLED", "CRASHED", "SKIPPED"
]


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_camel), populate_by_name=True, extra="forbid", frozen=True
    )


# As the events have it; but in JSON `true` is no number.
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_ENRICHMENT)]
Milliseconds = Annotated[int, Field(strict=True, ge=0, le=MAX_PAUSE_MS)]


class SyncNow(_Body):
    """What a sync may be told; nothing is needed."""

    from_date: date | None = None
    to_date: date | None = None
    max_enrichment: Count | None = None
    require_enrichment: StrictBool | None = None

    @field_validator("to_date")
    @classmethod
    def _in_order(cls, value: date | None, info: ValidationInfo) -> date | None:
        return _not_before(value, info)


class EnrichToday(_Body):
    """What today's enrichment may be told."""

    max_enrichment: Count | None = None
    rate_limit: Milliseconds | None = None


class EnrichBackfill(_Body):
    """Which days to enrich, and how many tenders at most."""

    from_date: date
    to_date: date
    max_enrichment: Count = 300
    rate_limit: Milliseconds | None = None

    @field_validator("to_date")
    @classmethod
    def _in_order(cls, value: date, info: ValidationInfo) -> date | None:
        return _not_before(value, info)


def _not_before(value: date | None, info: ValidationInfo) -> date | None:
    start = info.data.get("from_date")
    if value is not None and start is not None and value < start:
        raise PydanticCustomError("order", "is before fromDate")
    return value


@router.get("")
def recent(
    runtime: TheRuntime,
    connection: Reading,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    type: Annotated[str | None, Query(max_length=60)] = None,  # noqa: A002 - the parameter's public name
    status: Status | None = None,
    before: Annotated[str | None, Query(max_length=60)] = None,
) -> dict[str, Any]:
    """The newest jobs first. `next` is the `before` of the following page, or null at the end."""
    found = jobs.page(connection, limit=limit + 1, type=type, status=status, before=before)
    if before is not None and not found and jobs.get(connection, before) is None:
        raise HTTPException(422, f"before: there is no job {before}; leave it out to start again")
    statistics = jobs.statistics(connection, now=runtime.clock())
    last_sync = statistics.pop("lastSyncAt", None)
    return {
        "recentJobs": [job.to_json() for job in found[:limit]],
        "statistics": statistics,
        "lastSyncAt": last_sync,
        "next": found[limit - 1].id if len(found) > limit else None,
    }


@router.post("/sync-now", status_code=202)
async def sync_now(runtime: TheRuntime, by: TheCaller, body: SyncNow | None = None) -> dict[str, Any]:
    """Asks for a sync."""
    asked = body or SyncNow()
    data = actions.sync_data(
        by,
        from_date=asked.from_date,
        to_date=asked.to_date,
        max_enrichment=asked.max_enrichment,
        require_enrichment=asked.require_enrichment,
    )
    return await _send(runtime, by, actions.SYNC, data, "sync.request")


@router.post("/enrich-today", status_code=202)
async def enrich_today(runtime: TheRuntime, by: TheCaller, body: EnrichToday | None = None) -> dict[str, Any]:
    """Asks for the enrichment of what was published today."""
    return await _send(
        runtime, by, actions.ENRICH_TODAY, _data(body or EnrichToday(), by), "enrich-today.request"
    )


@router.post("/enrich-backfill", status_code=202)
async def enrich_backfill(runtime: TheRuntime, by: TheCaller, body: EnrichBackfill) -> dict[str, Any]:
    """Asks for the enrichment of what was published between two days."""
    return await _send(runtime, by, actions.ENRICH_BACKFILL, _data(body, by), "enrich-backfill.request")


@router.get("/{job_id}")
def one(connection: Reading, job_id: str) -> dict[str, Any]:
    """One job with its steps."""
    job = jobs.get(connection, job_id)
    if job is None:
        raise HTTPException(404, f"There is no job {job_id}.")
    return job.to_json()


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(runtime: TheRuntime, by: TheCaller, job_id: str) -> dict[str, Any]:
    """Asks a running job to end; it ends before its next step or page."""
    try:
        asked = await actions.cancel_job(runtime, by, job_id)
    except LookupError:
        raise HTTPException(404, f"There is no job {job_id}.") from None
    if not asked:
        raise HTTPException(409, "The job has already ended.")
    return {"id": job_id, "cancelRequested": True}


@router.post("/{job_id}/rerun", status_code=202)
async def rerun(runtime: TheRuntime, by: TheCaller, job_id: str) -> dict[str, Any]:
    """Does the job's work again, with the same parameters, as a new job."""
    try:
        sent = await actions.rerun_job(runtime, by, job_id)
    except LookupError:
        raise HTTPException(404, f"There is no job {job_id}.") from None
    except actions.ActionRefusedError as refusal:
        raise HTTPException(409, str(refusal)) from refusal
    return {"eventId": sent.id}


def _data(body: _Body, by: TheCaller) -> dict[str, Any]:
    data = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    return data | {"adminUserId": by.actor.id or by.actor.name}


async def _send(
    runtime: TheRuntime, by: TheCaller, name: str, data: dict[str, Any], action: str
) -> dict[str, Any]:
    try:
        sent = await actions.send(runtime, by, name, data, action=action)
    except actions.ActionRefusedError as refusal:
        raise HTTPException(422, str(refusal)) from refusal
    return {"eventId": sent.id}
