"""Reads for the admin console that span aggregates. Each is one statement; nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db import tallies
from db.coverage import OPEN_BUCKET
from db.job_log import Job, unfinished
from db.jobs_tables import ACTIVE, STATUSES, job_effects, jobs
from db.tables import coverage_days, portal_snapshots, releases, tender_ids, tenders, upstream_hosts

SYNC_TYPE = "DELTA_SYNC"
_GOOD = ("SUCCESS", "PARTIAL")
COUNTED = 10_000
"""Reasons are counted over at most so many waiting tenders."""


@dataclass(frozen=True)
class SyncFacts:
    """How tender-sync has been doing."""

    last_complete_at: datetime | None
    last_status: str | None
    last_error: str | None
    last_note: str | None
    last_finished_at: datetime | None
    running_since: datetime | None
    heartbeat_at: datetime | None
    newest_at: datetime | None


def sync_facts(connection: sa.Connection, *, until: datetime, replay: bool = False) -> SyncFacts:
    """The newest complete and ended sync of those that ended by then, the running one, and when any job began last.

    A sync is complete when the list of the newest days was walked to its end and the open bucket was believed, both
    since it began: one that could not read a source, or was asked for old days only, proves nothing about today. Nor
    does one of the recorded stand-in, unless that is the source (`replay`).
    """
    of_sync = jobs.c.type == SYNC_TYPE
    ended = jobs.c.finished_at <= until
    newest_first = jobs.c.started_at.desc()
    newest_day = sa.select(sa.func.max(coverage_days.c.day)).scalar_subquery()
    # A day that has just begun may not have been listed yet.
    listed_at = sa.select(sa.func.max(coverage_days.c.listed_at)).where(coverage_days.c.day >= newest_day - 1)
    looked_at = sa.select(sa.func.max(portal_snapshots.c.fetched_at)).where(
        portal_snapshots.c.bucket == OPEN_BUCKET, portal_snapshots.c.accepted
    )
    # A source of which nothing is recorded (no day, no look) narrows nothing.
    both_read = sa.func.coalesce(
        sa.func.least(listed_at.scalar_subquery(), looked_at.scalar_subquery()), sa.text("'infinity'")
    )
    complete = (
        sa.select(jobs.c.finished_at)
        .where(of_sync, jobs.c.status.in_(_GOOD), ended, jobs.c.started_at <= both_read)
        .where(sa.true() if replay else jobs.c.source.is_distinct_from("replay"))
        .order_by(newest_first)
        .limit(1)
        .scalar_subquery()
    )
    last = (
        sa.select(jobs.c.status, jobs.c.error_message, jobs.c.note, jobs.c.finished_at)
        .where(of_sync, jobs.c.status.not_in((*ACTIVE, "SKIPPED")), ended)
        .order_by(newest_first)
        .limit(1)
        .subquery()
    )
    running = (
        sa.select(jobs.c.started_at, jobs.c.heartbeat_at)
        .where(of_sync, unfinished())
        .order_by(newest_first)
        .limit(1)
        .subquery()
    )
    newest = sa.select(sa.func.max(jobs.c.started_at)).scalar_subquery()
    one = sa.select(sa.literal(1).label("one")).subquery()
    row = connection.execute(
        sa.select(
            complete,
            last.c.status,
            last.c.error_message,
            last.c.note,
            last.c.finished_at,
            running.c.started_at,
            running.c.heartbeat_at,
            newest,
        ).select_from(one.outerjoin(last, sa.true()).outerjoin(running, sa.true()))
    ).one()
    return SyncFacts(*row)


def hosts(connection: sa.Connection) -> Sequence[Any]:
    """Every government host that was ever asked, with how it answers."""
    return connection.execute(sa.select(upstream_hosts).order_by(upstream_hosts.c.host)).all()


def enrichment_counts(connection: sa.Connection) -> dict[str, int]:
    """Tenders by enrichment status."""
    rows = connection.execute(
        sa.select(tenders.c.enrichment_status, sa.func.count())
        .where(_NOT_ENRICHED)
        .group_by(tenders.c.enrichment_status)
    )
    counts = dict.fromkeys(("pending", "not_listed", "failed"), 0)
    counts |= {str(row[0]): int(row[1]) for row in rows}
    return counts | {"enriched": tender_count(connection) - sum(counts.values())}


def enrichment_reasons(connection: sa.Connection, *, limit: int = 10) -> Sequence[Any]:
    """Why tenders are not enriched: status, reason, and how many, the most frequent first.

    Counted over the `COUNTED` that are next in turn, so that a backlog of any size is looked at as quickly.
    """
    column = tenders.c
    waiting = sa.select(column.enrichment_status, column.enrichment_error).where(_NOT_ENRICHED)
    turn = (column.enrichment_next_at, column.n)
    parts = [
        waiting.where(due).order_by(*turn).limit(COUNTED).subquery().select()
        for due in (column.enrichment_next_at.is_(None), column.enrichment_next_at.is_not(None))
    ]
    found = sa.union_all(*parts).subquery().select().limit(COUNTED).subquery("waiting")
    return connection.execute(
        sa.select(
            found.c.enrichment_status,
            sa.func.coalesce(found.c.enrichment_error, "not tried yet").label("reason"),
            sa.func.count().label("tenders"),
        )
        .group_by(found.c.enrichment_status, found.c.enrichment_error)
        .order_by(sa.text("3 DESC"))
        .limit(limit)
    ).all()


@dataclass(frozen=True)
class Digest:
    """What live pages look at: the running jobs with their last sign of life, and which job started last."""

    active: dict[str, tuple[str, datetime]]
    newest: str | None


def digest(connection: sa.Connection) -> Digest:
    """The one cheap query behind all live pages."""
    moving = sa.select(jobs.c.id, jobs.c.status, jobs.c.heartbeat_at, sa.true()).where(unfinished())
    last = sa.select(jobs.c.id, jobs.c.status, jobs.c.heartbeat_at, sa.false())
    newest = last.order_by(jobs.c.started_at.desc(), jobs.c.id.desc()).limit(1).subquery().select()
    rows = connection.execute(sa.union_all(moving, newest)).all()
    return Digest(
        active={row[0]: (row[1], row[2]) for row in rows if row[3]},
        newest=next((row[0] for row in rows if not row[3]), None),
    )


def newest_job(connection: sa.Connection) -> str | None:
    """The id of the job that started last."""
    return connection.execute(
        sa.select(jobs.c.id).order_by(jobs.c.started_at.desc(), jobs.c.id.desc()).limit(1)
    ).scalar()


def jobs_of_event(connection: sa.Connection, event_id: str) -> Sequence[Any]:
    """Id and status of the jobs that an event started."""
    return connection.execute(
        sa.select(jobs.c.id, jobs.c.status).where(jobs.c.event_id == event_id).order_by(jobs.c.started_at)
    ).all()


def days_of_jobs(connection: sa.Connection, *, now: datetime, days: int = 7) -> Sequence[Any]:
    """Jobs by South African day and status, newest day last."""
    day = sa.func.date(sa.func.timezone("Africa/Johannesburg", jobs.c.started_at)).label("day")
    return connection.execute(
        sa.select(day, jobs.c.status, sa.func.count().label("jobs"))
        .where(jobs.c.started_at >= now - timedelta(days=days))
        .group_by(day, jobs.c.status)
        .order_by(day)
    ).all()


def added_per_day(connection: sa.Connection, *, now: datetime, days: int = 14) -> Sequence[Any]:
    """New and changed tenders by South African day of the job."""
    day = sa.func.date(sa.func.timezone("Africa/Johannesburg", jobs.c.started_at)).label("day")
    return connection.execute(
        sa.select(
            day,
            sa.func.coalesce(sa.func.sum(job_effects.c.added), 0).label("added"),
            sa.func.coalesce(sa.func.sum(job_effects.c.updated), 0).label("updated"),
        )
        .join(job_effects, job_effects.c.job_id == jobs.c.id)
        .where(jobs.c.started_at >= now - timedelta(days=days))
        .group_by(day)
        .order_by(day)
    ).all()


def status_counts(connection: sa.Connection) -> dict[str, int]:
    """All jobs by status."""
    return {
        str(row[0]): int(row[1])
        for row in connection.execute(sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status))
    }


def capped_status_counts(connection: sa.Connection, *, cap: int) -> dict[str, int]:
    """Jobs by status, each counted up to `cap` only: as quick with a million jobs as with a thousand."""
    counts = []
    for status in STATUSES:
        some = sa.select(sa.literal(1)).where(jobs.c.status == status).limit(cap).subquery()
        counts.append(sa.select(sa.literal(status), sa.func.count()).select_from(some))
    return {str(row[0]): int(row[1]) for row in connection.execute(sa.union_all(*counts)) if row[1]}


def job_types(connection: sa.Connection) -> list[str]:
    """The types of job that there are."""
    return _distinct(connection, jobs.c.type)


def _distinct(connection: sa.Connection, column: sa.Column[str]) -> list[str]:
    """The values of a column that leads an index, in order: one look-up a value, however many rows there are."""
    values = sa.select(sa.func.min(column).label("value")).cte("values", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(sa.select(following).where(values.c.value.is_not(None)))
    statement = sa.select(values.c.value).where(values.c.value.is_not(None))
    return [str(value) for value in connection.execute(statement).scalars()]


@dataclass(frozen=True)
class WeekOfSyncs:
    """How the week's syncs went; durations in seconds, None while there is none."""

    ended: int
    failed: int
    median: float | None
    p95: float | None

    @property
    def failed_rate(self) -> float | None:
        """The share that failed or crashed."""
        return self.failed / self.ended if self.ended else None


def week_of_syncs(connection: sa.Connection, *, now: datetime) -> WeekOfSyncs:
    """Counts and durations of the syncs that ended within the last seven days."""
    seconds = sa.extract("epoch", jobs.c.finished_at - jobs.c.started_at)
    # A clock that was set back meanwhile makes an end before the beginning: how long it took, nobody knows.
    good = jobs.c.status.in_(_GOOD) & (jobs.c.finished_at >= jobs.c.started_at)
    row = connection.execute(
        sa.select(
            sa.func.count().filter(jobs.c.status.not_in(("SKIPPED", "CANCELLED"))),
            sa.func.count().filter(jobs.c.status.in_(("FAILED", "CRASHED"))),
            sa.func.percentile_cont(0.5).within_group(seconds).filter(good),
            sa.func.percentile_cont(0.95).within_group(seconds).filter(good),
        ).where(
            jobs.c.type == SYNC_TYPE,
            jobs.c.finished_at.is_not(None),
            jobs.c.started_at >= now - timedelta(days=7),
        )
    ).one()
    return WeekOfSyncs(row[0], row[1], *(None if value is None else float(value) for value in row[2:]))


def published_per_day(connection: sa.Connection, *, now: datetime, days: int = 14) -> dict[date, int]:
    """Tenders by the South African day of their publication."""
    day = sa.func.date(sa.func.timezone("Africa/Johannesburg", tenders.c.published_at))
    rows = connection.execute(
        sa.select(day, sa.func.count())
        .where(tenders.c.published_at >= now - timedelta(days=days))
        .group_by(day)
    )
    return {row[0]: row[1] for row in rows}


def tender_count(connection: sa.Connection) -> int:
    """All tenders."""
    return tallies.read(connection, "tenders")


def choices(connection: sa.Connection) -> dict[str, list[str]]:
    """What the tender search can be narrowed to, for its select boxes."""
    return {
        "province": _distinct(connection, tenders.c.province),
        "lifecycle": ["open", "closed", "cancelled", "awarded"],
        "enrichment_status": ["pending", "enriched", "not_listed", "failed"],
    }


def identifier(connection: sa.Connection, ocid: str) -> Any:
    """What the ledger of identifiers knows about a tender that is there."""
    number = sa.select(tenders.c.n).where(tenders.c.ocid == ocid).scalar_subquery()
    return connection.execute(sa.select(tender_ids).where(tender_ids.c.n == number)).one_or_none()


def jobs_of_tender(connection: sa.Connection, ocid: str, *, limit: int = 20) -> Sequence[Any]:
    """The jobs that fetched a version of the tender or last wrote its row, newest first."""
    touched = sa.union(
        sa.select(releases.c.job_id).where(releases.c.ocid == ocid),
        sa.select(tenders.c.job_id).where(tenders.c.ocid == ocid),
    ).subquery()
    return connection.execute(
        sa.select(jobs.c.id, jobs.c.type, jobs.c.status, jobs.c.started_at)
        .where(jobs.c.id.in_(sa.select(touched.c.job_id)))
        .order_by(jobs.c.started_at.desc())
        .limit(limit)
    ).all()


TOUCHED = 50
"""So many tenders of a job are listed."""
_CLOCK_SLACK = timedelta(minutes=5)


def tenders_of_job(connection: sa.Connection, job: Job, *, now: datetime) -> Sequence[Any]:
    """Ocid and title of tenders that the job fetched a version of or wrote last, at most `TOUCHED` + 1 of them.

    Looked for among what was written between the job's two ends, whichever is the first, and a little around.
    """
    ends = (job.started_at, job.finished_at or now)
    start, end = min(ends) - _CLOCK_SLACK, max(ends) + _CLOCK_SLACK
    fetched = (
        sa.select(releases.c.ocid)
        .where(releases.c.job_id == job.id, releases.c.fetched_at.between(start, end))
        .limit(TOUCHED + 1)
        .subquery()
    )
    written = (
        sa.select(tenders.c.ocid)
        .where(tenders.c.job_id == job.id, tenders.c.last_changed_at.between(start, end))
        .limit(TOUCHED + 1)
        .subquery()
    )
    touched = sa.union(fetched.select(), written.select()).subquery()
    return connection.execute(
        sa.select(tenders.c.ocid, sa.func.coalesce(tenders.c.display_title, tenders.c.title).label("title"))
        .where(tenders.c.ocid.in_(touched.select()))
        .order_by(tenders.c.n.desc())
        .limit(TOUCHED + 1)
    ).all()


def enrichment_queue(connection: sa.Connection, *, limit: int) -> list[Any]:
    """The tenders that are not enriched, whose turn comes first at the top: those of the next run, then by time."""
    column = tenders.c
    statement = sa.select(
        column.ocid,
        column.display_title,
        column.title,
        column.enrichment_status,
        column.enrichment_attempts,
        column.enrichment_next_at,
        column.enrichment_error,
    ).where(_NOT_ENRICHED)
    turn = (column.enrichment_next_at, column.n)
    next_run = statement.where(column.enrichment_next_at.is_(None)).order_by(*turn).limit(limit)
    found = list(connection.execute(next_run).all())
    if len(found) < limit:
        timed = statement.where(column.enrichment_next_at.is_not(None))
        by_time = timed.order_by(*turn).limit(limit - len(found))
        found += connection.execute(by_time).all()
    return found


# A literal, so that the planner sees that the partial indexes fit.
_NOT_ENRICHED = tenders.c.enrichment_status != sa.literal_column("'enriched'")
