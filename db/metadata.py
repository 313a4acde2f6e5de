"""The one `MetaData` of schema `public`, and the column shapes that its tables share."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Instant = sa.DateTime(timezone=True)
JSONB = pg.JSONB(none_as_null=True)


def text(name: str, **options: Any) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, sa.Text, **options)


def instant(name: str, **options: Any) -> sa.Column[Any]:
    """A `timestamptz` column."""
    return sa.Column(name, Instant, **options)


def number(name: str, **options: Any) -> sa.Column[int]:
    """An integer column that starts at zero and is never NULL."""
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"), **options)


def flag(name: str, *, default: bool) -> sa.Column[bool]:
    """A boolean column that is never NULL."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.text(str(default).lower()))


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """The column holds one of these values."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=column)
