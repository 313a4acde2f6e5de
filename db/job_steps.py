"""The steps of a job: every attempt's start, end and error, as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from db.jobs_tables import job_steps


def start(conn: sa.Connection, job_id: str, *, run_id: str, name: str, now: datetime) -> int:
    """An attempt of the step begins; its number, from 1."""
    row = insert(job_steps).values(
        job_id=job_id,
        run_id=run_id,
        name=name,
        status="RUNNING",
        attempts=1,
        started_at=now,
        attempt_started_at=now,
    )
    attempt: int = conn.execute(
        row.on_conflict_do_update(
            index_elements=["job_id", "run_id", "name"],
            set_={
                "status": "RUNNING",
                "attempts": job_steps.c.attempts + 1,
                "attempt_started_at": now,
                "finished_at": None,
            },
        ).returning(job_steps.c.attempts)
    ).scalar_one()
    return attempt


def note(conn: sa.Connection, job_id: str, *, run_id: str, name: str, done: Mapping[str, Any]) -> None:
    """Say in the transaction of the work itself how far the step is, for an attempt that takes it up."""
    conn.execute(_one(job_id, run_id, name).values(output=dict(done)))


def noted(conn: sa.Connection, job_id: str, *, run_id: str, name: str) -> dict[str, Any]:
    """How far earlier attempts of the step came."""
    found = conn.execute(
        sa.select(job_steps.c.output).where(
            job_steps.c.job_id == job_id, job_steps.c.run_id == run_id, job_steps.c.name == name
        )
    ).scalar()
    return dict(found or {})


def finish(
    conn: sa.Connection, job_id: str, *, run_id: str, name: str, output: object, now: datetime
) -> None:
    """The step returned; an error of an earlier attempt stays to be read."""
    conn.execute(_one(job_id, run_id, name).values(status="SUCCESS", finished_at=now, output=output))


def fail(
    conn: sa.Connection,
    job_id: str,
    *,
    run_id: str,
    name: str,
    status: str,
    error: Mapping[str, str],
    now: datetime,
) -> None:
    """The attempt raised. `status` says what follows: RETRYING, FAILED or CANCELLED."""
    conn.execute(
        _one(job_id, run_id, name).values(
            status=status,
            finished_at=now,
            error_kind=error["kind"],
            error_name=error["name"],
            error_message=error["message"],
        )
    )


def _one(job_id: str, run_id: str, name: str) -> Any:
    return sa.update(job_steps).where(
        job_steps.c.job_id == job_id, job_steps.c.run_id == run_id, job_steps.c.name == name
    )
