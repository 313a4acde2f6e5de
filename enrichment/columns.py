"""A tender's columns with where each value came from, filled together so that neither lacks what the other
has.
"""

from datetime import datetime
from typing import Any, Literal

from ocds.dates import SAST

Source = Literal["release", "portal", "derived"]


class Columns:
    """Columns and their provenance, filled together so that neither lacks what the other has."""

    __slots__ = ("_at", "columns", "provenance")

    def __init__(self, now: datetime) -> None:
        self.columns: dict[str, Any] = {}
        self.provenance: dict[str, dict[str, str]] = {}
        self._at = now.astimezone(SAST).isoformat()

    def set(self, name: str, value: Any, source: Source, field: str) -> Any:
        self.columns[name] = value
        if value is not None:
            self.provenance[name] = {"source": source, "field": field, "at": self._at}
        return value

    def first(self, name: str, *offers: tuple[Any, Source, str]) -> Any:
        """Take the first offer that has a value; None where none has."""
        for value, source, field in offers:
            if value is not None:
                return self.set(name, value, source, field)
        return self.set(name, None, "derived", "")
