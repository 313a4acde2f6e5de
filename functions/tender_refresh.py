"""tender-refresh: visit known tenders again, for what neither list nor open bucket tells: closing, awards, re-dating.

How often depends on age: daily while a tender is open, then ever more rarely until two years after its closing.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import inngest

from db import refreshing
from db.identifiers import Due
from enrichment.client import AWARDED, CANCELLED, CLOSED
from functions import fetching, looking
from functions.closing import close_work, on_failure
from functions.enriching import Manner, configure_changes, enrich, save_to_database
from functions.events import Request
from functions.gate import background
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="tender-refresh", type="TENDER_REFRESH", retries=3, beside="skip")
CRON = "TZ=Africa/Johannesburg 22 2 * * *"

_BUCKETS = {"awarded": AWARDED, "closed": CLOSED, "cancelled": CANCELLED}


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `tender-refresh`, every night."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerCron(cron=CRON),
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def tender_refresh(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        _, goes_on = run.open(Request)
        if not goes_on:
            return {"status": "SKIPPED", "jobId": run.job_id}
        problems: list[str] = []
        for name, bucket in _BUCKETS.items():
            try:
                looked = run.step(f"fetch-portal-rows-{name}", partial(_look, bucket))
            except inngest.StepError as problem:
                problems.append(f"the bucket of {name} tenders was not read: {problem.message}")
                continue
            if looked["problem"]:
                problems.append(f"the bucket of {name} tenders was not believed: {looked['problem']}")
        run.step("choose-tenders", _choose)
        budget = resources.limits.max_release_fetch_per_run
        number = 1
        failed = 0
        while budget > 0:
            try:
                done = run.step(f"fetch-releases-{number}", partial(_fetch, budget))
            except inngest.StepError as problem:
                problems.append(f"releases could not be fetched: {problem.message}")
                break
            budget -= done["asked"]
            failed += done["failed"]
            number += 1
            if not done["more"]:
                break
        if failed:
            problems.append(f"releases without a proper answer: {failed}; the next sync asks for them again")
        manner = Manner(limit=resources.limits.max_enrichment_per_run)
        plan = run.step("configure-enrichment", configure_changes(manner))
        problems += enrich(run, plan, manner)["problems"]
        saved = run.step("save-to-database", save_to_database(manner))
        return close_work(run, of_work(problems, done=f"{saved['updated']} tenders changed"))

    return tender_refresh


def _look(bucket: int, step: Step) -> Json:
    with background():
        return looking.look_at_bucket(step, bucket)


def _choose(step: Step) -> Json:
    with step.resources.engine.begin() as conn:
        return {"scheduled": refreshing.schedule(conn, now=step.resources.clock())}


def _fetch(budget: int, step: Step) -> Json:
    resources = step.resources
    with resources.engine.begin() as conn:
        limit = min(budget, resources.limits.release_batch)
        wanted: list[Due] = refreshing.due(conn, limit=limit, now=resources.clock())
    with background():
        counts = fetching.fetch(step, wanted)
    with resources.engine.begin() as conn:
        numbers = [due.n for due in wanted]
        refreshing.visited(conn, numbers, now=resources.clock())
    return {
        "asked": len(wanted),
        "fetched": counts["fetched"],
        "failed": counts["failed"],
        "more": len(wanted) == limit,
    }
