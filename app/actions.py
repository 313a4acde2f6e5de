"""What people can make happen. Pages, JSON API and command line all act through here; each act is in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import inngest
import sqlalchemy as sa
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from ulid import ULID

from app.auth.protection import Actor
from app.inngest_link import cancel_run, send_event
from app.runtime import Runtime
from db import audit, jobs
from engine import operations
from functions.events import EVENTS
from ocds.dates import day_of

SYNC = "tender/sync.requested"
ENRICH_TODAY = "tender/enrich-today.requested"
ENRICH_ONE = "tender/enrich.requested"
ENRICH_BACKFILL = "tender/enrich-backfill.requested"
HISTORY_BACKFILL = "tender/history-backfill.requested"

_EVENT_OF_FUNCTION = {
    "tender-sync": SYNC,
    "enrich-today": ENRICH_TODAY,
    "enrich-tender": ENRICH_ONE,
    "enrich-backfill": ENRICH_BACKFILL,
    "history-backfill": HISTORY_BACKFILL,
    "send-alerts": "tender/alerts.requested",
    "cleanup-jobs": "system/cleanup-jobs.requested",
}


class ActionRefusedError(Exception):
    """The action makes no sense as asked. The message says why, for people."""


@dataclass(frozen=True)
class Sent:
    """An event that was taken. `id` is what functions and the job log know it by; `internal` the engine's own."""

    id: str
    internal: str


@dataclass(frozen=True)
class By:
    """Who acts, and from where."""

    actor: Actor
    ip: str | None = None


def check_event(name: str, data: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The event's data as it will be sent. Raises ActionRefusedError naming the field that is wrong."""
    model = EVENTS.get(name)
    if model is None:
        known = ", ".join(sorted(EVENTS))
        raise ActionRefusedError(f"There is no event {name!r}. Known events: {known}.")
    try:
        parsed = model.model_validate(dict(data))
    except ValidationError as problem:
        raise ActionRefusedError(faults(problem)) from problem
    if reason := parsed.untimely(day_of(now)):
        raise ActionRefusedError(reason)
    return parsed.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def faults(problem: ValidationError) -> str:
    """Every wrong field and what is wrong with it, in one sentence."""
    parts = []
    for error in problem.errors():
        field = ".".join(str(part) for part in error["loc"])
        message = str(error["msg"]).removeprefix("Value error, ")
        parts.append(f"{field}: {message}" if field else message)
    return "; ".join(parts)


async def send(
    runtime: Runtime, by: By, name: str, data: Mapping[str, Any], *, event_id: str | None = None, action: str
) -> Sent:
    """Sends an event to whoever runs the functions. Raises ActionRefusedError for data that cannot be used, and
    EventNotTakenError when an Inngest server does not take it."""
    checked = check_event(name, data, now=runtime.clock())
    if runtime.durable is not None:
        # Without an id of the sender's, its own is the only one, and whoever has it finds event and runs by it.
        [taken] = await runtime.durable.send([{"name": name, "data": checked, "id": event_id}])
        identifier = event_id or taken
    else:
        identifier = event_id or str(ULID())
        taken = await send_event(runtime.client, inngest.Event(name=name, data=checked, id=identifier))
        if runtime.tracing is not None:
            runtime.tracing.accepted([(identifier, name)])
    await note(runtime, by, action, name, {"event": taken, "data": checked})
    return Sent(id=identifier, internal=taken)


async def cancel_job(runtime: Runtime, by: By, job_id: str) -> bool:
    """Ends an active job: it stops before its next step or page, and its run is cancelled wherever it runs.

    False when it has already ended; LookupError when there is none.
    """

    def ask() -> jobs.Job | None:
        with runtime.engine.begin() as connection:
            job = jobs.get(connection, job_id)
            if job is None:
                raise LookupError(job_id)
            if not jobs.request_cancel(connection, job_id, by=by.actor.name, now=runtime.clock()):
                return None
            change = {"before": job.status, "after": "asked to end"}
            write_note(connection, runtime, by, "job.cancel", job_id, change)
            return job

    job = await run_in_threadpool(ask)
    if job is None:
        return False
    if runtime.durable is not None:
        await operations.cancel(runtime.durable, [job.run_id])
    else:
        await cancel_run(runtime.client, job.run_id)
    return True


async def retry_job(runtime: Runtime, by: By, job_id: str) -> str:
    """Goes on with an ended job from the step at which it ended, keeping what was done before; the new run's id.

    Only where the embedded engine has its run. Raises LookupError and ActionRefusedError.
    """
    job = await run_in_threadpool(_ended_job, runtime, job_id)
    if runtime.durable is None:
        raise ActionRefusedError("An Inngest server has the job's run. Run it again from a step there.")
    steps = [step for step in job.steps if step.run_id == job.run_id]
    # The engine forgets a step that a cancellation interrupted: then the last one that it knows is done again.
    stopped = [step.name for step in steps if step.status != "SUCCESS"][:1]
    done = [step.name for step in steps if step.status == "SUCCESS"][-1:]
    refusal = "The job ended before its first step. Run it again instead."
    for name in [*stopped, *done]:
        try:
            new_run = await operations.rerun(runtime.durable, job.run_id, from_step=name)
        except operations.NotPossibleError as problem:
            refusal = str(problem)
            continue
        change = {"before": job.status, "fromStep": name, "newRun": new_run}
        await note(runtime, by, "job.retry", job_id, change)
        return new_run
    raise ActionRefusedError(refusal)


def _ended_job(runtime: Runtime, job_id: str) -> jobs.Job:
    with runtime.engine.connect() as connection:
        job = jobs.get(connection, job_id)
    if job is None:
        raise LookupError(job_id)
    if job.active:
        raise ActionRefusedError("The job is still running. Cancel it first, or wait for its end.")
    return job


async def rerun_job(runtime: Runtime, by: By, job_id: str) -> Sent:
    """Does a job's work again with its parameters, as a new run. Raises LookupError and ActionRefusedError."""
    job = await run_in_threadpool(_ended_job, runtime, job_id)
    name = _EVENT_OF_FUNCTION.get(job.function_id)
    if name is None:
        raise ActionRefusedError(f"Jobs of {job.function_id} start by themselves and cannot be asked for.")
    data = {**job.parameters, "adminUserId": by.actor.id or by.actor.name}
    if name == SYNC:
        data["triggeredBy"] = "manual"
    known = {field.alias or key for key, field in EVENTS[name].model_fields.items()}
    return await send(
        runtime,
        by,
        name,
        {key: value for key, value in data.items() if key in known and value is not None},
        action="job.rerun",
    )


def sync_data(
    by: By,
    *,
    from_date: date | None = None,
    to_date: date | None = None,
    max_enrichment: int | None = None,
    require_enrichment: bool | None = None,
) -> dict[str, Any]:
    """The data of a sync that a person asks for; only what was said."""
    data: dict[str, Any] = {
        "fromDate": from_date.isoformat() if from_date else None,
        "toDate": to_date.isoformat() if to_date else None,
        "maxEnrichment": max_enrichment,
        "requireEnrichment": require_enrichment,
        "triggeredBy": "manual",
        "adminUserId": by.actor.id or by.actor.name,
    }
    return {key: value for key, value in data.items() if value is not None}


async def note(runtime: Runtime, by: By, action: str, target: str, details: Mapping[str, Any]) -> None:
    """Writes an act into the audit log that has no transaction of ours to go with."""
    await run_in_threadpool(_record, runtime, by, action, target, details)


def _record(runtime: Runtime, by: By, action: str, target: str, details: Mapping[str, Any]) -> None:
    with runtime.engine.begin() as connection:
        write_note(connection, runtime, by, action, target, details)


def write_note(
    connection: sa.Connection, runtime: Runtime, by: By, action: str, target: str, details: Mapping[str, Any]
) -> None:
    """Writes an act into the audit log, in the transaction of the act itself."""
    audit.record(
        connection,
        actor=by.actor.name,
        actor_id=by.actor.id,
        action=action,
        target=target,
        details=details,
        ip=by.ip,
        now=runtime.clock(),
    )
