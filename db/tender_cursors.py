"""Where a page of tenders ends, as text that others hand back: opaque to them, checked when it returns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

FORM = r"^(none|-?[0-9]{1,18})_[0-9]{1,18}$"
"""Every text of this form is a place: one outside of the calendar is where the calendar ends."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_FORM = re.compile(FORM.removeprefix("^").removesuffix("$"), re.ASCII)
_LAST = 10**18


class CursorError(ValueError):
    """A cursor that was not made by this search."""


@dataclass(frozen=True, slots=True)
class Position:
    """The place behind one tender in the order of publication; those without a time of it come last."""

    published: datetime | None
    n: int

    @classmethod
    def before_undated(cls) -> Self:
        """Behind every tender that has a time of publication, before all that have none."""
        return cls(None, _LAST)

    def __str__(self) -> str:
        micros = "none" if self.published is None else (self.published - _EPOCH) // timedelta(microseconds=1)
        return f"{micros}_{self.n}"


def parse(cursor: str) -> Position:
    """The position that a cursor stands for. Raises `CursorError` for any other text."""
    if not _FORM.fullmatch(cursor):
        raise CursorError("was not made by this search; leave it out to start again")
    micros, _, n = cursor.partition("_")
    return Position(None if micros == "none" else _instant(int(micros)), int(n))


def _instant(micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return _END if micros > 0 else _FIRST
