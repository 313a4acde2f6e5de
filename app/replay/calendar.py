"""The stand-in's calendar: South African wall-clock time, and moving captured dates by whole days.

Everything the two hosts print is South African wall-clock time, with a false ``Z`` in the OCDS API and
without any zone on the portal. The stand-in therefore counts in naive South African seconds
(`wall_seconds`) throughout.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

SAST = timezone(timedelta(hours=2), "SAST")
_EPOCH = datetime(1970, 1, 1, tzinfo=SAST)
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?")

# A whole string of the JSON text: a quotation mark inside of a string has a backslash before it.
_QUOTED = re.compile(rb'"(?<!\\")(?!0001)(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?")')

JsonObject = dict[str, Any]


def wall_seconds(instant: datetime) -> int:
    """Seconds of South African wall-clock time since 1970-01-01T00:00 of an aware instant."""
    return int((instant.astimezone(SAST) - _EPOCH).total_seconds())


def instant_of(seconds: int) -> datetime:
    """The aware instant of `wall_seconds`."""
    return _EPOCH + timedelta(seconds=seconds)


def day_number(seconds: int) -> int:
    """The South African calendar day as a proleptic ordinal (`date.toordinal`)."""
    return _EPOCH.toordinal() + seconds // 86_400


def seconds_of_day(ordinal: int) -> int:
    """South African midnight at which the day begins, in wall seconds."""
    return (ordinal - _EPOCH.toordinal()) * 86_400


def stamp_seconds(stamp: str) -> int:
    """Wall seconds of a time stamp as both hosts print it; raises ValueError when it is none."""
    if not _STAMP.fullmatch(stamp):
        raise ValueError(f"{stamp!r} is not a time like 2025-09-18T11:00:00")
    whole = stamp.removesuffix("Z").partition(".")[0]
    return wall_seconds(datetime.fromisoformat(whole).replace(tzinfo=SAST))


def stamp(seconds: int, *, zulu: bool = False) -> str:
    """A time stamp as the hosts print it: ``2025-09-18T11:00:00``, with the API's false ``Z`` if asked."""
    return instant_of(seconds).strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if zulu else "")


def api_stamp(text: str | None) -> str:
    """A portal time in the OCDS API's form: whole seconds and the false ``Z``; no time is year 1."""
    if not text:
        return "0001-01-01T00:00:00Z"
    return text.removesuffix("Z").partition(".")[0] + "Z"


def move(text: str, days: int) -> str:
    """The time stamp `days` later, its time of day and precision unchanged; year 1 ("none") stays."""
    if text.startswith("0001-"):
        return text
    moved = date.fromisoformat(text[:10]) + timedelta(days=days)
    return moved.isoformat() + text[10:]


def move_all(body: bytes, days: int) -> bytes:
    """A JSON text with every time stamp in it `days` later; free text and year 1 are left alone."""
    if days == 0:
        return body
    return _QUOTED.sub(lambda found: b'"' + _moved(found[1], days) + found[2], body)


@lru_cache(maxsize=20_000)
def _moved(day: bytes, days: int) -> bytes:
    return move(day.decode(), days).encode()


@lru_cache(maxsize=20_000)
def _displayed(day: str) -> str:
    return date.fromisoformat(day).strftime("%A, %d %B %Y")


def display_day(text: str) -> str:
    """The older portal form's display of a day: ``Friday, 04 November 2022``."""
    return _displayed(text[:10])


def display_time(text: str | None) -> str:
    """The older portal form's display of a time: ``Friday, 02 December 2022 - 11:00``."""
    return f"{display_day(text)} - {text[11:16]}" if text else "<not available>"


def utc_now() -> datetime:
    """The real time; the default of the stand-in's clock."""
    return datetime.now(UTC)
