"""Where a page of tenders ends, as text that others hand back: opaque to them, checked when it returns."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(r"(-|-?[0-9]{1,18})/([0-9]{1,18})", re.ASCII)
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
        micros = "-" if self.published is None else (self.published - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{micros}/{self.n}".encode()).decode().rstrip("=")


def parse(cursor: str) -> Position:
    """The position that a cursor stands for. Raises `CursorError` for any other text."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
        found = _FORM.fullmatch(text)
        if found is not None:
            micros, n = found.groups()
            published = None if micros == "-" else _EPOCH + timedelta(microseconds=int(micros))
            position = Position(published, int(n))
            if str(position) == cursor:
                return position
    except (ValueError, OverflowError):
        pass
    raise CursorError("was not made by this search; leave it out to start again")
