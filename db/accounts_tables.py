"""Tables of people: who may log in, their sessions, failed logins, and what they did."""

from __future__ import annotations

import sqlalchemy as sa

from db.metadata import JSONB, flag, instant, metadata, one_of, text

NOW = sa.func.now()

users = sa.Table(
    "users",
    metadata,
    text("id", primary_key=True),
    text("username", nullable=False, unique=True),
    text("email"),
    text("password_hash", nullable=False),
    text("role", nullable=False, server_default="viewer"),
    flag("is_active", default=True),
    instant("created_at", nullable=False, server_default=NOW),
    instant("password_changed_at"),
    instant("last_login_at"),
    one_of("role", "viewer", "operator", "admin"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    # The hash of the cookie's value: who reads this table cannot take a session over.
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    instant("created_at", nullable=False, server_default=NOW),
    instant("last_seen_at", nullable=False, server_default=NOW),
    instant("expires_at", nullable=False, index=True),
    text("ip"),
    text("user_agent"),
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    text("username", nullable=False),
    text("ip"),
    instant("attempted_at", nullable=False, server_default=NOW),
    flag("succeeded", default=False),
    sa.Index("ix_login_attempts_username_attempted_at", "username", "attempted_at"),
    sa.Index("ix_login_attempts_ip_attempted_at", "ip", "attempted_at"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    instant("at", nullable=False, server_default=NOW),
    text("actor_id"),
    text("actor", nullable=False),
    text("action", nullable=False),
    text("target"),
    sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    text("ip"),
    sa.Index("ix_audit_log_at_id", sa.text("at DESC"), sa.text("id DESC")),
    sa.Index("ix_audit_log_actor", "actor", sa.text("id DESC")),
    sa.Index("ix_audit_log_action", "action", sa.text("id DESC")),
)
