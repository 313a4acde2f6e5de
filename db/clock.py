"""How instants look outside the database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

SOUTH_AFRICA = timezone(timedelta(hours=2))


def iso(instant: datetime | None) -> str | None:
    """ISO 8601 in South African time, `+02:00`; whole seconds stay without a fraction."""
    return None if instant is None else instant.astimezone(SOUTH_AFRICA).isoformat()
