"""All tables of schema `public`: what the sources said, what we made of it, and what we did.

The rows of one aggregate are read and written by the file of its name in this room, and by no other.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from db import accounts_tables, alerts_tables, jobs_tables, tallies
from db.metadata import JSONB, flag, instant, metadata, number, one_of, text
from db.tender_columns import tender_columns

__all__ = [
    "accounts_tables",
    "alerts_tables",
    "coverage_days",
    "job_tenders",
    "jobs_tables",
    "list_walks",
    "metadata",
    "portal_rows",
    "portal_snapshots",
    "rejected_releases",
    "releases",
    "staged_portal_rows",
    "staged_releases",
    "staged_tenders",
    "sync_state",
    "tallies",
    "tender_documents",
    "tender_ids",
    "tenders",
    "upstream_hosts",
]

NOW = sa.func.now()
EMPTY_OBJECT = sa.text("'{}'::jsonb")

# Every distinct content ever seen of an ocid. Rows are added, never changed, never removed.
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    text("ocid", nullable=False),
    text("release_id"),
    sa.Column("date", sa.Date),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("body", JSONB, nullable=False),
    # The body's exact JSON, only where jsonb cannot hold it (NUL characters, lone surrogates).
    sa.Column("body_exact", sa.LargeBinary),
    instant("fetched_at", nullable=False),
    text("job_id"),
    sa.UniqueConstraint("ocid", "content_hash"),
    # Rows are added in the order of this time: a small index that costs next to nothing to keep.
    sa.Index("ix_releases_fetched_at", "fetched_at", postgresql_using="brin"),
)

# What a running job fetched and has not yet saved: only contents that differ from the current one.
staged_releases = sa.Table(
    "staged_releases",
    metadata,
    text("job_id", primary_key=True),
    text("ocid", primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
    text("release_id"),
    sa.Column("date", sa.Date),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("body_exact", sa.LargeBinary),
    instant("fetched_at", nullable=False),
)

# Releases that the reader could not accept, with the reason; tried again when the reader changes.
rejected_releases = sa.Table(
    "rejected_releases",
    metadata,
    sa.Column("content_hash", sa.LargeBinary, primary_key=True),
    text("ocid", index=True),
    text("reason", nullable=False),
    sa.Column("body", JSONB),
    sa.Column("body_exact", sa.LargeBinary),
    sa.Column("reader_version", sa.Integer, nullable=False),
    number("attempts"),
    instant("first_rejected_at", nullable=False),
    instant("last_rejected_at", nullable=False),
    instant("next_try_at", nullable=False),
    instant("resolved_at"),
    text("job_id"),
    sa.Index(
        "ix_rejected_releases_next_try_at", "next_try_at", postgresql_where=sa.text("resolved_at IS NULL")
    ),
)

# The portal's rows as last shown, of every bucket; a row that left its bucket keeps its content.
portal_rows = sa.Table(
    "portal_rows",
    metadata,
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
    text("ocid", nullable=False),
    sa.Column("bucket", sa.SmallInteger, nullable=False),
    sa.Column("row_hash", sa.LargeBinary, nullable=False),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("body_exact", sa.LargeBinary),
    instant("first_seen_at", nullable=False),
    instant("changed_at", nullable=False),
    instant("vanished_at"),
    # The row's content that the tender was last made with; NULL: the tender is to be made anew.
    sa.Column("saved_hash", sa.LargeBinary),
    text("job_id"),
    sa.Index("ix_portal_rows_bucket_present", "bucket", postgresql_where=sa.text("vanished_at IS NULL")),
    sa.Index("ix_portal_rows_unsaved", "n", postgresql_where=sa.text("saved_hash IS NULL")),
)

# A bucket on its way in: what of it is new or changed, until the whole of it has been read.
staged_portal_rows = sa.Table(
    "staged_portal_rows",
    metadata,
    text("job_id", primary_key=True),
    sa.Column("bucket", sa.SmallInteger, primary_key=True),
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
    text("ocid", nullable=False),
    sa.Column("row_hash", sa.LargeBinary, nullable=False),
    sa.Column("published_on", sa.Date),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("body_exact", sa.LargeBinary),
)

# Each look at a bucket, and whether it was believed.
portal_snapshots = sa.Table(
    "portal_snapshots",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("bucket", sa.SmallInteger, nullable=False),
    instant("fetched_at", nullable=False),
    number("row_count"),
    number("rejected"),
    number("changed"),
    flag("accepted", default=False),
    text("reason"),
    text("job_id"),
    sa.Index("ix_portal_snapshots_bucket_fetched_at", "bucket", sa.text("fetched_at DESC")),
)

# The ledger of identifiers: everything that must exist or was asked for, and how that stands.
tender_ids = sa.Table(
    "tender_ids",
    metadata,
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
    text("ocid", nullable=False),
    # pending: not fetched yet. known: its release is held. hole: the source answered that there is none.
    # failing: the source keeps answering an error. rejected: the reader could not accept it.
    text("state", nullable=False, server_default="pending"),
    text("reason"),
    # Evidence that the tender exists: a list, a bucket, a release. A probed identifier has none.
    flag("is_expected", default=False),
    text("expected_by"),
    flag("is_present", default=False),
    sa.Column("published_on", sa.Date),
    instant("first_expected_at", nullable=False),
    number("attempts"),
    instant("next_try_at"),
    text("last_error"),
    instant("fetched_at"),
    sa.Column("release_hash", sa.LargeBinary),
    # The portal row's content that the fetched release corresponds to; another one means "fetch again".
    sa.Column("portal_hash", sa.LargeBinary),
    # When an already known release is worth a new look (awards, re-dating); NULL: never.
    instant("refresh_at"),
    number("refreshes"),
    one_of("state", "pending", "known", "hole", "failing", "rejected"),
    sa.Index("ix_tender_ids_expected", "n", postgresql_where=sa.text("is_expected")),
    sa.Index(
        "ix_tender_ids_open",
        "published_on",
        "n",
        postgresql_where=sa.text("is_expected AND (state <> 'known' OR NOT is_present)"),
    ),
    sa.Index(
        "ix_tender_ids_probes",
        "next_try_at",
        postgresql_where=sa.text("NOT is_expected AND state <> 'known'"),
    ),
    sa.Index("ix_tender_ids_published_on", "published_on", "n"),
    sa.Index("ix_tender_ids_refresh_at", "refresh_at", postgresql_where=sa.text("refresh_at IS NOT NULL")),
)

# How far a job's walk through a window of the list has come; a repeated attempt goes on from there.
list_walks = sa.Table(
    "list_walks",
    metadata,
    text("job_id", primary_key=True),
    sa.Column("day_from", sa.Date, primary_key=True),
    sa.Column("day_to", sa.Date, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("page_size", sa.Integer, nullable=False),
    number("barren"),
    number("pages"),
    flag("ended", default=False),
    # Every ocid that the walk has met, so that a page without a new one is known as such.
    sa.Column("seen", pg.ARRAY(sa.BigInteger), nullable=False, server_default=sa.text("'{}'")),
)

# What was proven about a publication day.
coverage_days = sa.Table(
    "coverage_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    flag("complete", default=False),
    instant("completed_at"),
    # The last walk of the list that covered the day and was believed to have reached its end.
    instant("listed_at"),
    number("walks"),
    text("reason"),
    instant("next_try_at"),
    instant("checked_at"),
    sa.Index("ix_coverage_days_incomplete", "day", postgresql_where=sa.text("NOT complete")),
)

# Facts about the sync as a whole, one row each: `cursor`, `reader_version`, …
sync_state = sa.Table(
    "sync_state",
    metadata,
    text("key", primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    instant("updated_at", nullable=False, server_default=NOW),
    text("job_id"),
)

tenders = sa.Table(
    "tenders",
    metadata,
    *tender_columns(),
    sa.Column(
        "search",
        pg.TSVECTOR,
        sa.Computed(
            "setweight(to_tsvector('simple'::regconfig, coalesce(title, '')), 'A') || "
            "setweight(to_tsvector('english'::regconfig, coalesce(display_title, '')), 'A') || "
            "setweight(to_tsvector('english'::regconfig, coalesce(buyer_name, '')), 'B') || "
            "setweight(to_tsvector('english'::regconfig, coalesce(description, '')), 'C') || "
            "setweight(to_tsvector('simple'::regconfig, coalesce(ocid, '')), 'D')",
            persisted=True,
        ),
    ),
    # Counts up as tenders become visible, in the order of their commits (savings follow one another).
    sa.Column("arrival", sa.BigInteger, sa.Identity()),
    sa.PrimaryKeyConstraint("ocid"),
    sa.UniqueConstraint("n"),
    sa.UniqueConstraint("slug"),
    one_of("lifecycle", "open", "closed", "cancelled", "awarded"),
    one_of("enrichment_status", "pending", "enriched", "not_listed", "failed"),
    sa.Index("ix_tenders_published", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")),
    sa.Index("ix_tenders_province", "province", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")),
    sa.Index(
        "ix_tenders_category", "detailed_category", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")
    ),
    sa.Index("ix_tenders_buyer", "buyer_id", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")),
    sa.Index(
        "ix_tenders_buyer_name",
        sa.text("lower(buyer_name)"),
        sa.text("published_at DESC NULLS LAST"),
        sa.text("n DESC"),
    ),
    sa.Index(
        "ix_tenders_main_category",
        "main_category",
        sa.text("published_at DESC NULLS LAST"),
        sa.text("n DESC"),
    ),
    sa.Index(
        "ix_tenders_organ", "organ_of_state_type", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")
    ),
    sa.Index("ix_tenders_status", "status", sa.text("published_at DESC NULLS LAST"), sa.text("n DESC")),
    sa.Index("ix_tenders_lifecycle", "lifecycle", "closing_at", "n"),
    sa.Index("ix_tenders_first_seen_at", "first_seen_at", "n"),
    sa.Index("ix_tenders_arrival", "arrival"),
    sa.Index("ix_tenders_last_changed_at", sa.text("last_changed_at DESC"), sa.text("n DESC")),
    sa.Index(
        "ix_tenders_enrichment_due",
        "enrichment_next_at",
        "n",
        # Why they wait is counted from the index alone.
        postgresql_include=["enrichment_status", "enrichment_error"],
        postgresql_where=sa.text("enrichment_status <> 'enriched'"),
    ),
    # What is not enriched is counted from the index alone.
    sa.Index(
        "ix_tenders_not_enriched",
        "enrichment_status",
        postgresql_where=sa.text("enrichment_status <> 'enriched'"),
    ),
    sa.Index("ix_tenders_search", "search", postgresql_using="gin"),
)

# The tenders that a job has to make anew; those without a batch are saved without being enriched.
job_tenders = sa.Table(
    "job_tenders",
    metadata,
    text("job_id", primary_key=True),
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("batch", sa.Integer),
)

# Tenders made by a job's steps, waiting for its `save-to-database`: the columns of `tenders`, typed alike.
staged_tenders = sa.Table(
    "staged_tenders",
    metadata,
    text("job_id", nullable=False),
    *tender_columns(staged=True),
    sa.Column("batch", sa.Integer),
    sa.Column("documents", JSONB),
    sa.PrimaryKeyConstraint("job_id", "n"),
)

tender_documents = sa.Table(
    "tender_documents",
    metadata,
    text("ocid", primary_key=True),
    sa.Column("position", sa.SmallInteger, primary_key=True),
    text("id", nullable=False),
    text("title"),
    text("url"),
    text("format"),
    text("date_published"),
    text("date_modified"),
    text("source", nullable=False),
    sa.ForeignKeyConstraint(["ocid"], ["tenders.ocid"], ondelete="CASCADE"),
)

# One row per government host: who may ask it when, and how it has been answering.
upstream_hosts = sa.Table(
    "upstream_hosts",
    metadata,
    text("host", primary_key=True),
    instant("next_free_at"),
    text("lease_holder"),
    instant("lease_until"),
    # A routine request is waiting until then: background work lets it go first.
    instant("routine_until"),
    text("state", nullable=False, server_default="closed"),
    number("consecutive_failures"),
    number("opened_times"),
    instant("open_until"),
    # How many times the normal spacing is kept now: grows with errors, shrinks with answers.
    sa.Column("slowdown", sa.Float, nullable=False, server_default=sa.text("1")),
    sa.Column("requests", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("errors", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("mean_seconds", sa.Float),
    sa.Column("last_status", sa.Integer),
    text("last_error"),
    instant("last_ok_at"),
    instant("last_error_at"),
    one_of("state", "closed", "open", "half_open"),
)
