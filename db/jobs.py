"""The job log: a job is opened, beats while it works, and is closed exactly once.

A closed job is never written over: whoever comes late (a success after a cancellation, a failure after a
crash) changes nothing. The one exception is `revive`: a job declared dead whose run turns out to be alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from db.job_log import Job, JobStep, error_of, get, get_brief, page, statistics, unfinished
from db.jobs_tables import ACTIVE, COUNTS, STATUSES, job_effects, job_runs, job_steps, jobs

__all__ = [
    "ACTIVE",
    "STATUSES",
    "Created",
    "Job",
    "JobStep",
    "create",
    "get",
    "get_brief",
    "page",
    "statistics",
]

DEAD_AFTER = timedelta(minutes=30)
"""A job that has shown no sign of life for so long does not keep another one from running."""


@dataclass(frozen=True)
class Created:
    """The job of a run; `blocked_by` is the job that was already running, when that is why it was skipped."""

    id: str
    status: str
    blocked_by: str | None = None


def create(
    conn: sa.Connection,
    *,
    job_id: str,
    type: str,  # noqa: A002 - the word of the JSON
    function_id: str,
    run_id: str,
    event_id: str | None,
    source: str | None,
    triggered_by: str | None,
    actor: str | None,
    parameters: Mapping[str, Any],
    now: datetime,
    beside: Literal["run", "skip", "queue"] = "run",
) -> Created:
    """Open the job of this run, or return the one that it already has.

    A job that would run beside another active one of the same function runs, is recorded as SKIPPED, or is
    QUEUED until `take_turn` lets it go; the note names the other one.
    """
    if beside != "run":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(function_id, 0))))
    known = conn.execute(
        sa.select(jobs.c.id, jobs.c.status)
        .join(job_runs, job_runs.c.job_id == jobs.c.id)
        .where(job_runs.c.run_id == run_id)
    ).first()
    if known is not None:
        return Created(known.id, known.status)
    blocked_by = None
    if beside != "run":
        close_dead(conn, silent_for=DEAD_AFTER, now=now, function_id=function_id)
        blocked_by = conn.execute(
            sa.select(jobs.c.id)
            .where(jobs.c.function_id == function_id, unfinished())
            .order_by(jobs.c.started_at)
            .limit(1)
        ).scalar()
    status, note = "RUNNING", None
    if blocked_by is not None and beside == "skip":
        status, note = "SKIPPED", f"skipped: job {blocked_by} was already running"
    elif blocked_by is not None:
        status, note = "QUEUED", f"waits for job {blocked_by}"
    conn.execute(
        sa.insert(jobs).values(
            id=job_id,
            type=type,
            status=status,
            function_id=function_id,
            run_id=run_id,
            event_id=event_id,
            source=source,
            triggered_by=triggered_by,
            actor=actor,
            parameters=dict(parameters),
            started_at=now,
            heartbeat_at=now,
            finished_at=now if status == "SKIPPED" else None,
            note=note,
        )
    )
    conn.execute(sa.insert(job_runs).values(run_id=run_id, job_id=job_id, started_at=now))
    return Created(job_id, status, blocked_by)


def take_turn(conn: sa.Connection, job_id: str, *, now: datetime) -> str | None:
    """Let a queued job run when no earlier one of its function is active; else the id of the one it waits for."""
    me = conn.execute(sa.select(jobs.c.function_id, jobs.c.started_at).where(jobs.c.id == job_id)).one()
    earlier: str | None = conn.execute(
        sa.select(jobs.c.id)
        .where(jobs.c.function_id == me.function_id, unfinished(), jobs.c.id != job_id)
        .where(
            sa.tuple_(jobs.c.started_at, jobs.c.id) < sa.tuple_(sa.literal(me.started_at), sa.literal(job_id))
        )
        .order_by(jobs.c.started_at)
        .limit(1)
    ).scalar()
    if earlier is None:
        conn.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.status == "QUEUED")
            .values(status="RUNNING", note=None, heartbeat_at=now)
        )
    return earlier


def continue_in(conn: sa.Connection, job_id: str, *, run_id: str, now: datetime) -> None:
    """Let another run carry the job on; it becomes the job's current run."""
    added = conn.execute(
        insert(job_runs).values(run_id=run_id, job_id=job_id, started_at=now).on_conflict_do_nothing()
    )
    if added.rowcount:
        conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(run_id=run_id, heartbeat_at=now))


def reopen(conn: sa.Connection, job_id: str, *, run_id: str, alone: bool, now: datetime) -> str | None:
    """Let a run that is new to the job carry it on, though it has ended: somebody ran it again from a step.

    With `alone` it does not begin beside another active job of the same function, whose id is returned.
    """
    if conn.execute(sa.select(job_runs.c.job_id).where(job_runs.c.run_id == run_id)).scalar() is not None:
        return None
    function_id = conn.execute(sa.select(jobs.c.function_id).where(jobs.c.id == job_id)).scalar_one()
    if alone:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(function_id, 0))))
        other: str | None = conn.execute(
            sa.select(jobs.c.id)
            .where(jobs.c.function_id == function_id, unfinished(), jobs.c.id != job_id)
            .limit(1)
        ).scalar()
        if other is not None:
            return other
    added = conn.execute(
        insert(job_runs).values(run_id=run_id, job_id=job_id, started_at=now).on_conflict_do_nothing()
    )
    if added.rowcount:
        conn.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id)
            .values(
                run_id=run_id,
                status="RUNNING",
                finished_at=None,
                cancel_requested_at=None,
                cancel_requested_by=None,
                error_kind=None,
                error_name=None,
                error_message=None,
                note="run again from a step",
                heartbeat_at=now,
            )
        )
    return None


def of_run(conn: sa.Connection, run_id: str) -> str | None:
    """The id of the job that this run belongs to."""
    return conn.execute(sa.select(job_runs.c.job_id).where(job_runs.c.run_id == run_id)).scalar()


def is_active(conn: sa.Connection, function_id: str) -> bool:
    """Whether a job of this function has still something to do."""
    query = sa.select(sa.exists().where(jobs.c.function_id == function_id, unfinished()))
    return bool(conn.execute(query).scalar_one())


def beat(conn: sa.Connection, job_id: str, *, now: datetime) -> str:
    """Show that the job is alive; its status, or `CANCELLING` when somebody asked for its end."""
    row = conn.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(heartbeat_at=now)
        .returning(jobs.c.status, jobs.c.cancel_requested_at)
    ).one()
    if row.cancel_requested_at is not None and row.status in ACTIVE:
        return "CANCELLING"
    return str(row.status)


def set_retrying(conn: sa.Connection, job_id: str, *, retrying: bool, now: datetime) -> None:
    """Move a job between RUNNING and RETRYING."""
    before, after = ("RUNNING", "RETRYING") if retrying else ("RETRYING", "RUNNING")
    conn.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status == before)
        .values(status=after, heartbeat_at=now)
    )


def revive(conn: sa.Connection, job_id: str, *, now: datetime) -> None:
    """A job that was declared crashed goes on after all: the log says so."""
    conn.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status == "CRASHED")
        .values(
            status="RUNNING",
            finished_at=None,
            error_kind=None,
            error_name=None,
            error_message=None,
            note="went on after it had been taken for dead",
            heartbeat_at=now,
        )
    )


def set_progress(conn: sa.Connection, job_id: str, progress: Mapping[str, Any], *, now: datetime) -> None:
    """Replace what the job says about how far it is."""
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(progress=dict(progress), heartbeat_at=now))


def add_metadata(conn: sa.Connection, job_id: str, values: Mapping[str, Any]) -> None:
    """Merge facts into the job's metadata; keys given before are replaced, others stay."""
    conn.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(metadata=jobs.c.metadata.op("||")(sa.cast(dict(values), jobs.c.metadata.type)))
    )


def count_in_metadata(conn: sa.Connection, job_id: str, name: str, more: int) -> None:
    """Add to a number in the job's metadata, in the transaction that did what is counted."""
    held = sa.cast(sa.func.coalesce(jobs.c.metadata[name].astext, "0"), sa.Integer)
    total = sa.func.jsonb_build_object(name, held + more)
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(metadata=jobs.c.metadata.op("||")(total)))


def close(
    conn: sa.Connection,
    job_id: str,
    status: str,
    *,
    now: datetime,
    note: str | None = None,
    error: Mapping[str, str] | None = None,
) -> bool:
    """End an active job; False when it had already ended and so stays as it is."""
    values: dict[str, Any] = {"status": status, "finished_at": now, "heartbeat_at": now}
    if note is not None:
        values["note"] = note
    if error is not None:
        values |= {
            "error_kind": error["kind"],
            "error_name": error["name"],
            "error_message": error["message"],
        }
    closed = conn.execute(sa.update(jobs).where(jobs.c.id == job_id, unfinished()).values(values))
    if not closed.rowcount:
        return False
    if status in ("FAILED", "CANCELLED", "CRASHED"):
        conn.execute(
            sa.update(job_steps)
            .where(job_steps.c.job_id == job_id, job_steps.c.status.in_(("RUNNING", "RETRYING")))
            .values(status="FAILED" if status == "FAILED" else "CANCELLED", finished_at=now)
        )
    return True


def last_error(conn: sa.Connection, job_id: str) -> dict[str, str] | None:
    """The error of the job's last failed step, or None."""
    row: sa.Row[Any] | None = conn.execute(
        sa.select(job_steps)
        .where(job_steps.c.job_id == job_id, job_steps.c.status.in_(("FAILED", "RETRYING")))
        .order_by(job_steps.c.finished_at.desc().nulls_last())
        .limit(1)
    ).first()
    return None if row is None or row.error_kind is None else error_of(row)


def request_cancel(conn: sa.Connection, job_id: str, *, by: str | None, now: datetime) -> bool:
    """Ask an active job to stop: it does so before its next step or page. False if it had ended."""
    asked = conn.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id, unfinished())
        .values(
            cancel_requested_at=sa.func.coalesce(jobs.c.cancel_requested_at, now),
            cancel_requested_by=sa.func.coalesce(jobs.c.cancel_requested_by, by),
        )
    )
    return bool(asked.rowcount)


def close_dead(
    conn: sa.Connection, *, silent_for: timedelta, now: datetime, function_id: str | None = None
) -> list[str]:
    """Close as CRASHED every active job (of a function) without a sign of life for so long; their ids.

    One that lives beats by today's clock: a last beat so far ahead of it was made before the clock was set back.
    """
    silent = ~jobs.c.heartbeat_at.between(now - silent_for, now + silent_for)
    query = sa.select(jobs.c.id).where(unfinished(), silent)
    if function_id is not None:
        query = query.where(jobs.c.function_id == function_id)
    dead = conn.execute(query).scalars().all()
    minutes = int(silent_for.total_seconds() // 60)
    return [
        job_id
        for job_id in dead
        if close(conn, job_id, "CRASHED", now=now, note=f"no sign of life for {minutes} minutes")
    ]


def add_effect(conn: sa.Connection, job_id: str, step: str, **counts: int) -> None:
    """Count what a step did, in the transaction that did it, so that it is counted once however often the step runs.

    `processed` are contents that need no further look: unchanged, saved or rejected.
    """
    unknown = set(counts) - set(COUNTS)
    if unknown:
        message = f"a job does not count {', '.join(sorted(unknown))}"
        raise ValueError(message)
    row = insert(job_effects).values(job_id=job_id, step=step, **counts)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["job_id", "step"],
            set_={name: job_effects.c[name] + row.excluded[name] for name in counts},
        )
    )


def effects(conn: sa.Connection, job_id: str, *, step: str | None = None) -> dict[str, int]:
    """What the job has done so far, in one step or over all of them."""
    query = sa.select(
        *(sa.func.coalesce(sa.func.sum(job_effects.c[name]), 0).label(name) for name in COUNTS)
    ).where(job_effects.c.job_id == job_id)
    row = conn.execute(query if step is None else query.where(job_effects.c.step == step)).one()
    return {name: int(getattr(row, name)) for name in COUNTS}
