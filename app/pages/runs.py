"""Runs of the embedded engine: the list, and one run with its steps, attempts, events and what can be done to it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app import actions
from app.dependencies import TheCaller, TheRuntime
from app.pages.actions import back
from app.pages.durable import attempt, decoded, elsewhere, engine_of, short
from app.pages.shared import live_async
from app.pages.templates import page
from app.pages.waterfall import run_bars
from app.runtime import Runtime
from db import jobs
from engine import Engine, operations
from engine.sql import reading

router = APIRouter(prefix="/admin/runs", include_in_schema=False)

PAGE = 50
STATUSES = ("Scheduled", "Running", "Completed", "Failed", "Cancelled")


@router.get("")
async def listing(
    request: Request,
    runtime: TheRuntime,
    function: Annotated[str, Query(max_length=200)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    before: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """Runs, the newest first."""
    engine = runtime.durable
    if engine is None:
        return elsewhere(request, runtime, "Runs")

    async def look() -> dict[str, Any]:
        async with engine.database.connection() as connection:
            found = await reading.runs(
                connection,
                function=function or None,
                statuses=[status] if status else [],
                before=before or None,
                limit=PAGE + 1,
            )
            return {
                "runs": found[:PAGE],
                "following": found[PAGE - 1].id if len(found) > PAGE else None,
                "depth": await reading.queue_depth(connection, runtime.clock()),
            }

    return page(
        request,
        "runs.html",
        short=short,
        slugs=sorted(known.slug for known in engine.registry.by_id.values()),
        statuses=STATUSES,
        filters={"function": function, "status": status},
        before=before,
        **await live_async(request, runtime, look),
    )


@router.get("/{run_id}")
async def one(request: Request, runtime: TheRuntime, run_id: str) -> Response:
    """One run."""
    engine = runtime.durable
    if engine is None:
        return elsewhere(request, runtime, "Runs")
    found = await live_async(request, runtime, lambda: _look(runtime, engine, run_id))
    run, steps = found["run"], found["steps"]
    return page(
        request,
        "run.html",
        short=short,
        bars=run_bars(run, steps, now=runtime.clock(), attempts=found["failures"]),
        outputs={step["id"]: decoded(step["memo"]) for step in steps},
        until=min((step["wake_at"] for step in steps if _waits(step)), default=None),
        output=decoded(run.output),
        **found,
    )


async def _look(runtime: Runtime, engine: Engine, run_id: str) -> dict[str, Any]:
    async with engine.database.connection() as connection, connection.transaction():
        run = await reading.run(connection, run_id)
        if run is None:
            raise HTTPException(
                404, f"There is no run {run_id}. It may have been removed after its retention time."
            )
        return {
            "run": run,
            "steps": await reading.steps(connection, run_id),
            "failures": _attempts(await reading.failures(connection, run_id)),
            "events": [(event, decoded(event.body)) for event in await reading.events_of(connection, run)],
            "job_id": await run_in_threadpool(_job_of, runtime, run_id),
        }


def _waits(step: dict[str, Any]) -> bool:
    return step["wake_at"] is not None and step["ended_at"] is None


@router.post("/{run_id}/cancel")
async def cancel(runtime: TheRuntime, by: TheCaller, run_id: str) -> RedirectResponse:
    """Ends the run, and asks its job to end as well."""
    engine = engine_of(runtime)
    job_id = await run_in_threadpool(_job_of, runtime, run_id)
    asked = job_id is not None and await actions.cancel_job(runtime, by, job_id)
    ended = await operations.cancel(engine, [run_id])
    change = {"job": job_id, "before": "live" if asked or ended else "ended", "after": "Cancelled"}
    await actions.note(runtime, by, "run.cancel", run_id, change if asked or ended else {"job": job_id})
    return back(f"/admin/runs/{run_id}", "cancelled" if asked or ended else "already-ended")


@router.post("/{run_id}/rerun")
async def rerun(
    runtime: TheRuntime,
    by: TheCaller,
    run_id: str,
    step: Annotated[str, Form(max_length=300)] = "",
    edited: Annotated[str, Form(max_length=200_000)] = "",
) -> RedirectResponse:
    """Runs it again with the same events; from a step on, what ended before that step is kept."""
    engine = engine_of(runtime)
    options: dict[str, Any] = {"from_step": step} if step else {}
    if edited.strip():
        if not step:
            raise HTTPException(422, "Choose the step that takes the edited input.")
        try:
            options["step_input"] = json.loads(edited)
        except ValueError as problem:
            raise HTTPException(422, f"The edited input is not JSON: {problem}") from problem
    try:
        new_run = await operations.rerun(engine, run_id, **options)
    except operations.NotPossibleError as problem:
        raise HTTPException(409, str(problem)) from problem
    await actions.note(runtime, by, "run.rerun", run_id, {"newRun": new_run, "fromStep": step or None})
    return back(f"/admin/runs/{new_run}", "rerun-requested")


@router.post("/bulk")
async def bulk(
    request: Request,
    runtime: TheRuntime,
    by: TheCaller,
    what: Annotated[str, Form(pattern="^(cancel|replay)$")],
    function: Annotated[str, Form(max_length=200)],
    confirmed: Annotated[int, Form(ge=-1)] = -1,
) -> Response:
    """Cancels every live run of a function, or runs every failed one again: first the count, then the deed."""
    engine = engine_of(runtime)
    if function not in engine.registry.by_slug:
        raise HTTPException(404, f"There is no function {function}.")
    found = await operations.find(engine, function=function, statuses=["Failed"] if what == "replay" else ())
    if confirmed != len(found):
        return page(request, "bulk.html", what=what, function=function, short=short, count=len(found))
    done = await (operations.cancel if what == "cancel" else operations.replay)(engine, found)
    await actions.note(runtime, by, f"runs.{what}", function, {"found": len(found), "done": len(done)})
    return back("/admin/runs", "cancelled" if what == "cancel" else "rerun-requested")


def _attempts(failures: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The failed attempts by step; those of the function's own body under `step`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for failure in failures:
        found.setdefault(failure["step_id"], []).append(attempt(failure))
    return found


def _job_of(runtime: TheRuntime, run_id: str) -> str | None:
    with runtime.engine.connect() as connection:
        return jobs.of_run(connection, run_id)
