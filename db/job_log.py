"""The job log for its readers: pages of jobs, one job with its steps, how jobs have been doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from db.clock import iso
from db.jobs_tables import (
    ACTIVE,
    COUNTS,
    JOB_TOOK,
    JOB_WORDS,
    STATUSES,
    WORD_CUTS,
    job_effects,
    job_steps,
    jobs,
)

BEGINNING = 5
"""A word of so many letters finds words that begin with it; a shorter one only itself."""


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

    @property
    def waits_until(self) -> datetime | None:
        """Until when its newest step has said that the job waits."""
        said = self.steps[-1].output if self.steps else None
        until = said.get("until") if isinstance(said, dict) else None
        return datetime.fromisoformat(until) if until else None

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


_CHOSEN_BY = ("id", "type", "status", "triggered_by", "started_at", "finished_at")
Order = Literal["newest", "oldest", "longest", "shortest"]


def page(
    conn: sa.Connection,
    *,
    limit: int,
    type: str | None = None,  # noqa: A002 - the word of the JSON
    status: str | None = None,
    trigger: str | None = None,
    text: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    order: Order = "newest",
    before: str | None = None,
) -> list[Job]:
    """Jobs in this order, without their steps; `before` is the last job of the page before.

    `text`: every word of it is a word of the job's ids, note or error, or begins one if it has `BEGINNING` letters.
    `since` includes its instant, `until` does not. By duration, jobs that have not ended are left out.
    """
    source: sa.FromClause = jobs
    if text is not None:
        words = _words(text)
        if words is None:
            return []
        # Found by their index first, then narrowed and put in order: the planner takes seldom words for common ones.
        matches = sa.literal_column(JOB_WORDS).op("@@", return_type=sa.Boolean())(words)
        needed = (jobs.c[name] for name in _CHOSEN_BY)
        found = sa.select(*needed).where(matches).cte("found")
        source = found.prefix_with("MATERIALIZED", dialect="postgresql")
    column = source.c
    by_time = order in {"newest", "oldest"}
    took = sa.literal_column(JOB_TOOK, sa.Interval())
    key: sa.ColumnElement[Any] = column.started_at if by_time else took
    ids = sa.select(column.id)
    for name, wanted in (("type", type), ("status", status), ("triggered_by", trigger)):
        if wanted is not None:
            ids = ids.where(column[name] == wanted)
    if since is not None:
        ids = ids.where(column.started_at >= since)
    if until is not None:
        ids = ids.where(column.started_at < until)
    if not by_time:
        ids = ids.where(column.finished_at.is_not(None))
    falling = order in {"newest", "longest"}
    if before is not None:
        last = sa.select(jobs.c.started_at if by_time else took, jobs.c.id).where(jobs.c.id == before)
        place = sa.tuple_(key, column.id)
        ids = ids.where(place < last.scalar_subquery() if falling else place > last.scalar_subquery())
    ids = ids.order_by(*(part.desc() if falling else part.asc() for part in (key, column.id))).limit(limit)
    chosen = conn.execute(ids).scalars().all()
    rows = {row.id: row for row in conn.execute(_SELECT.where(jobs.c.id.in_(chosen)))} if chosen else {}
    return [_job(rows[job_id]) for job_id in chosen if job_id in rows]


def _words(text: str) -> sa.ColumnElement[Any] | None:
    """The text as a query; None when there is no word in it."""
    cut = text.translate({ord(sign): " " for sign in WORD_CUTS + "'\\"}).split()
    if not cut:
        return None
    # Shorter beginnings fit every id there is.
    parts = (f"'{word}'{':*' if len(word) >= BEGINNING else ''}" for word in cut)
    return sa.func.to_tsquery(sa.literal_column("'simple'::regconfig"), " & ".join(parts))


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


def active(conn: sa.Connection, *, limit: int) -> list[Job]:
    """The jobs that have something to do, the newest first, each with the steps that it is at."""
    order = (jobs.c.started_at.desc(), jobs.c.id.desc())
    rows = conn.execute(_SELECT.where(unfinished()).order_by(*order).limit(limit)).all()
    steps: dict[str, list[JobStep]] = {row.id: [] for row in rows}
    at = sa.select(job_steps).where(
        job_steps.c.job_id.in_(steps), job_steps.c.status.in_(("RUNNING", "RETRYING"))
    )
    for step in conn.execute(at.order_by(job_steps.c.started_at, job_steps.c.name)) if steps else ():
        steps[step.job_id].append(_step(step))
    return [_job(row, tuple(steps[row.id])) for row in rows]


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
    # A clock that was set back meanwhile makes an end before the beginning: how long it took, nobody knows.
    return None if end is None or end < start else int((end - start) / timedelta(milliseconds=1))


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
