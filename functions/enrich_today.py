"""enrich-today: enrich now what was published today and is not enriched yet, and what is due for another try."""

from __future__ import annotations

from functools import partial
from typing import Any

import inngest

from functions import looking
from functions.closing import close_work, on_failure
from functions.enriching import Manner, configure_today, enrich, save_to_database
from functions.events import ENRICH_TODAY, EnrichTodayRequested
from functions.gate import spaced
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="enrich-today", type="ENRICHMENT_TODAY", retries=2)


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `enrich-today`; at most two at a time."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerEvent(event=ENRICH_TODAY),
        retries=KIND.retries,
        concurrency=[inngest.Concurrency(limit=2)],
        on_failure=on_failure(resources, KIND),
    )
    def enrich_today(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, _ = run.open(EnrichTodayRequested)
        limit = request.max_enrichment
        manner = Manner(limit=resources.limits.max_enrichment_per_run if limit is None else limit)
        looked = run.step("fetch-portal-rows", partial(_look, request.rate_limit))
        plan = run.step("configure-enrichment", configure_today(manner))
        enriched = enrich(run, plan, manner)
        saved = run.step("save-to-database", save_to_database(manner))
        problems = [*([looked["problem"]] if looked["problem"] else []), *enriched["problems"]]
        return close_work(run, of_work(problems, done=f"{saved['enriched']} tenders enriched"))

    return enrich_today


def _look(rate_limit: int | None, step: Step) -> Json:
    with spaced(rate_limit):
        return looking.look_at_bucket(step)
