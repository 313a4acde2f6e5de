"""Forgetting what has been kept long enough: a few rows at a time, so that nobody ever waits for it.

A batch is a transaction of its own and skips rows that somebody holds; whoever is interrupted goes on next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from db.jobs_tables import ACTIVE
from db.staging import JOB_TABLES

_ENDED = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in ACTIVE))
# Of a job that ended a while ago, or is forgotten itself.
_LEFT_BEHIND = (
    "NOT EXISTS (SELECT FROM jobs AS j WHERE j.id = t.job_id"
    " AND (j.finished_at IS NULL OR j.finished_at >= :before))"
)
# Never the newest believed look at a bucket.
_OLD_LOOK = (
    "fetched_at < :before AND EXISTS (SELECT FROM portal_snapshots AS newer"
    " WHERE newer.bucket = t.bucket AND newer.accepted AND newer.fetched_at > t.fetched_at)"
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Rows of `table` that fit `condition` are forgotten once they are this old, `share` of a batch at a time."""

    table: str
    condition: str
    age: timedelta
    share: float = 1.0


def rules(*, jobs_kept: timedelta, audit_kept: timedelta) -> dict[str, Rule]:
    """What is forgotten, by the name under which it is counted. A job takes its runs, steps and effects along."""
    staged = {
        table: Rule(table=table, condition=_LEFT_BEHIND, age=timedelta(days=1), share=0.5)
        for table in JOB_TABLES
    }
    return staged | {
        "jobs": Rule(table="jobs", condition=f"started_at < :before AND {_ENDED}", age=jobs_kept, share=0.1),
        "audit_log": Rule(table="audit_log", condition="at < :before", age=audit_kept),
        "sessions": Rule(table="sessions", condition="expires_at < :before", age=timedelta(0)),
        "login_attempts": Rule(
            table="login_attempts", condition="attempted_at < :before", age=timedelta(days=30)
        ),
        "portal_snapshots": Rule(table="portal_snapshots", condition=_OLD_LOOK, age=timedelta(days=90)),
    }


def forget(conn: sa.Connection, rule: Rule, *, batch: int, now: datetime) -> tuple[int, bool]:
    """Remove one batch; how many rows, and whether there may be more."""
    most = max(1, int(batch * rule.share))
    gone = conn.execute(
        sa.text(
            f"DELETE FROM {rule.table} WHERE ctid = ANY(ARRAY("  # noqa: S608 - constants
            f" SELECT t.ctid FROM {rule.table} AS t WHERE {rule.condition}"
            " LIMIT :most FOR UPDATE OF t SKIP LOCKED))"
        ),
        {"before": now - rule.age, "most": most},
    ).rowcount
    return gone, gone == most
