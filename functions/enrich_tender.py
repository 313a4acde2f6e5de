"""enrich-tender: make one tender anew; with `force`, from what both sources say now."""

from __future__ import annotations

from functools import partial
from typing import Any

import inngest

from db import identifiers, staging
from db.identifiers import Due, Sighting
from functions import fetching, looking
from functions.closing import close_work, on_failure
from functions.enriching import Manner, enrich, save_to_database
from functions.events import ENRICH, EnrichRequested
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work
from ocds.ids import number_of

KIND = Kind(function_id="enrich-tender", type="ENRICHMENT_MANUAL", retries=3)
_MANNER = Manner(limit=1)


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `enrich-tender`."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=inngest.TriggerEvent(event=ENRICH),
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def enrich_tender(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, _ = run.open(EnrichRequested)
        known = run.step("look-tender-up", partial(_look_up, request.ocid))
        problems: list[str] = []
        if request.force or not known["enriched"]:
            looked = run.step("fetch-portal-rows", looking.look_at_bucket)
            problems += [looked["problem"]] if looked["problem"] else []
        if request.force or not known["held"]:
            found = run.step("fetch-release", partial(_fetch, request.ocid))
            if not found["fetched"] and not known["held"]:
                problems.append(f"the source gave no release of {request.ocid}")
        plan = run.step("configure-enrichment", partial(_plan, request.ocid))
        enriched = enrich(run, plan, _MANNER)
        run.step("save-to-database", save_to_database(_MANNER))
        return close_work(
            run, of_work([*problems, *enriched["problems"]], done=f"{request.ocid} is up to date")
        )

    return enrich_tender


def _number(ocid: str) -> int:
    number = number_of(ocid)
    if number is None:
        message = f"{ocid} is not an ocid of eTenders"
        raise inngest.NonRetriableError(message)
    return number


def _look_up(ocid: str, step: Step) -> Json:
    with step.resources.engine.begin() as conn:
        entry = identifiers.get(conn, _number(ocid))
        sources = staging.sources_of(conn, [_number(ocid)])
    return {
        "held": bool(entry and entry["release_hash"]),
        "enriched": any(source.was_enriched for source in sources),
    }


def _fetch(ocid: str, step: Step) -> Json:
    number = _number(ocid)
    counts = fetching.fetch(step, [Due(number, ocid, expected=True)], most_in_a_row=1)
    if counts["fetched"]:
        with step.resources.engine.begin() as conn:
            sighting = Sighting(number, ocid, None)
            identifiers.expect(conn, [sighting], by="probe", now=step.resources.clock())
    return {name: counts[name] for name in ("fetched", "holes", "rejected")}


def _plan(ocid: str, step: Step) -> Json:
    with step.resources.engine.begin() as conn:
        return dict(staging.plan_one(conn, step.job_id, _number(ocid)))
