"""The first page: is the data fresh and complete; if not, why; and what to press."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app import health
from app.dependencies import TheRuntime, snapshot
from app.freshness import verdict
from app.pages import durable
from app.pages.charts import bar, columns, days_before
from app.pages.shared import live
from app.pages.templates import page
from app.runtime import Runtime
from db import console, job_log
from db.clock import SOUTH_AFRICA
from db.coverage import expected

router = APIRouter(include_in_schema=False)

RUNNING = 20
_KIND_OF_STATUS = {
    "SUCCESS": "good",
    "PARTIAL": "warn",
    "CANCELLED": "warn",
    "FAILED": "bad",
    "CRASHED": "bad",
}
_JOB_WORDS = {"good": "succeeded", "warn": "partial or cancelled", "bad": "failed or crashed"}
_FILL = {"enriched": "good", "pending": "busy", "not_listed": "wait", "failed": "bad"}


@router.get("/admin")
def overview(request: Request, runtime: TheRuntime) -> HTMLResponse:
    """Everything here is computed from the database at this moment."""
    now = runtime.clock()
    state = live(request, runtime, lambda: _look(runtime, now))
    return page(request, "overview.html", verdict=verdict(state["facts"], now), **state)


def _look(runtime: Runtime, now: datetime) -> dict[str, Any]:
    today = now.astimezone(SOUTH_AFRICA).date()
    with snapshot(runtime) as connection:
        published = console.published_per_day(connection, now=now)
        running = job_log.active(connection, limit=RUNNING + 1)
        enrichment = console.enrichment_counts(connection)
        return {
            "facts": health.facts(connection, runtime),
            "running": running[:RUNNING],
            "more_running": len(running) > RUNNING,
            "wakes": durable.wakes(connection, running),
            "week": console.week_of_syncs(connection, now=now),
            "job_columns": columns(
                days_before(today, 7), _job_stacks(connection, now=now, today=today), _JOB_WORDS
            ),
            "tender_columns": columns(
                days_before(today, 14),
                {day: {"good": count} for day, count in published.items()},
                {"good": "published"},
            ),
            "expected": expected(connection),
            "enrichment": enrichment,
            "fill": bar({kind: enrichment[name] for name, kind in _FILL.items()}),
            "reasons": console.enrichment_reasons(connection, limit=5),
            "counted": console.COUNTED,
            "hosts": console.hosts(connection),
        }


def _job_stacks(connection: sa.Connection, *, now: datetime, today: date) -> dict[date, dict[str, int]]:
    stacks: dict[date, dict[str, int]] = {}
    for row in console.days_of_jobs(connection, now=now):
        kind = _KIND_OF_STATUS.get(row.status)
        if kind is not None:
            # A job may be dated ahead, by a clock that has been set back since.
            stack = stacks.setdefault(min(row.day, today), {})
            stack[kind] = stack.get(kind, 0) + row.jobs
    return stacks
