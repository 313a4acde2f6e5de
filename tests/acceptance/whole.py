"""The whole database as it is meant to be, whatever happened on the way: two databases can be compared by it.

Left out is what may differ between two lives that did the same, each for its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import sqlalchemy as sa

# What a host was asked is not undone by a crash: its answer is asked for again.
_TABLES_OF_WHAT_WAS_ASKED = {"upstream_hosts", "portal_snapshots", "list_walks"}
_TABLES_OF_PEOPLE = {"alembic_version", "sessions", "login_attempts"}
# Compared below, by what they mean.
_SUMMED = {"tallies", "job_effects"}
# Which job, which run: random names. The job of each row is compared by its function instead.
_NAMES = {"job_id", "run_id", "event_id", "arrival"}
_LEFT_OUT = {
    # generated keys
    "jobs": {"id", "metadata", "progress", "error_message"},
    "releases": {"id"},
    "tenders": {"search", "provenance"},
    # an attempt that failed counts, and its error stays; what a step returns tells how much was left for it to do
    "job_steps": {"attempts", "output", "error_kind", "error_name", "error_message"},
    "tender_ids": {"attempts"},
    "coverage_days": {"walks"},
    "alert_deliveries": {"attempts"},
}
# These moments are what the sources said, not when something happened here.
_SAID = {"published_at", "updated_at", "closing_at", "briefing_at", "due_at", "next_due_at"}
# Facts of a job that tell how long it took.
_DURATIONS = {"executions", "durationMs"}
# Each life has a mail server of its own.
_PORT = re.compile(r"(?<=127\.0\.0\.1):\d+")


def whole(url: str) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every row of every table, as it is to be compared; runs and steps of the engine by their names."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as conn:
            found = {table: _rows(conn, table, columns) for table, columns in _tables(conn).items()}
            found |= {name: Counter(_plain(conn, query)) for name, query in _OTHERS.items()}
            found["job facts"] = _facts(conn)
            found["provenance"] = _provenance(conn)
    finally:
        engine.dispose()
    return found


def differences(
    one: dict[str, Counter[tuple[Any, ...]]], other: dict[str, Counter[tuple[Any, ...]]]
) -> str | None:
    """The first few rows that only one of them has."""
    told = []
    for table in sorted(one.keys() | other.keys()):
        less = one.get(table, Counter()) - other.get(table, Counter())
        more = other.get(table, Counter()) - one.get(table, Counter())
        told += [f"{table} lacks {_short(row)}" for row in list(less)[:2]]
        told += [f"{table} has {_short(row)}" for row in list(more)[:2]]
    return "\n".join(told) or None


def _short(row: tuple[Any, ...]) -> str:
    return repr(row)[:400]


def _tables(conn: sa.Connection) -> dict[str, list[str]]:
    inspected = sa.inspect(conn)
    found = {}
    for table in inspected.get_table_names():
        if table in _TABLES_OF_WHAT_WAS_ASKED | _TABLES_OF_PEOPLE | _SUMMED:
            continue
        left_out = _NAMES | _LEFT_OUT.get(table, set())
        columns = []
        for column in inspected.get_columns(table):
            name = column["name"]
            if name in left_out:
                continue
            if isinstance(column["type"], sa.DateTime) and name not in _SAID:
                columns.append(f"{name} IS NOT NULL")
            else:
                columns.append(f"CAST({name} AS text)")
        found[table] = columns
    return found


def _rows(conn: sa.Connection, table: str, columns: list[str]) -> Counter[tuple[Any, ...]]:
    where = "WHERE key <> 'freshness_watch'" if table == "sync_state" else ""
    return Counter(_plain(conn, f"SELECT {', '.join(columns)} FROM {table} {where}"))


def _plain(conn: sa.Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in conn.execute(sa.text(query))]


def _facts(conn: sa.Connection) -> Counter[tuple[Any, ...]]:
    rows = conn.execute(sa.text("SELECT function_id, metadata FROM jobs"))
    return Counter(
        (function, _PORT.sub("", repr(sorted((key, str(facts[key])) for key in facts.keys() - _DURATIONS))))
        for function, facts in rows
    )


def _provenance(conn: sa.Connection) -> Counter[tuple[Any, ...]]:
    rows = conn.execute(sa.text("SELECT ocid, provenance FROM tenders"))
    return Counter(
        (ocid, name, origin["source"], origin["field"])
        for ocid, origins in rows
        for name, origin in origins.items()
    )


_OTHERS = {
    "steps of jobs": "SELECT j.function_id, s.name, s.status FROM job_steps s JOIN jobs j ON j.id = s.job_id",
    "effects of jobs": (
        "SELECT j.function_id, e.step, e.processed, e.added, e.updated, e.rejected, e.enriched,"
        " e.enrichment_failed, e.enrichment_pending FROM job_effects e JOIN jobs j ON j.id = e.job_id"
    ),
    "runs": "SELECT f.slug, r.status, r.cause FROM engine.runs r JOIN engine.functions f ON f.id = r.function_id",
    "steps of runs": (
        "SELECT f.slug, s.name, s.op, s.status FROM engine.steps s JOIN engine.runs r ON r.id = s.run_id"
        " JOIN engine.functions f ON f.id = r.function_id"
    ),
    "left in the engine": (
        "SELECT 'queue' FROM engine.queue UNION ALL SELECT 'slot' FROM engine.slots"
        " UNION ALL SELECT 'wait' FROM engine.waits UNION ALL SELECT 'intent' FROM engine.intents"
        " UNION ALL SELECT 'singleton' FROM engine.singletons"
    ),
    "tallies": "SELECT name, sum(delta) FROM tallies GROUP BY name",
    "leases of hosts": "SELECT host FROM upstream_hosts WHERE lease_holder IS NOT NULL",
    "events": (
        # A sender that heard nothing sends again, and each copy is listed.
        "SELECT name, count(DISTINCT sender_id) FROM engine.events WHERE name NOT LIKE 'inngest/%' GROUP BY 1"
    ),
}
