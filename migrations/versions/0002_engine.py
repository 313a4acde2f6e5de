"""The embedded engine's tables, in a schema of their own."""

from __future__ import annotations

from alembic import op

revision = "0002_engine"
down_revision = "0001_public"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE SCHEMA engine",
    """CREATE SEQUENCE engine.step_positions CACHE 1""",
    """
CREATE TABLE engine.apps (
    name TEXT NOT NULL,
    id UUID NOT NULL,
    url TEXT NOT NULL,
    sdk TEXT DEFAULT '' NOT NULL,
    framework TEXT DEFAULT '' NOT NULL,
    checksum TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    synced_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (name)
)
""",
    """
CREATE TABLE engine.cancellations (
    id TEXT NOT NULL,
    request JSONB NOT NULL,
    cancelled INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE engine.dedupe (
    function_id UUID NOT NULL,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (function_id, key)
)
""",
    """CREATE INDEX ix_dedupe_expires_at ON engine.dedupe (expires_at)""",
    """
CREATE TABLE engine.events (
    id TEXT NOT NULL,
    sender_id TEXT,
    name TEXT NOT NULL,
    body BYTEA NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    copies INTEGER DEFAULT 1 NOT NULL,
    PRIMARY KEY (id)
)
""",
    """CREATE INDEX ix_events_name_id ON engine.events (name, id)""",
    """CREATE INDEX ix_events_received_at ON engine.events USING brin (received_at)""",
    """
CREATE TABLE engine.failures (
    run_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    error BYTEA NOT NULL,
    PRIMARY KEY (run_id, step_id, attempt, started_at)
)
""",
    """
CREATE TABLE engine.functions (
    id UUID NOT NULL,
    app TEXT NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    config JSONB NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    paused_at TIMESTAMP WITH TIME ZONE,
    paused_runs TEXT DEFAULT 'hold' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (slug)
)
""",
    """
CREATE TABLE engine.gathered (
    key TEXT NOT NULL,
    function_id UUID NOT NULL,
    event_ids TEXT[] NOT NULL,
    run_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deadline TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (key)
)
""",
    """CREATE INDEX ix_gathered_run_at ON engine.gathered (run_at)""",
    """
CREATE TABLE engine.instances (
    id UUID NOT NULL,
    process TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    lease_seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE engine.intents (
    event_id TEXT NOT NULL,
    function_id TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    detail BYTEA,
    PRIMARY KEY (event_id, function_id)
)
""",
    """
CREATE TABLE engine.limits (
    key TEXT NOT NULL,
    tat TIMESTAMP WITH TIME ZONE NOT NULL,
    wake_at TIMESTAMP WITH TIME ZONE,
    dropped BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (key)
)
""",
    """CREATE INDEX ix_limits_wake_at ON engine.limits (wake_at) WHERE wake_at IS NOT NULL""",
    """
CREATE TABLE engine.queue (
    run_id TEXT NOT NULL,
    function_id UUID NOT NULL,
    state TEXT NOT NULL,
    rank TIMESTAMP WITH TIME ZONE NOT NULL,
    wake_at TIMESTAMP WITH TIME ZONE NOT NULL,
    owner UUID,
    epoch INTEGER DEFAULT '0' NOT NULL,
    pokes INTEGER DEFAULT '0' NOT NULL,
    started BOOLEAN DEFAULT false NOT NULL,
    cursor BYTEA,
    gates TEXT[],
    throttle TEXT,
    blocked_by TEXT,
    singleton TEXT,
    deadline TIMESTAMP WITH TIME ZONE,
    finish_within DOUBLE PRECISION,
    PRIMARY KEY (run_id)
)
""",
    """CREATE INDEX ix_queue_blocked ON engine.queue (blocked_by, rank) WHERE state = 'b'""",
    """CREATE INDEX ix_queue_deadline ON engine.queue (deadline) WHERE deadline IS NOT NULL""",
    """CREATE INDEX ix_queue_function_id ON engine.queue (function_id)""",
    """CREATE INDEX ix_queue_owner ON engine.queue (owner) WHERE owner IS NOT NULL""",
    """CREATE INDEX ix_queue_ready ON engine.queue (rank) WHERE state = 'r'""",
    """CREATE INDEX ix_queue_timer ON engine.queue (wake_at) WHERE state = 't'""",
    """
CREATE TABLE engine.runs (
    id TEXT NOT NULL,
    function_id UUID NOT NULL,
    status TEXT NOT NULL,
    cause TEXT NOT NULL,
    event_ids TEXT[] NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    output BYTEA,
    parent_run TEXT,
    parent_step TEXT,
    original_run TEXT,
    PRIMARY KEY (id)
)
""",
    """CREATE INDEX ix_runs_batch ON engine.runs USING gin (event_ids) WHERE cardinality(event_ids) > 1""",
    """CREATE INDEX ix_runs_ended_at ON engine.runs USING brin (ended_at)""",
    """CREATE INDEX ix_runs_event ON engine.runs ((event_ids[1]))""",
    """CREATE INDEX ix_runs_function_id ON engine.runs (function_id, id)""",
    """
CREATE TABLE engine.schedules (
    function_id UUID NOT NULL,
    cron TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE,
    last_run TEXT,
    PRIMARY KEY (function_id, cron)
)
""",
    """CREATE INDEX ix_schedules_next_at ON engine.schedules (next_at)""",
    """
CREATE TABLE engine.singletons (
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (key)
)
""",
    """
CREATE TABLE engine.slots (
    gate TEXT NOT NULL,
    run_id TEXT NOT NULL,
    taken INTEGER NOT NULL,
    PRIMARY KEY (gate, run_id)
)
""",
    """CREATE INDEX ix_slots_run_id ON engine.slots (run_id)""",
    """
CREATE TABLE engine.steps (
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    op TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    planned BOOLEAN DEFAULT false NOT NULL,
    race BOOLEAN DEFAULT false NOT NULL,
    position BIGINT,
    queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    wake_at TIMESTAMP WITH TIME ZONE,
    memo BYTEA,
    PRIMARY KEY (run_id, id)
)
""",
    """
CREATE TABLE engine.waits (
    run_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    event TEXT NOT NULL,
    expression TEXT,
    expires_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (run_id, step_id)
)
""",
    """CREATE INDEX ix_waits_event ON engine.waits (event)""",
    # Rows of the live queue come and go all the time: vacuum it early, and leave room for updates in place.
    """ALTER TABLE engine.queue SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,
                                    autovacuum_vacuum_threshold = 500)""",
    "ALTER TABLE engine.runs SET (fillfactor = 85)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA engine CASCADE")
