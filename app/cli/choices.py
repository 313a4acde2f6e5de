"""Values of options that several commands take, checked with a clear message."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from app.cli.outcome import UsageError

if TYPE_CHECKING:
    from app.settings import Settings, SourceChoice


def source_choice(value: str | None) -> SourceChoice | None:
    """live, replay or auto."""
    if value is None or value in {"live", "replay", "auto"}:
        return cast("SourceChoice | None", value)
    raise UsageError(f"--source {value}: write live, replay or auto.")


def check_source(choice: SourceChoice | None, settings: Settings) -> None:
    """Production is always live. Raises UsageError for another choice, rather than pass over it."""
    if settings.production and choice in {"replay", "auto"}:
        raise UsageError("Production always uses the live source; leave --source out.")


def day(value: str | None, option: str) -> date | None:
    """A South African day, YYYY-MM-DD."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{option} {value}: is not a day; write it as 2026-08-14.") from None


def window(from_day: str | None, to_day: str | None) -> tuple[date | None, date | None]:
    """Two days in order."""
    start, end = day(from_day, "--from"), day(to_day, "--to")
    if start is not None and end is not None and start > end:
        raise UsageError(f"--from {start} is after --to {end}; swap them.")
    return start, end


def json_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object given on the command line."""
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise UsageError(f"{option}: is not JSON ({problem}).") from None
    if not isinstance(value, dict):
        raise UsageError(f'{option}: must be a JSON object such as {{"fromDate": "2026-08-14"}}.')
    return value
