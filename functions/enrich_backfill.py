"""enrich-backfill: enrich what is not enriched of a range of publication days, from every bucket of the portal."""

from __future__ import annotations

from functools import partial
from typing import Any

import inngest

from enrichment.client import AWARDED, CANCELLED, CLOSED, PUBLISHED
from functions import looking
from functions.closing import close_work, on_failure
from functions.enriching import Manner, configure_pending, enrich, save_to_database
from functions.events import ENRICH_BACKFILL, EnrichBackfillRequested
from functions.gate import background, spaced
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="enrich-backfill", type="ENRICHMENT_BACKFILL", retries=3, beside="skip")

_BUCKETS = {"published": PUBLISHED, "awarded": AWARDED, "closed": CLOSED, "cancelled": CANCELLED}


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `enrich-backfill`. One at a time: an overlapping one is recorded as SKIPPED."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerEvent(event=ENRICH_BACKFILL),
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def enrich_backfill(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, goes_on = run.open(EnrichBackfillRequested)
        if not goes_on:
            return {"status": "SKIPPED", "jobId": run.job_id}
        problems: list[str] = []
        for name, bucket in _BUCKETS.items():
            try:
                looked = run.step(f"fetch-portal-rows-{name}", partial(_look, bucket, request.rate_limit))
            except inngest.StepError as problem:
                problems.append(f"the bucket of {name} tenders was not read: {problem.message}")
                continue
            if looked["problem"]:
                problems.append(f"the bucket of {name} tenders was not believed: {looked['problem']}")
        manner = Manner(limit=request.max_enrichment)
        days = {"first": request.from_date, "last": request.to_date}
        plan = run.step("configure-enrichment", configure_pending(manner, **days))
        enriched = enrich(run, plan, manner)
        saved = run.step("save-to-database", save_to_database(manner))
        verdict = of_work([*problems, *enriched["problems"]], done=f"{saved['enriched']} tenders enriched")
        return close_work(run, verdict)

    return enrich_backfill


def _look(bucket: int, rate_limit: int | None, step: Step) -> Json:
    with background(), spaced(rate_limit):
        return looking.look_at_bucket(step, bucket)
