"""tender-sync: find what was published or changed, fetch it, enrich it, save it, prove that nothing is missing."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

import inngest

from db import coverage, identifiers, jobs, saving, sync_state
from functions import fetching, listing, looking
from functions.closing import close_sync, on_failure
from functions.enriching import Manner, configure_changes, enrich, save_to_database
from functions.events import HISTORY_BACKFILL, SYNC, SyncRequested
from functions.listing import Window
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from ocds.dates import day_of

KIND = Kind(function_id="tender-sync", type="DELTA_SYNC", retries=3, beside="skip")


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `tender-sync`. One sync at a time: a second one is recorded as SKIPPED."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerEvent(event=SYNC),
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def tender_sync(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, goes_on = run.open(SyncRequested)
        if not goes_on:
            return {"status": "SKIPPED", "jobId": run.job_id}
        manner = Manner(
            limit=_either(request.max_enrichment, resources.limits.max_enrichment_per_run),
            require=request.require_enrichment,
        )
        span = run.step("determine-date-range", partial(_determine, request))
        listed = _fetch_ocds_releases(run, span)
        portal_problem = _fetch_portal_rows(run)
        if portal_problem and not listed["windows"]:
            return close_sync(run, list_problems=listed["problems"], portal_problem=portal_problem)
        fetched = _fetch_missing_releases(run, resources.limits.max_release_fetch_per_run)
        plan = run.step("configure-enrichment", configure_changes(manner))
        enriched = enrich(run, plan, manner)
        run.step("save-to-database", save_to_database(manner))
        state = run.step("update-sync-state", partial(update_sync_state, span, listed["windows"]))
        listed["problems"] += state["problems"]
        if state["handOver"]:
            event = inngest.Event(name=HISTORY_BACKFILL, data={}, id=f"after-{run.job_id}")
            ctx.step.send_event("hand-over-to-history-backfill", event)
        return close_sync(
            run,
            list_problems=listed["problems"],
            portal_problem=portal_problem,
            other_problems=[*fetched["problems"], *enriched["problems"]],
        )

    return tender_sync


def _either(asked: int | None, usual: int) -> int:
    return usual if asked is None else asked


def _determine(request: SyncRequested, step: Step) -> Json:
    return listing.determine(step, from_date=request.from_date, to_date=request.to_date)


def _fetch_ocds_releases(run: Recorder, span: Json) -> Json:
    """Steps `fetch-ocds-releases-<n>`: one window each. After one that fails for good the others wait for the
    next sync, so that a host in trouble is left in peace."""
    listed: list[Json] = []
    problems: list[str] = []
    for number, each in enumerate(span["windows"], start=1):
        window = Window.from_json(each)
        try:
            walk = partial(_walk, window, routine=not span["manual"])
            walked = run.step(f"fetch-ocds-releases-{number}", walk)
        except inngest.StepError as problem:
            problems.append(f"the list from {window.first} to {window.last} was not read: {problem.message}")
            break
        if walked["problem"]:
            problems.append(walked["problem"])
        else:
            listed.append({**each, "found": walked["found"]})
    return {"windows": listed, "problems": problems}


def _walk(window: Window, step: Step, *, routine: bool) -> Json:
    return listing.walk(step, window, routine=routine)


def _fetch_portal_rows(run: Recorder) -> str | None:
    """Step `fetch-portal-rows`; why the open bucket was not read or not believed, or None."""
    try:
        looked = run.step("fetch-portal-rows", looking.look_at_bucket)
    except inngest.StepError as problem:
        return f"the portal was not read: {problem.message}"
    problem_seen: str | None = looked["problem"]
    return None if problem_seen is None else f"the portal was not believed: {problem_seen}"


def _fetch_missing_releases(run: Recorder, budget: int) -> Json:
    """Steps `fetch-missing-releases-<n>`: a batch each, until nothing is due or the run's budget is spent."""
    number, left = 1, budget
    while True:
        step = partial(_fetch_batch, first=number == 1, budget=left)
        try:
            done = run.step(f"fetch-missing-releases-{number}", step)
        except inngest.StepError as problem:
            return {"problems": [f"releases could not be fetched: {problem.message}"]}
        left -= done["asked"]
        number += 1
        if left <= 0 or not done["more"]:
            return {"problems": []}


def _fetch_batch(step: Step, *, first: bool, budget: int) -> Json:
    return fetching.fetch_missing(step, first=first, budget=budget)


def update_sync_state(span: Json, listed: list[Json], step: Step) -> Json:
    """Judge the days, and move the cursor over those proven complete; a manual window never moves it."""
    resources = step.resources
    problems = listing.doubt_silence(step, listed, routine=not span["manual"])
    now = resources.clock()
    with resources.engine.begin() as conn:
        closed = saving.close_passed(conn, now=now)
        cursor = sync_state.cursor(conn)
        start = date.fromisoformat(span["start"])
        since = min(cursor or start, start) + timedelta(days=1)
        incomplete = coverage.judge_days(conn, since, date.fromisoformat(span["window"]["to"]), now=now)
        if not span["manual"]:
            cursor = coverage.advance(conn, start, now=now, job_id=step.job_id)
        recent = resources.limits.recent_days(day_of(now))
        waiting = coverage.due_for_background(conn, now=now)
        waiting += identifiers.count_between(conn, since=recent, until=day_of(now))
        busy = jobs.is_active(conn, "history-backfill")
        facts = {"cursor": cursor.isoformat() if cursor else None, "closedByClock": closed}
        jobs.add_metadata(conn, step.job_id, facts)
    return {
        **facts,
        "problems": problems,
        "incompleteDays": len(incomplete),
        "waiting": waiting,
        "handOver": waiting > 0 and not busy,
    }
