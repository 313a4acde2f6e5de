"""Facts about the sync as a whole: the cursor, and how fresh the data are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from db.clock import iso
from db.tables import sync_state


def get(conn: sa.Connection, key: str) -> Any:
    """A fact, or None."""
    return conn.execute(sa.select(sync_state.c.value).where(sync_state.c.key == key)).scalar()


def put(conn: sa.Connection, key: str, value: Any, *, now: datetime, job_id: str | None = None) -> None:
    """Note a fact; nothing is written when it is noted already."""
    row = insert(sync_state).values(key=key, value=value, updated_at=now, job_id=job_id)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["key"],
            set_={"value": row.excluded.value, "updated_at": now, "job_id": job_id},
            where=sync_state.c.value != row.excluded.value,
        )
    )


def cursor(conn: sa.Connection) -> date | None:
    """The last day of the unbroken stretch of days that were proven complete; None before the first sync."""
    found = get(conn, "cursor")
    return None if found is None else date.fromisoformat(found)


def advance_cursor(conn: sa.Connection, to: date, *, now: datetime, job_id: str) -> date:
    """Move the cursor forward; a day before it leaves it where it is. Returns where it is."""
    conn.execute(
        sa.text(
            "INSERT INTO sync_state AS s (key, value, updated_at, job_id)"
            " VALUES ('cursor', to_jsonb(CAST(:day AS text)), :now, :job_id)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = :now, job_id = :job_id"
            " WHERE s.value #>> '{}' < excluded.value #>> '{}'"
        ),
        {"day": to.isoformat(), "now": now, "job_id": job_id},
    )
    found = cursor(conn)
    if found is None:
        message = "the cursor is gone although it was just written"
        raise RuntimeError(message)
    return found


def freshness(conn: sa.Connection) -> dict[str, Any]:
    """When the last good sync, list walk and portal look were, and where the cursor stands; times with +02:00."""
    row = conn.execute(
        sa.text(
            """
            SELECT
                (SELECT finished_at FROM jobs WHERE type = 'DELTA_SYNC' AND status = 'SUCCESS'
                ORDER BY started_at DESC LIMIT 1) AS success_at,
                (SELECT finished_at FROM jobs WHERE type = 'DELTA_SYNC' AND status IN ('SUCCESS', 'PARTIAL')
                ORDER BY started_at DESC LIMIT 1) AS sync_at,
                (SELECT max(listed_at) FROM coverage_days WHERE day >= current_date - 60) AS listed_at,
                (SELECT fetched_at FROM portal_snapshots WHERE bucket = 1 AND accepted
                ORDER BY fetched_at DESC LIMIT 1) AS portal_at,
                (SELECT max(n) FROM tender_ids WHERE is_expected) AS highest_id
            """
        )
    ).one()
    found = cursor(conn)
    return {
        "cursor": None if found is None else found.isoformat(),
        "lastSuccessAt": iso(row.success_at),
        "lastSyncAt": iso(row.sync_at),
        "lastListedAt": iso(row.listed_at),
        "lastPortalLookAt": iso(row.portal_at),
        "highestId": row.highest_id,
    }
