"""The first page: is the data fresh and complete; if not, why; and what to press."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app import health
from app.dependencies import Reading, TheRuntime
from app.freshness import verdict
from app.pages.charts import columns, days_before
from app.pages.templates import page
from db import console, jobs
from db.clock import SOUTH_AFRICA
from db.coverage import summary

router = APIRouter(include_in_schema=False)

_KIND_OF_STATUS = {
    "SUCCESS": "good",
    "PARTIAL": "warn",
    "CANCELLED": "warn",
    "FAILED": "bad",
    "CRASHED": "bad",
}
_JOB_WORDS = {"good": "succeeded", "warn": "partial or cancelled", "bad": "failed or crashed"}


@router.get("/admin")
def overview(request: Request, runtime: TheRuntime, connection: Reading) -> HTMLResponse:
    """Everything here is computed from the database at this moment."""
    now = runtime.clock()
    today = now.astimezone(SOUTH_AFRICA).date()
    facts = health.facts(connection, runtime)
    published = console.published_per_day(connection, now=now)
    return page(
        request,
        "overview.html",
        facts=facts,
        verdict=verdict(facts, now),
        running=_running(connection),
        week=console.week_of_syncs(connection, now=now),
        job_columns=columns(days_before(today, 7), _job_stacks(connection, now), _JOB_WORDS),
        tender_columns=columns(
            days_before(today, 14),
            {day: {"good": count} for day, count in published.items()},
            {"good": "published"},
        ),
        coverage=summary(connection),
        enrichment=console.enrichment_counts(connection),
        reasons=console.enrichment_reasons(connection, limit=5),
        hosts=console.hosts(connection),
    )


def _running(connection: sa.Connection) -> list[jobs.Job]:
    found = (jobs.get(connection, row[0]) for row in console.active_digest(connection)[:20])
    return [job for job in found if job is not None]


def _job_stacks(connection: sa.Connection, now: Any) -> dict[date, dict[str, int]]:
    stacks: dict[date, dict[str, int]] = {}
    for row in console.days_of_jobs(connection, now=now):
        kind = _KIND_OF_STATUS.get(row.status)
        if kind is not None:
            stack = stacks.setdefault(row.day, {})
            stack[kind] = stack.get(kind, 0) + row.jobs
    return stacks
