"""cleanup-jobs: close jobs that have died, and forget what has been kept long enough."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import inngest

from db import jobs, portal_rows, staging
from functions.closing import close_work, on_failure
from functions.events import CLEANUP, CleanupRequested
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="cleanup-jobs", type="CLEANUP", retries=2)
CRON = "17 * * * *"


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `cleanup-jobs`, every hour and on request."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=[inngest.TriggerCron(cron=CRON), inngest.TriggerEvent(event=CLEANUP)],
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def cleanup_jobs(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        request, _ = run.open(CleanupRequested)
        closed = run.step("close-dead-jobs", partial(_close_dead, request.timeout_minutes))
        run.step("forget-old-rows", _forget)
        return close_work(run, of_work([], done=f"{len(closed['crashed'])} dead jobs closed"))

    return cleanup_jobs


def _close_dead(minutes: int, step: Step) -> Json:
    """A job is dead when it has shown no sign of life for so long; a healthy one beats every few seconds."""
    with step.resources.engine.begin() as conn:
        crashed = jobs.close_dead(conn, silent_for=timedelta(minutes=minutes), now=step.resources.clock())
    return {"crashed": crashed}


def _forget(step: Step) -> Json:
    resources = step.resources
    now = resources.clock()
    with resources.engine.begin() as conn:
        return {
            "staged": staging.discard_of_ended_jobs(conn, before=now - timedelta(days=1)),
            "snapshots": portal_rows.prune_snapshots(conn, now=now),
            "jobs": jobs.prune(conn, before=now - timedelta(days=resources.limits.jobs_kept_days)),
        }
