"""The state of the installation, gathered from the database: what the pages, `/readyz` and `/metrics` tell."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cronsim import CronSim

from app.freshness import Facts, Host, Verdict, verdict
from app.runtime import Runtime
from db import console
from db.tables import sync_state


def facts(connection: sa.Connection, runtime: Runtime) -> Facts:
    """The facts of the freshness verdict, as the database has them now."""
    sync = console.sync_facts(connection)
    missing, awaiting = console.missing_counts(connection)
    return Facts(
        last_complete_at=sync.last_complete_at,
        last_status=sync.last_status,
        last_error=sync.last_error,
        last_finished_at=sync.last_finished_at,
        running_since=sync.running_since,
        heartbeat_at=sync.heartbeat_at,
        cursor_day=cursor_day(connection),
        missing=missing,
        awaiting_release=awaiting,
        next_due=next_due(runtime),
        hosts=[
            Host(row.host, row.state, row.last_ok_at, row.last_error_at, row.last_error)
            for row in console.hosts(connection)
        ],
        replay=runtime.source.kind == "replay",
    )


def freshness(connection: sa.Connection, runtime: Runtime) -> Verdict:
    """The verdict now."""
    return verdict(facts(connection, runtime), runtime.clock())


def next_due(runtime: Runtime) -> datetime | None:
    """When the embedded engine asks for the next sync; None when somebody else's schedule does."""
    if runtime.durable is None:
        return None
    expression = runtime.settings.sync_cron
    zone: tzinfo = UTC
    if expression.startswith("TZ="):
        name, expression = expression.removeprefix("TZ=").split(" ", 1)
        zone = ZoneInfo(name)
    return next(CronSim(expression, runtime.clock().astimezone(zone)))


def cursor_day(connection: sa.Connection) -> date | None:
    """The day up to which everything was proven complete."""
    value: Any = connection.execute(
        sa.select(sync_state.c.value).where(sync_state.c.key == "cursor")
    ).scalar()
    if isinstance(value, dict):
        value = value.get("day") or value.get("date")
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def problems(runtime: Runtime) -> list[str]:
    """Why this process cannot serve properly, in sentences; empty when it can."""
    from db import migrate

    found: list[str] = []
    try:
        if migrate.status(runtime.database_url).pending:
            found.append("The database's schema is not up to date: run `protenders db upgrade`.")
    except sa.exc.SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", problem)).strip().splitlines()[0]
        return [f"The database does not answer: {reason}"]
    if runtime.durable is not None and not runtime.registered:
        found.append("The functions are not registered with the embedded engine yet.")
    if runtime.stopping.is_set():
        found.append("The process is stopping.")
    return found
