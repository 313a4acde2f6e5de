"""Numbers for monitoring. Each is one statement over an index or a small table: none reads all tenders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.alerts_tables import alert_deliveries
from db.jobs_tables import ACTIVE, job_runs, job_steps, jobs
from db.tables import coverage_days, tenders

_ACTIVE = jobs.c.status.in_([sa.literal_column(f"'{status}'") for status in ACTIVE])
_OPEN_MAIL = alert_deliveries.c.state.in_([sa.literal_column("'prepared'"), sa.literal_column("'sending'")])
_NOT_ENRICHED = tenders.c.enrichment_status != sa.literal_column("'enriched'")


def jobs_since(connection: sa.Connection, since: datetime) -> Sequence[sa.Row[Any]]:
    """Type, status and count of the jobs that started since then."""
    return connection.execute(
        sa.select(jobs.c.type, jobs.c.status, sa.func.count().label("jobs"))
        .where(jobs.c.started_at >= since)
        .group_by(jobs.c.type, jobs.c.status)
    ).all()


def active_jobs(connection: sa.Connection, *, now: datetime) -> Sequence[sa.Row[Any]]:
    """Type, count and the longest silence in seconds of the jobs that have something to do."""
    silent = sa.func.max(sa.extract("epoch", sa.literal(now) - jobs.c.heartbeat_at))
    return connection.execute(
        sa.select(jobs.c.type, sa.func.count().label("jobs"), silent.label("silent"))
        .where(_ACTIVE)
        .group_by(jobs.c.type)
    ).all()


def steps_since(connection: sa.Connection, since: datetime) -> Sequence[sa.Row[Any]]:
    """Status, count and repeated attempts of the steps of the jobs that started since then."""
    return connection.execute(
        sa.select(
            job_steps.c.status,
            sa.func.count().label("steps"),
            sa.func.coalesce(sa.func.sum(sa.func.greatest(job_steps.c.attempts - 1, 0)), 0).label("retries"),
        )
        .join(jobs, jobs.c.id == job_steps.c.job_id)
        .where(jobs.c.started_at >= since)
        .group_by(job_steps.c.status)
    ).all()


def executions_since(connection: sa.Connection, since: datetime) -> int:
    """What Inngest would bill for the jobs that started since then: every run, and every attempt of a step."""
    of_period = sa.select(jobs.c.id).where(jobs.c.started_at >= since)
    runs = sa.select(sa.func.count()).where(job_runs.c.job_id.in_(of_period)).scalar_subquery()
    attempts = sa.select(sa.func.coalesce(sa.func.sum(job_steps.c.attempts), 0)).where(
        job_steps.c.job_id.in_(of_period)
    )
    return int(connection.execute(sa.select(runs + attempts.scalar_subquery())).scalar_one())


def enrichment_waiting(connection: sa.Connection) -> dict[str, int]:
    """Tenders that are not enriched, by status."""
    rows = connection.execute(
        sa.select(tenders.c.enrichment_status, sa.func.count())
        .where(_NOT_ENRICHED)
        .group_by(tenders.c.enrichment_status)
    )
    counted = {str(row[0]): int(row[1]) for row in rows}
    return dict.fromkeys(("pending", "not_listed", "failed"), 0) | counted


def roughly_all_tenders(connection: sa.Connection) -> int:
    """How many tenders there are, as the planner's statistics have it; 0 before they were first gathered."""
    found = connection.execute(
        sa.text("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'public.tenders'::regclass")
    )
    return int(found.scalar_one())


def incomplete_days(connection: sa.Connection) -> int:
    """Days whose list was not read to its end, or of which something is missing."""
    unfinished = sa.not_(coverage_days.c.complete)
    return int(connection.execute(sa.select(sa.func.count()).where(unfinished)).scalar_one())


def mails_waiting(connection: sa.Connection) -> int:
    """Mails that are made and not sent."""
    return int(connection.execute(sa.select(sa.func.count()).where(_OPEN_MAIL)).scalar_one())


@dataclass(frozen=True)
class Connections:
    """The server's connections: all of them, and how many it allows."""

    used: int
    allowed: int


def connections(connection: sa.Connection) -> Connections:
    """How near the server is to refusing connections."""
    row = connection.execute(
        sa.text(
            "SELECT sum(numbackends)::int AS used, current_setting('max_connections')::int AS allowed"
            " FROM pg_stat_database"
        )
    ).one()
    return Connections(row.used, row.allowed)
