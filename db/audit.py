"""The audit log: who did what to what, before and after. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.accounts_tables import audit_log


@dataclass(frozen=True)
class AuditEntry:
    """One action of a person (or of the command line)."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str | None
    details: dict[str, Any]
    ip: str | None


def record(
    connection: sa.Connection,
    *,
    actor: str,
    action: str,
    target: str | None = None,
    details: Mapping[str, Any] | None = None,
    ip: str | None = None,
    actor_id: str | None = None,
    now: datetime,
) -> None:
    """Adds an entry, in the transaction of the action itself wherever there is one."""
    connection.execute(
        sa.insert(audit_log).values(
            at=now,
            actor=actor,
            actor_id=actor_id,
            action=action,
            target=target,
            details=dict(details or {}),
            ip=ip,
        )
    )


def page(
    connection: sa.Connection,
    *,
    limit: int,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
) -> Sequence[AuditEntry]:
    """The newest entries first; `before` is the last id of the page above."""
    statement = sa.select(
        audit_log.c.id,
        audit_log.c.at,
        audit_log.c.actor,
        audit_log.c.action,
        audit_log.c.target,
        audit_log.c.details,
        audit_log.c.ip,
    ).order_by(audit_log.c.id.desc())
    if before is not None:
        statement = statement.where(audit_log.c.id < before)
    if actor:
        statement = statement.where(audit_log.c.actor == actor)
    if action:
        statement = statement.where(audit_log.c.action == action)
    return [AuditEntry(*row) for row in connection.execute(statement.limit(limit))]
