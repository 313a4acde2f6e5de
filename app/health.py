"""The state of the installation, gathered from the database: what the pages, `/readyz` and `/metrics` tell."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from cronsim import CronSim

from app.freshness import Facts, Verdict, verdict
from app.freshness_facts import gather as gather_facts
from app.runtime import Runtime
from db import migrate


def facts(connection: sa.Connection, runtime: Runtime) -> Facts:
    """The facts of the freshness verdict, as the database has them now."""
    return gather_facts(
        connection,
        now=runtime.clock(),
        next_due=next_due(runtime),
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


@cache
def _newest_revision() -> str | None:
    return ScriptDirectory.from_config(migrate.configuration()).get_current_head()


def problems(runtime: Runtime) -> list[str]:
    """Why this process cannot serve properly, in sentences; empty when it can."""
    found: list[str] = []
    try:
        with runtime.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        if current != _newest_revision():
            found.append("The database's schema is not up to date: run `protenders db upgrade`.")
    except sa.exc.SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", problem)).strip().splitlines()[0]
        return [f"The database does not answer: {reason}"]
    if runtime.durable is not None and not runtime.registered:
        found.append("The functions are not registered with the embedded engine yet.")
    if runtime.stopping.is_set():
        found.append("The process is stopping.")
    return found
