"""What the durable engine's pages share: the embedded engine, or the sentence that says who has it instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse

from app.pages.templates import page
from app.runtime import Runtime
from db.job_log import Job
from engine import Engine
from engine.schema import events, failures, queue, runs, steps

_MOST_ATTEMPTS = 200


def engine_of(runtime: Runtime) -> Engine:
    """The embedded engine. Raises 409 under an Inngest server, which has these actions itself."""
    if runtime.durable is None:
        raise HTTPException(409, f"Runs are kept by Inngest. Do this there: {place(runtime)}")
    return runtime.durable


def place(runtime: Runtime) -> str:
    """Where the Inngest server's own pages are."""
    settings = runtime.settings
    return settings.inngest_dev or settings.inngest_base_url or "https://app.inngest.com"


def elsewhere(request: Request, runtime: Runtime, title: str) -> HTMLResponse:
    """The page that stands in when an Inngest server keeps runs, functions and events."""
    return page(request, "elsewhere.html", title=title, place=place(runtime))


def run_address(runtime: Runtime, run_id: str) -> str:
    """Where a run can be looked at: here, or at the Inngest server that has it."""
    settings = runtime.settings
    if runtime.durable is not None:
        return f"/admin/runs/{run_id}"
    own = settings.inngest_dev or settings.inngest_base_url
    return f"{own}/run?runID={run_id}" if own else f"https://app.inngest.com/env/production/runs/{run_id}"


def wakes(connection: sa.Connection, jobs: Iterable[Job]) -> dict[str, datetime]:
    """Until when the runs of waiting jobs wait, by job; nothing where an Inngest server has the runs."""
    waiting = {job.run_id: job.id for job in jobs if job.status == "RETRYING"}
    if not waiting:
        return {}
    rows = connection.execute(
        sa.select(queue.c.run_id, queue.c.wake_at).where(queue.c.run_id.in_(waiting), queue.c.state == "t")
    )
    return {waiting[row.run_id]: row.wake_at for row in rows}


@dataclass(frozen=True)
class EnginePart:
    """What the embedded engine knows about a job: the failed attempts by run and step, and the events of its run."""

    attempts: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    events: Sequence[tuple[str, str, Any]] = ()


def known_of(connection: sa.Connection, job: Job) -> EnginePart:
    """The engine's part of a job's page; empty where an Inngest server has it."""
    of_job = {job.run_id, *(step.run_id for step in job.steps)}
    name = sa.func.coalesce(steps.c.name, failures.c.step_id).label("name")
    same = (steps.c.run_id == failures.c.run_id) & (steps.c.id == failures.c.step_id)
    attempts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in connection.execute(
        sa.select(
            failures.c.run_id,
            name,
            failures.c.attempt,
            failures.c.started_at,
            failures.c.ended_at,
            failures.c.error,
        )
        .select_from(failures.outerjoin(steps, same))
        .where(failures.c.run_id.in_(of_job))
        .order_by(failures.c.started_at)
        .limit(_MOST_ATTEMPTS)
    ):
        attempts.setdefault((row.run_id, row.name), []).append(attempt(row._asdict()))
    ids = sa.select(sa.func.unnest(runs.c.event_ids)).where(runs.c.id == job.run_id)
    found = connection.execute(
        sa.select(events.c.id, events.c.name, events.c.body).where(events.c.id.in_(ids)).limit(10)
    )
    return EnginePart(attempts, [(row.id, row.name, decoded(row.body)) for row in found])


def attempt(failure: dict[str, Any]) -> dict[str, Any]:
    """A failed attempt with its error as a value: name, message, stack."""
    error = decoded(failure["error"])
    return {**failure, "error": error if isinstance(error, dict) else {"message": str(error)}}


def decoded(body: bytes | None) -> Any:
    """Stored JSON as a value; what cannot be read is shown as text."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def short(slug: str) -> str:
    """A function's id without its app."""
    return slug.removeprefix("protenders-platform-")
