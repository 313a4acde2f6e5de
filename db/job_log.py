"""The job log for its readers: pages of jobs, one job with its steps, how jobs have been doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.clock import iso
from db.jobs_tables import ACTIVE, COUNTS, STATUSES, job_effects, job_steps, jobs


@dataclass(frozen=True, kw_only=True)
class JobStep:
    """One step of a job as people see it: the last attempt's times, how many attempts, the last error."""

    name: str
    run_id: str
    status: str
    attempts: int
    started_at: datetime
    attempt_started_at: datetime
    finished_at: datetime | None
    error: dict[str, str] | None
    output: Any

    def to_json(self) -> dict[str, Any]:
        """CONTRACT's step JSON; times with +02:00."""
        return {
            "name": self.name,
            "status": self.status,
            "attempts": self.attempts,
            "startedAt": iso(self.started_at),
            "finishedAt": iso(self.finished_at),
            "durationMs": _milliseconds(self.attempt_started_at, self.finished_at),
            "error": self.error,
            "output": self.output,
            "runId": self.run_id,
        }


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job. `metadata` already contains counts, executions and duration; `steps` only if asked for."""

    id: str
    type: str
    status: str
    function_id: str
    run_id: str
    event_id: str | None
    actor: str | None
    parameters: dict[str, Any]
    started_at: datetime
    finished_at: datetime | None
    heartbeat_at: datetime
    cancel_requested_at: datetime | None
    note: str | None
    error: dict[str, str] | None
    progress: dict[str, Any] | None
    metadata: dict[str, Any]
    steps: Sequence[JobStep] = field(default=())

    @property
    def active(self) -> bool:
        """Whether it still has something to do."""
        return self.status in ACTIVE

    def to_json(self) -> dict[str, Any]:
        """CONTRACT's job JSON; times with +02:00."""
        return {
            "id": self.id,
            "type": self.type,
            "status": self.status,
            "startedAt": iso(self.started_at),
            "finishedAt": iso(self.finished_at),
            "cancelRequestedAt": iso(self.cancel_requested_at),
            "note": self.note,
            "error": self.error,
            "progress": self.progress,
            "steps": [step.to_json() for step in self.steps],
            "metadata": self.metadata,
        }


def page(
    conn: sa.Connection,
    *,
    limit: int,
    type: str | None = None,  # noqa: A002 - the word of the JSON
    status: str | None = None,
    trigger: str | None = None,
    text: str | None = None,
    before: str | None = None,
) -> list[Job]:
    """The newest jobs, without their steps; `before` is the last job of the page before.

    `text` is looked for in ids, notes and errors.
    """
    query = _SELECT.order_by(jobs.c.started_at.desc(), jobs.c.id.desc()).limit(limit)
    if type is not None:
        query = query.where(jobs.c.type == type)
    if status is not None:
        query = query.where(jobs.c.status == status)
    if trigger is not None:
        query = query.where(jobs.c.triggered_by == trigger)
    if text is not None:
        columns = (
            jobs.c.id,
            jobs.c.run_id,
            jobs.c.event_id,
            jobs.c.note,
            jobs.c.error_name,
            jobs.c.error_message,
        )
        query = query.where(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if before is not None:
        last = sa.select(jobs.c.started_at, jobs.c.id).where(jobs.c.id == before)
        query = query.where(sa.tuple_(jobs.c.started_at, jobs.c.id) < last.scalar_subquery())
    return [_job(row) for row in conn.execute(query)]


def get(conn: sa.Connection, job_id: str) -> Job | None:
    """One job with its steps, in the order of their start."""
    row = conn.execute(_SELECT.where(jobs.c.id == job_id)).first()
    if row is None:
        return None
    steps = conn.execute(
        sa.select(job_steps)
        .where(job_steps.c.job_id == job_id)
        .order_by(job_steps.c.started_at, job_steps.c.name)
    )
    return _job(row, tuple(_step(step) for step in steps))


def get_brief(conn: sa.Connection, job_id: str) -> Job:
    """One job that exists, without its steps."""
    return _job(conn.execute(_SELECT.where(jobs.c.id == job_id)).one())


def statistics(conn: sa.Connection, *, now: datetime) -> dict[str, Any]:
    """How jobs have been doing: counts by status over a day and a week, durations, and the last good sync."""
    rows = conn.execute(
        sa.select(
            jobs.c.type,
            jobs.c.status,
            sa.func.count().label("week"),
            sa.func.count().filter(jobs.c.started_at >= now - timedelta(days=1)).label("day"),
            sa.func.percentile_cont(0.5)
            .within_group(sa.extract("epoch", jobs.c.finished_at - jobs.c.started_at))
            .label("median_seconds"),
        )
        .where(jobs.c.started_at >= now - timedelta(days=7))
        .group_by(jobs.c.type, jobs.c.status)
    ).all()
    active = conn.execute(sa.select(sa.func.count()).select_from(jobs).where(unfinished())).scalar_one()
    last_sync = conn.execute(
        sa.select(jobs.c.finished_at)
        .where(jobs.c.type == "DELTA_SYNC", jobs.c.status.in_(("SUCCESS", "PARTIAL")))
        .order_by(jobs.c.started_at.desc())
        .limit(1)
    ).scalar()
    day = dict.fromkeys(STATUSES, 0)
    week = dict.fromkeys(STATUSES, 0)
    for row in rows:
        day[row.status] += row.day
        week[row.status] += row.week
    ended = sum(week[status] for status in ("SUCCESS", "PARTIAL", "FAILED", "CRASHED"))
    return {
        "last24Hours": day,
        "last7Days": week,
        "active": active,
        "successRate": round(week["SUCCESS"] / ended, 4) if ended else None,
        "medianSeconds": {
            f"{row.type}": round(float(row.median_seconds), 3)
            for row in rows
            if row.status == "SUCCESS" and row.median_seconds is not None
        },
        "lastSyncAt": iso(last_sync),
    }


def unfinished() -> sa.ColumnElement[bool]:
    """The job has still something to do."""
    # Literals, so that the planner sees that the partial index of active jobs fits.
    return jobs.c.status.in_([sa.literal_column(f"'{status}'") for status in ACTIVE])


_counts = (
    sa.select(*(sa.func.coalesce(sa.func.sum(job_effects.c[name]), 0).label(name) for name in COUNTS))
    .where(job_effects.c.job_id == jobs.c.id)
    .lateral("counts")
)
_executions = (
    sa.select(
        sa.func.coalesce(sa.func.sum(job_steps.c.attempts), 0).label("attempts"),
        sa.func.greatest(sa.func.count(sa.distinct(job_steps.c.run_id)), 1).label("runs"),
    )
    .where(job_steps.c.job_id == jobs.c.id)
    .lateral("executed")
)
_SELECT = sa.select(jobs, _counts, _executions).select_from(
    jobs.join(_counts, sa.true()).join(_executions, sa.true())
)


def _milliseconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else int((end - start) / timedelta(milliseconds=1))


def error_of(row: sa.Row[Any]) -> dict[str, str] | None:
    """The error that a job's or step's row carries: kind, name, message."""
    if row.error_kind is None:
        return None
    return {"kind": row.error_kind, "name": row.error_name, "message": row.error_message}


def _job(row: sa.Row[Any], steps: Sequence[JobStep] = ()) -> Job:
    found: dict[str, Any] = {
        **row.metadata,
        "source": row.source,
        "triggeredBy": row.triggered_by,
        "runId": row.run_id,
        "eventId": row.event_id,
        "recordsProcessed": row.processed,
        "recordsAdded": row.added,
        "recordsUpdated": row.updated,
        "recordsUnchanged": max(0, row.processed - row.added - row.updated - row.rejected),
        "recordsRejected": row.rejected,
        "enrichmentCount": row.enriched + row.enrichment_failed + row.enrichment_pending,
        "enrichmentSuccess": row.enriched,
        "enrichmentFailures": row.enrichment_failed,
        "enrichmentPending": row.enrichment_pending,
        "executions": row.runs + row.attempts,
        "durationMs": _milliseconds(row.started_at, row.finished_at),
    }
    return Job(
        id=row.id,
        type=row.type,
        status=row.status,
        function_id=row.function_id,
        run_id=row.run_id,
        event_id=row.event_id,
        actor=row.actor,
        parameters=row.parameters,
        started_at=row.started_at,
        finished_at=row.finished_at,
        heartbeat_at=row.heartbeat_at,
        cancel_requested_at=row.cancel_requested_at,
        note=row.note,
        error=error_of(row),
        progress=row.progress,
        metadata=found,
        steps=steps,
    )


def _step(row: sa.Row[Any]) -> JobStep:
    return JobStep(
        name=row.name,
        run_id=row.run_id,
        status=row.status,
        attempts=row.attempts,
        started_at=row.started_at,
        attempt_started_at=row.attempt_started_at,
        finished_at=row.finished_at,
        error=error_of(row),
        output=row.output,
    )
