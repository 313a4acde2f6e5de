"""Durations and times as SDKs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
LONGEST = timedelta(days=366)


class BadDurationError(ValueError):
    """A text that is no duration, or one beyond what a run may wait."""


def parse(text: object) -> timedelta:
    """`"30s"`, `"1h30m"`, `"2w"` → timedelta; raises `BadDurationError`."""
    if not isinstance(text, str):
        raise BadDurationError(f"{text!r} is not a duration; expected a text like 30s, 5m, 1h or 7d")
    total = timedelta()
    at = 0
    for part in _PART.finditer(text):
        if part.start() != at or len(part.group(1)) > 12:
            break
        total += float(part.group(1)) * _UNITS[part.group(2)]
        at = part.end()
    if at != len(text) or not text:
        raise BadDurationError(f"{text!r} is not a duration; expected a text like 30s, 5m, 1h or 7d")
    return total


def instant(text: object, now: datetime) -> datetime:
    """An absolute ISO time, or a duration from now; raises `BadDurationError`."""
    if isinstance(text, str):
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is not None:
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    return now + parse(text)


def told(text: object) -> object:
    """A sleep or a timeout as a step gives it: JavaScript's SDK writes less than a second as an empty text."""
    return "0s" if text == "" else text


def iso(at: datetime | None) -> str | None:
    """The time as `2026-11-23T13:06:28.223Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
