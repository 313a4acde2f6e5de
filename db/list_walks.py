"""How far a job's walk through a window of the list has come, so that a repeated attempt goes on from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from db.tables import list_walks


@dataclass(frozen=True, slots=True)
class Walk:
    """`position` counts the list's rows that lie behind; `barren` those of them since the last new tender."""

    position: int
    page_size: int
    barren: int
    pages: int
    ended: bool
    seen: frozenset[int]


def load(conn: sa.Connection, job_id: str, day_from: date) -> Walk | None:
    """The walk of this job through the window that begins on that day."""
    row = conn.execute(
        sa.select(list_walks).where(list_walks.c.job_id == job_id, list_walks.c.day_from == day_from)
    ).first()
    if row is None:
        return None
    return Walk(row.position, row.page_size, row.barren, row.pages, row.ended, frozenset(row.seen))


def shown(conn: sa.Connection, job_id: str) -> set[int]:
    """What this job's walks have met by now, through whichever window."""
    walks = conn.execute(sa.select(list_walks.c.seen).where(list_walks.c.job_id == job_id)).scalars()
    return set().union(*walks)


def save(
    conn: sa.Connection,
    job_id: str,
    day_from: date,
    day_to: date,
    *,
    position: int,
    page_size: int,
    barren: int,
    pages: int,
    ended: bool,
    seen: Iterable[int],
) -> None:
    """Note where the walk stands."""
    row = insert(list_walks).values(
        job_id=job_id,
        day_from=day_from,
        day_to=day_to,
        position=position,
        page_size=page_size,
        barren=barren,
        pages=pages,
        ended=ended,
        seen=sorted(seen),
    )
    changing = ("position", "page_size", "barren", "pages", "ended", "seen")
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["job_id", "day_from"], set_={name: row.excluded[name] for name in changing}
        )
    )
