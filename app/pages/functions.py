"""Functions with their schedules, and the events that came in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from app import actions
from app.dependencies import TheCaller, TheRuntime
from app.pages.actions import back
from app.pages.durable import decoded, elsewhere, engine_of, short
from app.pages.shared import live_async
from app.pages.templates import page
from engine import operations
from engine.functions import Function
from engine.sql import reading
from functions.events import EVENTS

router = APIRouter(include_in_schema=False)

PAGE = 50
LATE_SECONDS = 60


@router.get("/admin/functions")
async def functions(request: Request, runtime: TheRuntime) -> Response:
    """Every function: what starts it, when it ran last and runs next, and whether it is paused.

    The failure handlers that the SDK makes of `on_failure` belong to their functions and are left out.
    """
    if runtime.durable is None:
        return elsewhere(request, runtime, "Functions")
    async with runtime.durable.database.connection() as connection:
        rows = await reading.functions(connection)
    return page(
        request,
        "functions.html",
        functions=[_shown(row, runtime.clock()) for row in rows if not _handles_failures(row)],
        short=short,
    )


@router.post("/admin/functions/{slug}/pause")
async def pause(
    runtime: TheRuntime,
    by: TheCaller,
    slug: str,
    runs: Annotated[str, Form(pattern="^(hold|continue|cancel)$")] = "hold",
) -> RedirectResponse:
    """Starts no more of its runs until it is resumed."""
    engine = engine_of(runtime)
    choice: operations.PausedRuns = (
        "cancel" if runs == "cancel" else "continue" if runs == "continue" else "hold"
    )
    known, before = _known(runtime, slug), _state(runtime, slug)
    ended = await operations.pause(engine, known, choice)
    change = {"before": before, "after": "paused", "runs": runs, "cancelled": len(ended)}
    await actions.note(runtime, by, "function.pause", slug, change)
    return back("/admin/functions", "paused")


@router.post("/admin/functions/{slug}/resume")
async def resume(runtime: TheRuntime, by: TheCaller, slug: str) -> RedirectResponse:
    """Lets it go on with what was held."""
    engine = engine_of(runtime)
    known, before = _known(runtime, slug), _state(runtime, slug)
    await operations.resume(engine, known)
    await actions.note(runtime, by, "function.resume", slug, {"before": before, "after": "active"})
    return back("/admin/functions", "resumed")


@router.get("/admin/events")
async def events(
    request: Request,
    runtime: TheRuntime,
    name: Annotated[str, Query(max_length=512)] = "",
    before: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """Events, the newest first."""
    engine = runtime.durable
    if engine is None:
        return elsewhere(request, runtime, "Events")

    async def look() -> list[reading.EventRow]:
        async with engine.database.connection() as connection:
            return await reading.events(
                connection, name=name or None, before=before or None, since=None, until=None, limit=PAGE + 1
            )

    found = await live_async(request, runtime, look)
    return page(
        request,
        "events.html",
        events=[(event, decoded(event.body)) for event in found[:PAGE]],
        names=sorted(EVENTS),
        filters={"name": name},
        before=before,
        following=found[PAGE - 1].id if len(found) > PAGE else None,
    )


@router.get("/admin/events/{event_id}")
async def event(request: Request, runtime: TheRuntime, event_id: str) -> Response:
    """One event and the runs that it started."""
    if runtime.durable is None:
        return elsewhere(request, runtime, "Events")
    async with runtime.durable.database.connection() as connection:
        found = await reading.event(connection, event_id)
        if found is None:
            raise HTTPException(
                404, f"There is no event {event_id}. It may have been removed after its retention time."
            )
        runs = await reading.runs_of_event(connection, event_id)
    ours = found.name in EVENTS
    return page(
        request, "event.html", event=found, body=decoded(found.body), runs=runs, short=short, can_resend=ours
    )


@router.post("/admin/events/{event_id}/resend")
async def resend(runtime: TheRuntime, by: TheCaller, event_id: str) -> RedirectResponse:
    """Sends the event's data again, under a new id."""
    engine = engine_of(runtime)
    async with engine.database.connection() as connection:
        found = await reading.event(connection, event_id)
    if found is None:
        raise HTTPException(404, f"There is no event {event_id}.")
    body: Any = decoded(found.body)
    data = {name: value for name, value in (body.get("data") or {}).items() if not name.startswith("_")}
    try:
        sent = await actions.send(runtime, by, found.name, data, action="event.resend")
    except actions.ActionRefusedError as refusal:
        raise HTTPException(422, str(refusal)) from refusal
    return back(f"/admin/events/{sent.internal}", "event-sent")


def _known(runtime: TheRuntime, slug: str) -> Function:
    found = engine_of(runtime).registry.by_slug.get(slug)
    if found is None:
        raise HTTPException(404, f"There is no function {slug}.")
    return found


def _state(runtime: TheRuntime, slug: str) -> str:
    return "paused" if _known(runtime, slug).id in engine_of(runtime).registry.paused else "active"


def _handles_failures(row: dict[str, Any]) -> bool:
    events = {trigger.get("event") for trigger in row["config"].get("triggers", [])}
    return row["slug"].endswith("-failure") and events == {"inngest/function.failed"}


def _shown(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    config = row["config"]
    steps = config.get("steps") or {}
    retries = next((step.get("retries", {}).get("attempts") for step in steps.values()), None)
    schedules = []
    for schedule in row["schedules"]:
        due = datetime.fromisoformat(schedule["next_at"]) if schedule["next_at"] else None
        last = datetime.fromisoformat(schedule["last_at"]) if schedule["last_at"] else None
        late = due is not None and (now - due).total_seconds() > LATE_SECONDS
        schedules.append({"cron": schedule["cron"], "next": due, "last": last, "late": late})
    events = [trigger["event"] for trigger in config.get("triggers", []) if trigger.get("event")]
    return {
        "slug": row["slug"],
        "name": row["name"],
        "events": events,
        "schedules": schedules,
        "paused_at": row["paused_at"],
        "newest": {name: row[f"newest_{name}"] for name in ("run", "at", "status")},
        "retries": 4 if retries is None else retries,
        "config": config,
    }
