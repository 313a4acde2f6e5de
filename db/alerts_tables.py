"""Tables of the alerts: what people wait for, the mails made for them, and which tender each was told about."""

from __future__ import annotations

import sqlalchemy as sa

from db.metadata import JSONB, flag, instant, metadata, number, one_of, text

NOW = sa.func.now()

saved_searches = sa.Table(
    "saved_searches",
    metadata,
    text("id", primary_key=True),
    text("user_id", index=True),
    text("name", nullable=False),
    text("email", nullable=False),
    # keywords, province, category, buyer, status, closing_within_days.
    sa.Column("filters", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    text("frequency", nullable=False, server_default="daily"),
    flag("is_active", default=True),
    instant("created_at", nullable=False, server_default=NOW),
    # The newest arrival among the tenders when the search was made: only later ones are news.
    sa.Column("after_arrival", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    instant("next_due_at", nullable=False, server_default=NOW),
    instant("unsubscribed_at"),
    one_of("frequency", "daily", "weekly"),
    sa.Index("ix_saved_searches_due", "next_due_at", postgresql_where=sa.text("is_active")),
)

# prepared: to be sent. sending: the mail was handed over and no answer noted yet. sent: the server took it.
# written: it went to the folder, not to a person. failed: given up. unknown: handed over, the answer never came.
STATES = ("prepared", "sending", "sent", "written", "failed", "unknown")

alert_deliveries = sa.Table(
    "alert_deliveries",
    metadata,
    text("id", primary_key=True),
    sa.Column("search_id", sa.ForeignKey("saved_searches.id", ondelete="CASCADE"), nullable=False),
    instant("due_at", nullable=False),
    text("state", nullable=False, server_default="prepared"),
    number("tender_count"),
    # Tenders that fit as well and come with the next mail, because this one is long enough.
    number("left_over"),
    number("attempts"),
    text("last_error"),
    text("sent_to", nullable=False),
    instant("created_at", nullable=False, server_default=NOW),
    instant("next_try_at", nullable=False, server_default=NOW),
    instant("sending_at"),
    instant("finished_at"),
    text("job_id"),
    sa.UniqueConstraint("search_id", "due_at"),
    one_of("state", *STATES),
    sa.Index(
        "ix_alert_deliveries_open",
        "next_try_at",
        postgresql_where=sa.text("state IN ('prepared', 'sending')"),
    ),
)

# Which tender a search was told about, and by which mail: each once.
alert_items = sa.Table(
    "alert_items",
    metadata,
    sa.Column("search_id", sa.ForeignKey("saved_searches.id", ondelete="CASCADE"), primary_key=True),
    text("ocid", primary_key=True),
    sa.Column(
        "delivery_id", sa.ForeignKey("alert_deliveries.id", ondelete="CASCADE"), nullable=False, index=True
    ),
)
