"""Tables of the job log: what was asked, what ran, how far it came, and what it changed."""

from __future__ import annotations

import sqlalchemy as sa

from db.metadata import JSONB, instant, metadata, number, one_of, text

NOW = sa.func.now()
EMPTY_OBJECT = sa.text("'{}'::jsonb")

STATUSES = (
    "QUEUED",
    "RUNNING",
    "RETRYING",
    "SUCCESS",
    "PARTIAL",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "SKIPPED",
)
ACTIVE = ("QUEUED", "RUNNING", "RETRYING")
_ACTIVE_SQL = "status IN ('QUEUED', 'RUNNING', 'RETRYING')"

# What a search looks through: ids, note and error. Cut at what PostgreSQL's parser takes for a part of one word.
WORD_CUTS = "-./_@<>&=+?#~,"
_TEXT = "id"
for _part in ("run_id", "coalesce(event_id, '')", "coalesce(note, '')", "coalesce(error_name, '')"):
    _TEXT = f"(({_TEXT} || ' ') || {_part})"
# Written with the brackets that PostgreSQL itself shows it with, so that model and database compare equal.
_TEXT = f"({_TEXT} || ' ') || coalesce(error_message, '')"
JOB_WORDS = f"to_tsvector('simple'::regconfig, translate({_TEXT}, '{WORD_CUTS}', '{' ' * len(WORD_CUTS)}'))"
"""The words of a job as the index `ix_jobs_words` has them."""
JOB_TOOK = "(finished_at - started_at)"
"""How long a job took, as the index `ix_jobs_took` has it."""

jobs = sa.Table(
    "jobs",
    metadata,
    text("id", primary_key=True),
    text("type", nullable=False),
    text("status", nullable=False),
    text("function_id", nullable=False),
    text("run_id", nullable=False),
    text("event_id"),
    text("source"),
    text("triggered_by"),
    text("actor"),
    sa.Column("parameters", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    instant("started_at", nullable=False),
    instant("finished_at"),
    instant("heartbeat_at", nullable=False),
    instant("cancel_requested_at"),
    text("cancel_requested_by"),
    text("note"),
    text("error_kind"),
    text("error_name"),
    text("error_message"),
    sa.Column("progress", JSONB),
    # What the job found out on its way; merged key by key, never replaced.
    sa.Column("metadata", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    one_of("status", *STATUSES),
    one_of("error_kind", "EXTERNAL_API", "APPLICATION", "DATA"),
    sa.Index("ix_jobs_started_at", sa.text("started_at DESC"), sa.text("id DESC")),
    sa.Index("ix_jobs_type_started_at", "type", sa.text("started_at DESC"), sa.text("id DESC")),
    sa.Index("ix_jobs_status_started_at", "status", sa.text("started_at DESC"), sa.text("id DESC")),
    sa.Index("ix_jobs_active", "function_id", postgresql_where=sa.text(_ACTIVE_SQL)),
    sa.Index("ix_jobs_trigger", "triggered_by", sa.text("started_at DESC"), sa.text("id DESC")),
    sa.Index("ix_jobs_took", sa.text(JOB_TOOK), "id", postgresql_where=sa.text("finished_at IS NOT NULL")),
    sa.Index("ix_jobs_event_id", "event_id"),
    sa.Index("ix_jobs_words", sa.text(JOB_WORDS), postgresql_using="gin"),
)

# A job may go on over several runs (a long history does); a run belongs to one job.
job_runs = sa.Table(
    "job_runs",
    metadata,
    text("run_id", primary_key=True),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    instant("started_at", nullable=False, server_default=NOW),
)

job_steps = sa.Table(
    "job_steps",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    text("run_id", primary_key=True),
    text("name", primary_key=True),
    text("status", nullable=False),
    number("attempts"),
    instant("started_at", nullable=False),
    instant("attempt_started_at", nullable=False),
    instant("finished_at"),
    text("error_kind"),
    text("error_name"),
    text("error_message"),
    # A short excerpt of what the step returned, for people.
    sa.Column("output", JSONB),
    one_of("status", "RUNNING", "RETRYING", "SUCCESS", "FAILED", "CANCELLED"),
)

COUNTS = (
    "processed",
    "added",
    "updated",
    "rejected",
    "enriched",
    "enrichment_failed",
    "enrichment_pending",
)
"""What a job counts: the columns of `job_effects`."""

# What a step changed, written in the transaction that changed it: true however often the step ran.
job_effects = sa.Table(
    "job_effects",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    text("step", primary_key=True),
    number("processed"),
    number("added"),
    number("updated"),
    number("rejected"),
    number("enriched"),
    number("enrichment_failed"),
    number("enrichment_pending"),
)
