"""Counts of large tables that are kept instead of made: all tenders, and all identifiers that must exist.

Triggers note in the same transaction by how much a count changes (migration 0003), so that the sum of the notes is what
`count(*)` says in the same snapshot. `fold` makes one note of many.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from db.metadata import metadata, text

tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    text("name", nullable=False),
    sa.Column("delta", sa.BigInteger, nullable=False),
)

_FOLD = sa.text(
    """
    WITH gone AS (DELETE FROM tallies RETURNING name, delta)
    INSERT INTO tallies (name, delta) SELECT name, sum(delta) FROM gone GROUP BY name
    """
)


def read(connection: sa.Connection, name: Literal["tenders", "expected"]) -> int:
    """The count of `tenders`, or of the identifiers that are `expected` to exist."""
    total = sa.select(sa.func.coalesce(sa.func.sum(tallies.c.delta), 0)).where(tallies.c.name == name)
    return int(connection.execute(total).scalar_one())


def fold(connection: sa.Connection) -> None:
    """Makes one note of many; what others note meanwhile stays beside it."""
    connection.execute(_FOLD)
