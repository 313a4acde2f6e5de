"""The engine's tables, in PostgreSQL schema `engine`, as Alembic compares them with the database.

The engine itself speaks SQL (see `engine/sql`). JSON that only passes through — events, memos, outputs —
is kept as the bytes that go over the wire: encoded once, and nothing a sender can write (`\\u0000`, numbers
wider than 64 bits) is refused by a column type.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData(schema="engine")

_text = sa.Text()
_instant = sa.DateTime(timezone=True)
_now = sa.text("now()")


def _column(name: str, kind: Any, *args: Any, **options: Any) -> sa.Column[Any]:
    options.setdefault("nullable", False)
    return sa.Column(name, kind, *args, **options)


instances = sa.Table(
    "instances",
    metadata,
    _column("id", pg.UUID(), primary_key=True),
    _column("process", _text),
    _column("started_at", _instant, server_default=_now),
    _column("seen_at", _instant, server_default=_now),
    _column("lease_seconds", pg.DOUBLE_PRECISION()),
)

apps = sa.Table(
    "apps",
    metadata,
    _column("name", _text, primary_key=True),
    _column("id", pg.UUID()),
    _column("url", _text),
    _column("sdk", _text, server_default=""),
    _column("framework", _text, server_default=""),
    _column("checksum", _text),
    _column("created_at", _instant, server_default=_now),
    _column("synced_at", _instant, server_default=_now),
)

functions = sa.Table(
    "functions",
    metadata,
    _column("id", pg.UUID(), primary_key=True),
    _column("app", _text),
    _column("slug", _text, unique=True),
    _column("name", _text),
    _column("config", pg.JSONB()),
    _column("version", sa.Integer(), server_default="1"),
    _column("created_at", _instant, server_default=_now),
    _column("archived_at", _instant, nullable=True),
    _column("paused_at", _instant, nullable=True),
    # what its live runs do while it is paused: hold, continue or cancel
    _column("paused_runs", _text, server_default="hold"),
)

schedules = sa.Table(
    "schedules",
    metadata,
    _column("function_id", pg.UUID(), primary_key=True),
    _column("cron", _text, primary_key=True),
    _column("due_at", _instant),
    _column("next_at", _instant),
    _column("last_at", _instant, nullable=True),
    _column("last_run", _text, nullable=True),
    sa.Index("ix_schedules_next_at", "next_at"),
)

events = sa.Table(
    "events",
    metadata,
    _column("id", _text, primary_key=True),
    _column("sender_id", _text, nullable=True),
    _column("name", _text),
    _column("body", pg.BYTEA()),
    _column("received_at", _instant),
    _column("copies", sa.Integer(), server_default="1"),
    sa.Index("ix_events_name_id", "name", "id"),
    sa.Index("ix_events_received_at", "received_at", postgresql_using="brin"),
)

runs = sa.Table(
    "runs",
    metadata,
    _column("id", _text, primary_key=True),
    _column("function_id", pg.UUID()),
    _column("status", _text),
    _column("cause", _text),
    _column("event_ids", pg.ARRAY(_text)),
    _column("queued_at", _instant),
    _column("started_at", _instant, nullable=True),
    _column("ended_at", _instant, nullable=True),
    _column("output", pg.BYTEA(), nullable=True),
    _column("parent_run", _text, nullable=True),
    _column("parent_step", _text, nullable=True),
    _column("original_run", _text, nullable=True),
    sa.Index("ix_runs_event", sa.text("(event_ids[1])")),
    sa.Index(
        "ix_runs_batch",
        "event_ids",
        postgresql_using="gin",
        postgresql_where=sa.text("cardinality(event_ids) > 1"),
    ),
    sa.Index("ix_runs_function_id", "function_id", "id"),
    sa.Index("ix_runs_ended_at", "ended_at", postgresql_using="brin"),
)

queue = sa.Table(
    "queue",
    metadata,
    _column("run_id", _text, primary_key=True),
    _column("function_id", pg.UUID()),
    # r ready, t on a timer, o owned (driven by `owner`), b blocked by `blocked_by`, h held (function paused)
    _column("state", _text),
    _column("rank", _instant),
    _column("wake_at", _instant),
    _column("owner", pg.UUID(), nullable=True),
    _column("epoch", sa.Integer(), server_default="0"),
    _column("pokes", sa.Integer(), server_default="0"),
    _column("started", sa.Boolean(), server_default=sa.false()),
    _column("cursor", pg.BYTEA(), nullable=True),
    _column("gates", pg.ARRAY(_text), nullable=True),
    _column("throttle", _text, nullable=True),
    _column("blocked_by", _text, nullable=True),
    _column("singleton", _text, nullable=True),
    # by when the run must have started or, once it has, ended; `finish_within` is seconds
    _column("deadline", _instant, nullable=True),
    _column("finish_within", pg.DOUBLE_PRECISION(), nullable=True),
    sa.Index("ix_queue_ready", "rank", postgresql_where=sa.text("state = 'r'")),
    sa.Index("ix_queue_timer", "wake_at", postgresql_where=sa.text("state = 't'")),
    sa.Index("ix_queue_blocked", "blocked_by", "rank", postgresql_where=sa.text("state = 'b'")),
    sa.Index("ix_queue_owner", "owner", postgresql_where=sa.text("owner IS NOT NULL")),
    sa.Index("ix_queue_deadline", "deadline", postgresql_where=sa.text("deadline IS NOT NULL")),
    sa.Index("ix_queue_function_id", "function_id"),
)

step_positions = sa.Sequence("step_positions", metadata=metadata, cache=1)

steps = sa.Table(
    "steps",
    metadata,
    _column("run_id", _text, primary_key=True),
    _column("id", _text, primary_key=True),
    _column("name", _text),
    _column("op", _text),
    _column("status", _text),
    _column("attempt", sa.Integer()),
    # planned: called by its id; otherwise it runs where the function's body meets it
    _column("planned", sa.Boolean(), server_default=sa.false()),
    _column("race", sa.Boolean(), server_default=sa.false()),
    # the order in which steps ended, from one sequence
    _column("position", sa.BigInteger(), nullable=True),
    _column("queued_at", _instant),
    _column("started_at", _instant, nullable=True),
    _column("ended_at", _instant, nullable=True),
    _column("wake_at", _instant, nullable=True),
    _column("memo", pg.BYTEA(), nullable=True),
)

failures = sa.Table(
    "failures",
    metadata,
    _column("run_id", _text, primary_key=True),
    _column("step_id", _text, primary_key=True),
    _column("attempt", sa.Integer(), primary_key=True),
    _column("started_at", _instant, primary_key=True),
    _column("ended_at", _instant),
    _column("error", pg.BYTEA()),
)

waits = sa.Table(
    "waits",
    metadata,
    _column("run_id", _text, primary_key=True),
    _column("step_id", _text, primary_key=True),
    _column("event", _text),
    _column("expression", _text, nullable=True),
    _column("expires_at", _instant, nullable=True),
    sa.Index("ix_waits_event", "event"),
)

intents = sa.Table(
    "intents",
    metadata,
    _column("event_id", _text, primary_key=True),
    # a function's id: decide whether and when the event starts a run of it; NULL: match the event with waits
    _column("function_id", _text, primary_key=True, server_default=""),
    _column("created_at", _instant),
    _column("detail", pg.BYTEA(), nullable=True),
)

dedupe = sa.Table(
    "dedupe",
    metadata,
    _column("function_id", pg.UUID(), primary_key=True),
    _column("key", _text, primary_key=True),
    _column("run_id", _text),
    _column("expires_at", _instant),
    sa.Index("ix_dedupe_expires_at", "expires_at"),
)

slots = sa.Table(
    "slots",
    metadata,
    _column("gate", _text, primary_key=True),
    _column("run_id", _text, primary_key=True),
    _column("taken", sa.Integer()),
    sa.Index("ix_slots_run_id", "run_id"),
)

limits = sa.Table(
    "limits",
    metadata,
    _column("key", _text, primary_key=True),
    _column("tat", _instant),
    _column("wake_at", _instant, nullable=True),
    _column("dropped", sa.BigInteger(), server_default="0"),
    sa.Index("ix_limits_wake_at", "wake_at", postgresql_where=sa.text("wake_at IS NOT NULL")),
)

singletons = sa.Table(
    "singletons",
    metadata,
    _column("key", _text, primary_key=True),
    _column("run_id", _text),
)

gathered = sa.Table(
    "gathered",
    metadata,
    # what debounce and batching collect until it becomes one run
    _column("key", _text, primary_key=True),
    _column("function_id", pg.UUID()),
    _column("event_ids", pg.ARRAY(_text)),
    _column("run_at", _instant),
    _column("deadline", _instant, nullable=True),
    sa.Index("ix_gathered_run_at", "run_at"),
)

cancellations = sa.Table(
    "cancellations",
    metadata,
    _column("id", _text, primary_key=True),
    _column("request", pg.JSONB()),
    _column("cancelled", sa.Integer()),
    _column("created_at", _instant),
)
