"""history-backfill: fetch a range of identifiers, or everything that is awaited, one polite batch after the other.

A long history goes on in another run, under the same job, before any engine's limits are near. Where it stands is
known at every moment, so that it can be paused, stopped and taken up again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import inngest

from db import history, identifiers, jobs
from db.clock import iso
from db.identifiers import Due
from functions import fetching, listing
from functions.closing import close_work, on_failure
from functions.enriching import Manner, configure_pending, enrich, save_fetched, save_to_database
from functions.events import HISTORY_BACKFILL, MAX_ENRICHMENT, HistoryBackfillRequested
from functions.gate import background
from functions.listing import Window
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work
from ocds.dates import day_of
from ocds.ids import ocid_of

KIND = Kind(function_id="history-backfill", type="HISTORY_BACKFILL", retries=4, beside="queue")

_LONGEST_WAIT = timedelta(minutes=15)
_WEEK = 7


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `history-backfill`. One at a time: a second one is QUEUED until the first has ended."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerEvent(event=HISTORY_BACKFILL),
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def history_backfill(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, _ = run.open(HistoryBackfillRequested, continuing=_continued(ctx.event))
        problems = _list_ends(run, request)
        task = run.step("determine-range", partial(_determine, request))
        if task["note"]:
            return close_work(run, of_work([*problems, task["note"]], done=""))
        at = task["position"]
        for number in range(1, resources.limits.history_steps_per_run + 1):
            try:
                done = run.step(f"fetch-releases-{number}", partial(fetch_batch, task, at))
            except inngest.StepError as problem:
                problems.append(f"releases could not be fetched: {problem.message}")
                break
            at = done["position"]
            if done["until"]:
                # By the clock that found what is due, not by the SDK's.
                ctx.step.sleep_until(f"wait-{number}", datetime.fromisoformat(done["until"]))
            elif done["finished"]:
                problems += [done["note"]] if done["note"] else []
                break
        else:
            return _continue(run, request, task, at)
        manner = Manner(limit=MAX_ENRICHMENT, tells=False)
        plan = run.step("configure-enrichment", configure_pending(manner, first=None, last=None))
        if plan["tenders"]:
            enriched = enrich(run, plan, manner)
            problems += enriched["problems"]
            run.step("save-to-database", save_to_database(manner))
        return close_work(run, of_work(problems, done="everything that the source gives is there"))

    return history_backfill


def _list_ends(run: Recorder, request: HistoryBackfillRequested) -> list[str]:
    """Steps `fetch-ocds-releases-<n>` of a range of days: list its first and last week, which shows between which
    identifiers it lies. What lies between is then asked for by identifier, which no list can lose."""
    problems: list[str] = []
    if not (request.from_date or request.to_date):
        return problems
    found = run.step("determine-days", partial(_determine_days, request))
    for number, each in enumerate(found["windows"], start=1):
        window = Window.from_json(each)
        try:
            run.step(f"fetch-ocds-releases-{number}", partial(_list, window))
        except inngest.StepError as problem:
            problems.append(f"the list from {window.first} to {window.last} was not read: {problem.message}")
    return problems


def _determine_days(request: HistoryBackfillRequested, step: Step) -> Json:
    first, last = _days(request, day_of(step.resources.clock()))
    days = {
        *(first + timedelta(days=number) for number in range(_WEEK)),
        *(last - timedelta(days=number) for number in range(_WEEK)),
    }
    within = [day for day in days if first <= day <= last]
    made = listing.windows(within, longest=step.resources.limits.window_days)
    return {"windows": [window.to_json() for window in made]}


def _days(request: HistoryBackfillRequested, today: date) -> tuple[date, date]:
    last = min(request.to_date or today, today)
    return request.from_date or last, last


def _list(window: Window, step: Step) -> Json:
    with background():
        walked = listing.walk(step, window, routine=False)
    save_fetched(step)
    return walked


def _continued(event: inngest.Event) -> str | None:
    job_id = event.data.get("jobId")
    return job_id if isinstance(job_id, str) else None


def _continue(run: Recorder, request: HistoryBackfillRequested, task: Json, at: int) -> Json:
    """Hand the job on to another run."""
    leg = request.leg + 1
    span = task["range"]
    data: Json = {"jobId": run.job_id, "position": at, "leg": leg}
    if span:
        data |= {"fromId": span["first"], "toId": span["last"]}
    event = inngest.Event(name=HISTORY_BACKFILL, data=data, id=f"{run.job_id}-leg-{leg}")
    run.ctx.step.send_event("continue-in-another-run", event)
    return {"status": "RUNNING", "jobId": run.job_id, "continuesIn": leg}


def _determine(request: HistoryBackfillRequested, step: Step) -> Json:
    """The range of identifiers, or None for everything awaited."""
    resources = step.resources
    now = resources.clock()
    with resources.engine.begin() as conn:
        span = None
        note = None
        if request.from_date or request.to_date:
            first, last = _days(request, day_of(now))
            span = history.range_of_days(conn, first, last)
            if span is None:
                note = f"nothing is known to have been published from {first} to {last}"
        elif request.from_id or request.to_id:
            span = (request.from_id or 1, request.to_id or identifiers.highest(conn))
            if span[0] > span[1]:
                note = f"fromId {span[0]} is above the highest known identifier, {span[1]}; give toId as well"
                span = None
        shown = None if span is None else {"first": span[0], "last": span[1]}
        jobs.add_metadata(conn, step.job_id, {"range": shown})
        if span is None:
            today = day_of(now)
            identifiers.add_between(conn, since=resources.limits.recent_days(today), until=today, now=now)
            total = history.count_open(conn, now=now)
        else:
            total = span[1] - span[0] + 1
    position = request.position or (span[0] if span else 0)
    return {"range": shown, "position": position, "total": total, "note": note}


def fetch_batch(task: Json, at: int, step: Step) -> Json:
    """Fetch and save one batch; where the next one begins, whether to wait, and whether this was the last."""
    resources, limits = step.resources, step.resources.limits
    now = resources.clock()
    span = task["range"]
    with resources.engine.begin() as conn:
        if history.is_paused(conn):
            note = f"paused at identifier {at}" if span else "paused"
            return {"position": at, "finished": True, "until": None, "note": note, "asked": 0}
        if span:
            numbers = history.due_in_range(
                conn, first=max(at, span["first"]), last=span["last"], limit=limits.history_batch, now=now
            )
            wanted = [Due(n, ocid_of(n), expected=False) for n in numbers]
        else:
            wanted = history.due(conn, limit=limits.history_batch, now=now)
    try:
        with background():
            counts = fetching.fetch(step, wanted)
    finally:
        save_fetched(step)
    with resources.engine.begin() as conn:
        _progress(conn, step, task, wanted)
        position, until = 0, None
        finished = len(wanted) < limits.history_batch
        if span:
            position = wanted[-1].n + 1 if wanted else span["last"] + 1
        elif finished:
            until = _until(history.next_due_at(conn), now)
            finished = until is None
        return {
            "asked": len(wanted),
            "fetched": counts["fetched"],
            "holes": counts["holes"],
            "failed": counts["failed"],
            "position": position,
            "finished": finished,
            "until": iso(until),
            "note": _unanswered(conn, span) if finished else None,
        }


def _unanswered(conn: Any, span: Json | None) -> str | None:
    """What the source has not said yet, for the job's note."""
    if span:
        count = history.count_unanswered(conn, first=span["first"], last=span["last"])
    else:
        count = history.count_expected_unanswered(conn)
    return f"identifiers without a proper answer: {count}; they are asked for again" if count else None


def _until(due: datetime | None, now: datetime) -> datetime | None:
    """When something is due again, a moment ahead at least; None when that is too far away to wait for."""
    if due is None or due - now > _LONGEST_WAIT:
        return None
    return max(due, now) + timedelta(seconds=1)


def _progress(conn: Any, step: Step, task: Json, wanted: list[Due]) -> None:
    now = step.resources.clock()
    job = jobs.get_brief(conn, step.job_id)
    span = task["range"]
    if span:
        done = (wanted[-1].n if wanted else span["last"]) - span["first"] + 1
        total = task["total"]
    else:
        left = history.count_open(conn, now=now)
        total = max(task["total"], left)
        done = total - left
    elapsed = (now - job.started_at).total_seconds()
    left_seconds = round(elapsed / done * (total - done)) if done else None
    progress = {
        "done": done,
        "total": total,
        "position": wanted[-1].n if wanted else None,
        "etaSeconds": left_seconds,
    }
    jobs.set_progress(conn, step.job_id, progress, now=now)
