"""cleanup-jobs: close dead jobs and tenders whose time has passed, and forget what has been kept long enough."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import inngest

from db import jobs, retention, saving, tallies
from functions.closing import close_work, on_failure
from functions.events import CLEANUP, CleanupRequested
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="cleanup-jobs", type="CLEANUP", retries=2)
CRON = "17 * * * *"
_MOST_BATCHES = 50


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
        run.step("close-passed-tenders", _close_passed)
        run.step("forget-old-rows", _forget)
        return close_work(run, of_work([], done=_closed(len(closed["crashed"]))))

    return cleanup_jobs


def _closed(count: int) -> str:
    return "1 dead job closed" if count == 1 else f"{count} dead jobs closed"


def _close_dead(minutes: int, step: Step) -> Json:
    """A job is dead when it has shown no sign of life for so long; a healthy one beats every few seconds."""
    with step.resources.engine.begin() as conn:
        crashed = jobs.close_dead(conn, silent_for=timedelta(minutes=minutes), now=step.resources.clock())
    return {"crashed": crashed}


def _close_passed(step: Step) -> Json:
    """A sync does so as well; but a tender closes by the clock, also while no source answers."""
    with step.resources.engine.begin() as conn:
        return {"closed": saving.close_passed(conn, now=step.resources.clock())}


def _forget(step: Step) -> Json:
    """Batch by batch, and only so many of them in one run: the next one goes on."""
    resources = step.resources
    limits = resources.limits
    rules = retention.rules(
        jobs_kept=timedelta(days=limits.jobs_kept_days), audit_kept=timedelta(days=limits.audit_kept_days)
    )
    gone = dict.fromkeys(rules, 0)
    for name, rule in rules.items():
        for _ in range(_MOST_BATCHES):
            step.beat()
            with resources.engine.begin() as conn:
                rows, more = retention.forget(
                    conn, rule, batch=limits.housekeeping_batch, now=resources.clock()
                )
            gone[name] += rows
            if not more:
                break
    with resources.engine.begin() as conn:
        tallies.fold(conn)
    return {name: rows for name, rows in gone.items() if rows}
