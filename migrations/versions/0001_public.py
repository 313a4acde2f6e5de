"""Tables of schema public: what the sources said, what was made of it, and what was done."""

from __future__ import annotations

from alembic import op

revision = "0001_public"
down_revision = None
branch_labels = None
depends_on = None

# The table of tenders and that of tenders about to be saved have these columns alike.
TENDER_COLUMNS = """\
    release_id TEXT,
    date DATE,
    tag TEXT[],
    buyer_id TEXT,
    buyer_name TEXT,
    title TEXT,
    display_title TEXT,
    description TEXT,
    main_category TEXT,
    status TEXT,
    published_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE,
    closing_at TIMESTAMP WITH TIME ZONE,
    tender_type TEXT,
    tender_type_category TEXT,
    province TEXT,
    city TEXT,
    district TEXT,
    delivery_location TEXT,
    special_conditions TEXT,
    contact_person TEXT,
    contact_email TEXT,
    contact_telephone TEXT,
    briefing_at TIMESTAMP WITH TIME ZONE,
    briefing_venue TEXT,
    briefing_meeting_link TEXT,
    briefing_meeting_id TEXT,
    briefing_meeting_passcode TEXT,
    has_briefing BOOLEAN,
    briefing_compulsory BOOLEAN,
    detailed_category TEXT,
    organ_of_state_type TEXT,
    municipality_type TEXT,
    department_level TEXT,
    has_e_submission BOOLEAN,
    two_envelope BOOLEAN,
    validity_days INTEGER,
    estimated_value_min NUMERIC,
    estimated_value_max NUMERIC,
    award_supplier TEXT,
    award_amount NUMERIC,
    document_count INTEGER,
    data_quality_score SMALLINT,
"""
DDL = """
CREATE TABLE audit_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    actor_id TEXT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    details JSONB DEFAULT '{}'::jsonb NOT NULL,
    ip TEXT,
    CONSTRAINT pk_audit_log PRIMARY KEY (id)
);
CREATE INDEX ix_audit_log_at_id ON audit_log (at DESC, id DESC);
CREATE TABLE coverage_days (
    day DATE NOT NULL,
    complete BOOLEAN DEFAULT false NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    listed_at TIMESTAMP WITH TIME ZONE,
    walks INTEGER DEFAULT 0 NOT NULL,
    reason TEXT,
    next_try_at TIMESTAMP WITH TIME ZONE,
    checked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_coverage_days PRIMARY KEY (day)
);
CREATE INDEX ix_coverage_days_incomplete ON coverage_days (day) WHERE NOT complete;
CREATE TABLE job_tenders (
    job_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    batch INTEGER,
    CONSTRAINT pk_job_tenders PRIMARY KEY (job_id, n)
);
CREATE TABLE jobs (
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    function_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    event_id TEXT,
    source TEXT,
    triggered_by TEXT,
    actor TEXT,
    parameters JSONB DEFAULT '{}'::jsonb NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL,
    cancel_requested_at TIMESTAMP WITH TIME ZONE,
    cancel_requested_by TEXT,
    note TEXT,
    error_kind TEXT,
    error_name TEXT,
    error_message TEXT,
    progress JSONB,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_status CHECK (status IN ('QUEUED', 'RUNNING', 'RETRYING', 'SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'CRASHED', 'SKIPPED')),
    CONSTRAINT ck_jobs_error_kind CHECK (error_kind IN ('EXTERNAL_API', 'APPLICATION', 'DATA'))
);
CREATE INDEX ix_jobs_active ON jobs (function_id) WHERE status IN ('QUEUED', 'RUNNING', 'RETRYING');
CREATE INDEX ix_jobs_started_at ON jobs (started_at DESC, id DESC);
CREATE INDEX ix_jobs_status_started_at ON jobs (status, started_at DESC, id DESC);
CREATE INDEX ix_jobs_type_started_at ON jobs (type, started_at DESC, id DESC);
CREATE TABLE list_walks (
    job_id TEXT NOT NULL,
    day_from DATE NOT NULL,
    day_to DATE NOT NULL,
    position INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    barren INTEGER DEFAULT 0 NOT NULL,
    pages INTEGER DEFAULT 0 NOT NULL,
    ended BOOLEAN DEFAULT false NOT NULL,
    seen BIGINT[] DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_list_walks PRIMARY KEY (job_id, day_from)
);
CREATE TABLE login_attempts (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    username TEXT NOT NULL,
    ip TEXT,
    attempted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    succeeded BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_login_attempts PRIMARY KEY (id)
);
CREATE INDEX ix_login_attempts_ip_attempted_at ON login_attempts (ip, attempted_at);
CREATE INDEX ix_login_attempts_username_attempted_at ON login_attempts (username, attempted_at);
CREATE TABLE portal_rows (
    n BIGINT NOT NULL,
    ocid TEXT NOT NULL,
    bucket SMALLINT NOT NULL,
    row_hash BYTEA NOT NULL,
    body JSONB NOT NULL,
    body_exact BYTEA,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    vanished_at TIMESTAMP WITH TIME ZONE,
    saved_hash BYTEA,
    job_id TEXT,
    CONSTRAINT pk_portal_rows PRIMARY KEY (n)
);
CREATE INDEX ix_portal_rows_bucket_present ON portal_rows (bucket) WHERE vanished_at IS NULL;
CREATE INDEX ix_portal_rows_unsaved ON portal_rows (n) WHERE saved_hash IS NULL;
CREATE TABLE portal_snapshots (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    bucket SMALLINT NOT NULL,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    row_count INTEGER DEFAULT 0 NOT NULL,
    rejected INTEGER DEFAULT 0 NOT NULL,
    changed INTEGER DEFAULT 0 NOT NULL,
    accepted BOOLEAN DEFAULT false NOT NULL,
    reason TEXT,
    job_id TEXT,
    CONSTRAINT pk_portal_snapshots PRIMARY KEY (id)
);
CREATE INDEX ix_portal_snapshots_bucket_fetched_at ON portal_snapshots (bucket, fetched_at DESC);
CREATE TABLE rejected_releases (
    content_hash BYTEA NOT NULL,
    ocid TEXT,
    reason TEXT NOT NULL,
    body JSONB,
    body_exact BYTEA,
    reader_version INTEGER NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    first_rejected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_rejected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    job_id TEXT,
    CONSTRAINT pk_rejected_releases PRIMARY KEY (content_hash)
);
CREATE INDEX ix_rejected_releases_next_try_at ON rejected_releases (next_try_at) WHERE resolved_at IS NULL;
CREATE INDEX ix_rejected_releases_ocid ON rejected_releases (ocid);
CREATE TABLE releases (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    ocid TEXT NOT NULL,
    release_id TEXT,
    date DATE,
    content_hash BYTEA NOT NULL,
    body JSONB NOT NULL,
    body_exact BYTEA,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    job_id TEXT,
    CONSTRAINT pk_releases PRIMARY KEY (id),
    CONSTRAINT uq_releases_ocid_content_hash UNIQUE (ocid, content_hash)
);
CREATE TABLE saved_searches (
    id TEXT NOT NULL,
    user_id TEXT,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    filters JSONB DEFAULT '{}'::jsonb NOT NULL,
    frequency TEXT DEFAULT 'daily' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    after_arrival BIGINT DEFAULT 0 NOT NULL,
    next_due_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    unsubscribed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_saved_searches PRIMARY KEY (id),
    CONSTRAINT ck_saved_searches_frequency CHECK (frequency IN ('daily', 'weekly'))
);
CREATE INDEX ix_saved_searches_due ON saved_searches (next_due_at) WHERE is_active;
CREATE INDEX ix_saved_searches_user_id ON saved_searches (user_id);
CREATE TABLE staged_portal_rows (
    job_id TEXT NOT NULL,
    bucket SMALLINT NOT NULL,
    n BIGINT NOT NULL,
    ocid TEXT NOT NULL,
    row_hash BYTEA NOT NULL,
    published_on DATE,
    body JSONB NOT NULL,
    body_exact BYTEA,
    CONSTRAINT pk_staged_portal_rows PRIMARY KEY (job_id, bucket, n)
);
CREATE TABLE staged_releases (
    job_id TEXT NOT NULL,
    ocid TEXT NOT NULL,
    n BIGINT NOT NULL,
    release_id TEXT,
    date DATE,
    content_hash BYTEA NOT NULL,
    body JSONB NOT NULL,
    body_exact BYTEA,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_staged_releases PRIMARY KEY (job_id, ocid)
);
CREATE TABLE staged_tenders (
    job_id TEXT NOT NULL,
    ocid TEXT NOT NULL,
    n BIGINT NOT NULL,
    -- the columns of a tender
    slug TEXT,
    lifecycle TEXT,
    enrichment_status TEXT,
    enrichment_attempts INTEGER,
    enrichment_next_at TIMESTAMP WITH TIME ZONE,
    enrichment_error TEXT,
    enriched_at TIMESTAMP WITH TIME ZONE,
    is_published BOOLEAN,
    first_seen_at TIMESTAMP WITH TIME ZONE,
    last_changed_at TIMESTAMP WITH TIME ZONE,
    provenance JSONB,
    quality JSONB,
    content_hash BYTEA,
    release_hash BYTEA,
    release_fetched_at TIMESTAMP WITH TIME ZONE,
    row_hash BYTEA,
    portal_hash BYTEA,
    batch INTEGER,
    documents JSONB,
    CONSTRAINT pk_staged_tenders PRIMARY KEY (job_id, n)
);
CREATE TABLE sync_state (
    key TEXT NOT NULL,
    value JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    job_id TEXT,
    CONSTRAINT pk_sync_state PRIMARY KEY (key)
);
CREATE TABLE tender_ids (
    n BIGINT NOT NULL,
    ocid TEXT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    reason TEXT,
    is_expected BOOLEAN DEFAULT false NOT NULL,
    expected_by TEXT,
    is_present BOOLEAN DEFAULT false NOT NULL,
    published_on DATE,
    first_expected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    fetched_at TIMESTAMP WITH TIME ZONE,
    release_hash BYTEA,
    portal_hash BYTEA,
    refresh_at TIMESTAMP WITH TIME ZONE,
    refreshes INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT pk_tender_ids PRIMARY KEY (n),
    CONSTRAINT ck_tender_ids_state CHECK (state IN ('pending', 'known', 'hole', 'failing', 'rejected'))
);
CREATE INDEX ix_tender_ids_expected ON tender_ids (n) WHERE is_expected;
CREATE INDEX ix_tender_ids_open ON tender_ids (published_on, n) WHERE is_expected AND (state <> 'known' OR NOT is_present);
CREATE INDEX ix_tender_ids_probes ON tender_ids (next_try_at) WHERE NOT is_expected AND state <> 'known';
CREATE INDEX ix_tender_ids_published_on ON tender_ids (published_on, n);
CREATE INDEX ix_tender_ids_refresh_at ON tender_ids (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE TABLE tenders (
    ocid TEXT NOT NULL,
    n BIGINT NOT NULL,
    -- the columns of a tender
    slug TEXT NOT NULL,
    lifecycle TEXT NOT NULL,
    enrichment_status TEXT NOT NULL,
    enrichment_attempts INTEGER DEFAULT 0 NOT NULL,
    enrichment_next_at TIMESTAMP WITH TIME ZONE,
    enrichment_error TEXT,
    enriched_at TIMESTAMP WITH TIME ZONE,
    is_published BOOLEAN NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    provenance JSONB DEFAULT '{}'::jsonb NOT NULL,
    quality JSONB DEFAULT '{}'::jsonb NOT NULL,
    content_hash BYTEA NOT NULL,
    release_hash BYTEA,
    release_fetched_at TIMESTAMP WITH TIME ZONE,
    row_hash BYTEA,
    portal_hash BYTEA,
    job_id TEXT,
    search TSVECTOR GENERATED ALWAYS AS (setweight(to_tsvector('simple'::regconfig, coalesce(title, '')), 'A') || setweight(to_tsvector('english'::regconfig, coalesce(display_title, '')), 'A') || setweight(to_tsvector('english'::regconfig, coalesce(buyer_name, '')), 'B') || setweight(to_tsvector('english'::regconfig, coalesce(description, '')), 'C') || setweight(to_tsvector('simple'::regconfig, coalesce(ocid, '')), 'D')) STORED,
    arrival BIGINT GENERATED BY DEFAULT AS IDENTITY,
    CONSTRAINT pk_tenders PRIMARY KEY (ocid),
    CONSTRAINT uq_tenders_n UNIQUE (n),
    CONSTRAINT uq_tenders_slug UNIQUE (slug),
    CONSTRAINT ck_tenders_lifecycle CHECK (lifecycle IN ('open', 'closed', 'cancelled', 'awarded')),
    CONSTRAINT ck_tenders_enrichment_status CHECK (enrichment_status IN ('pending', 'enriched', 'not_listed', 'failed'))
);
CREATE INDEX ix_tenders_arrival ON tenders (arrival);
CREATE INDEX ix_tenders_buyer ON tenders (buyer_id, published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_buyer_name ON tenders (lower(buyer_name), published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_category ON tenders (detailed_category, published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_enrichment_due ON tenders (enrichment_next_at, n) WHERE enrichment_status <> 'enriched';
CREATE INDEX ix_tenders_first_seen_at ON tenders (first_seen_at, n);
CREATE INDEX ix_tenders_last_changed_at ON tenders (last_changed_at DESC, n DESC);
CREATE INDEX ix_tenders_lifecycle ON tenders (lifecycle, closing_at, n);
CREATE INDEX ix_tenders_main_category ON tenders (main_category, published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_not_enriched ON tenders (enrichment_status) WHERE enrichment_status <> 'enriched';
CREATE INDEX ix_tenders_organ ON tenders (organ_of_state_type, published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_province ON tenders (province, published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_published ON tenders (published_at DESC NULLS LAST, n DESC);
CREATE INDEX ix_tenders_search ON tenders USING gin (search);
CREATE INDEX ix_tenders_status ON tenders (status, published_at DESC NULLS LAST, n DESC);
CREATE TABLE upstream_hosts (
    host TEXT NOT NULL,
    next_free_at TIMESTAMP WITH TIME ZONE,
    lease_holder TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    routine_until TIMESTAMP WITH TIME ZONE,
    state TEXT DEFAULT 'closed' NOT NULL,
    consecutive_failures INTEGER DEFAULT 0 NOT NULL,
    opened_times INTEGER DEFAULT 0 NOT NULL,
    open_until TIMESTAMP WITH TIME ZONE,
    slowdown FLOAT DEFAULT 1 NOT NULL,
    requests BIGINT DEFAULT 0 NOT NULL,
    errors BIGINT DEFAULT 0 NOT NULL,
    mean_seconds FLOAT,
    last_status INTEGER,
    last_error TEXT,
    last_ok_at TIMESTAMP WITH TIME ZONE,
    last_error_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_upstream_hosts PRIMARY KEY (host),
    CONSTRAINT ck_upstream_hosts_state CHECK (state IN ('closed', 'open', 'half_open'))
);
CREATE TABLE users (
    id TEXT NOT NULL,
    username TEXT NOT NULL,
    email TEXT,
    password_hash TEXT NOT NULL,
    role TEXT DEFAULT 'viewer' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    password_changed_at TIMESTAMP WITH TIME ZONE,
    last_login_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_role CHECK (role IN ('viewer', 'operator', 'admin')),
    CONSTRAINT uq_users_username UNIQUE (username)
);
CREATE TABLE alert_deliveries (
    id TEXT NOT NULL,
    search_id TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'prepared' NOT NULL,
    tender_count INTEGER DEFAULT 0 NOT NULL,
    left_over INTEGER DEFAULT 0 NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    last_error TEXT,
    sent_to TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sending_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    job_id TEXT,
    CONSTRAINT pk_alert_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_alert_deliveries_search_id_due_at UNIQUE (search_id, due_at),
    CONSTRAINT ck_alert_deliveries_state CHECK (state IN ('prepared', 'sending', 'sent', 'written', 'failed', 'unknown')),
    CONSTRAINT fk_alert_deliveries_search_id FOREIGN KEY(search_id) REFERENCES saved_searches (id) ON DELETE CASCADE
);
CREATE INDEX ix_alert_deliveries_open ON alert_deliveries (next_try_at) WHERE state IN ('prepared', 'sending');
CREATE TABLE job_effects (
    job_id TEXT NOT NULL,
    step TEXT NOT NULL,
    processed INTEGER DEFAULT 0 NOT NULL,
    added INTEGER DEFAULT 0 NOT NULL,
    updated INTEGER DEFAULT 0 NOT NULL,
    rejected INTEGER DEFAULT 0 NOT NULL,
    enriched INTEGER DEFAULT 0 NOT NULL,
    enrichment_failed INTEGER DEFAULT 0 NOT NULL,
    enrichment_pending INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT pk_job_effects PRIMARY KEY (job_id, step),
    CONSTRAINT fk_job_effects_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE job_runs (
    run_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_job_runs PRIMARY KEY (run_id),
    CONSTRAINT fk_job_runs_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_job_runs_job_id ON job_runs (job_id);
CREATE TABLE job_steps (
    job_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempt_started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    error_kind TEXT,
    error_name TEXT,
    error_message TEXT,
    output JSONB,
    CONSTRAINT pk_job_steps PRIMARY KEY (job_id, run_id, name),
    CONSTRAINT ck_job_steps_status CHECK (status IN ('RUNNING', 'RETRYING', 'SUCCESS', 'FAILED', 'CANCELLED')),
    CONSTRAINT fk_job_steps_job_id FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE sessions (
    token_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ip TEXT,
    user_agent TEXT,
    CONSTRAINT pk_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE TABLE tender_documents (
    ocid TEXT NOT NULL,
    position SMALLINT NOT NULL,
    id TEXT NOT NULL,
    title TEXT,
    url TEXT,
    format TEXT,
    date_published TEXT,
    date_modified TEXT,
    source TEXT NOT NULL,
    CONSTRAINT pk_tender_documents PRIMARY KEY (ocid, position),
    CONSTRAINT fk_tender_documents_ocid FOREIGN KEY(ocid) REFERENCES tenders (ocid) ON DELETE CASCADE
);
CREATE TABLE alert_items (
    search_id TEXT NOT NULL,
    ocid TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    CONSTRAINT pk_alert_items PRIMARY KEY (search_id, ocid),
    CONSTRAINT fk_alert_items_search_id FOREIGN KEY(search_id) REFERENCES saved_searches (id) ON DELETE CASCADE,
    CONSTRAINT fk_alert_items_delivery_id FOREIGN KEY(delivery_id) REFERENCES alert_deliveries (id) ON DELETE CASCADE
);
CREATE INDEX ix_alert_items_delivery_id ON alert_items (delivery_id);"""  # noqa: E501


def upgrade() -> None:
    op.execute(DDL.replace("    -- the columns of a tender\n", TENDER_COLUMNS))


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE alert_items, tender_documents, sessions, job_steps, job_runs, job_effects,
        alert_deliveries, users, upstream_hosts, tenders, tender_ids, sync_state, staged_tenders,
        staged_releases, staged_portal_rows, saved_searches, releases, rejected_releases,
        portal_snapshots, portal_rows, login_attempts, list_walks, jobs, job_tenders,
        coverage_days, audit_log
        """
    )
