"""Dates of both sources: South African wall-clock time, whatever zone they claim (docs/data.md, "Time")."""

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

SAST = timezone(timedelta(hours=2), "SAST")
"""South African time: UTC+2 all year."""

_NO_DATE_YEARS = (0, 1, 9999)  # the smallest and largest date of the publisher's platform stand for "none"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
)
_ZONE = r"\s*(?P<zone>z|[+-][0-9]{2}:?[0-9]{2})?"
_NUMERIC = re.compile(
    rf"(?P<year>[0-9]{{4}})(?P<mark>[-/])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}})(?:(?:t|\s+){_CLOCK}{_ZONE})?",
    re.ASCII | re.IGNORECASE,
)
_SPELLED = re.compile(
    r"(?:[a-z]+,?\s+)?(?P<day>[0-9]{1,2})\s+(?P<month>[a-z]+)\.?,?\s+(?P<year>[0-9]{4})"
    rf"(?:(?:\s*-\s*|\s+at\s+|\s+){_CLOCK}{_ZONE})?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST = 64


def parse_instant(text: object) -> datetime | None:
    """The instant that a source's text means, in SAST; None for "none" (years 1 and 9999) and for
    garbage.

    Digits are South African wall-clock time even before ``Z`` or ``+00:00``; any other offset is believed. A
    bare day is its midnight. Reads ISO 8601 with or without zone and fraction, ``2022/12/02 11:00`` and the
    portal's ``Friday, 02 December 2022 - 11:00``. Digits in the order of ``02/12/2022`` are not read: which
    of them is the month cannot be known.
    """
    if isinstance(text, str) and len(text) <= _LONGEST:
        return _parse(text)
    return None


def parse_day(text: object) -> date | None:
    """The South African calendar day of ``parse_instant(text)``."""
    instant = parse_instant(text)
    return None if instant is None else instant.date()


def day_of(instant: datetime) -> date:
    """The South African calendar day of an aware instant; ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone, so its South African day is unknown")
    return instant.astimezone(SAST).date()


@lru_cache(maxsize=4096)  # a page's releases share a few midnights and closing hours
def _parse(text: str) -> datetime | None:
    text = text.strip()
    match = _NUMERIC.fullmatch(text) or _SPELLED.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    year = int(part["year"])
    month = int(part["month"]) if part["month"].isdigit() else _MONTHS.get(part["month"].lower())
    if year in _NO_DATE_YEARS or month is None:
        return None
    try:
        instant = datetime(
            year,
            month,
            int(part["day"]),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int((part["fraction"] or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(part["zone"]),
        ).astimezone(SAST)
    except (ValueError, OverflowError):
        return None
    return None if instant.year in _NO_DATE_YEARS else instant


def _zone(text: str | None) -> timezone:
    """The zone to believe: Z and +00:00 are what the publisher prints beside South African digits."""
    if text is None or text in "zZ":
        return SAST
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours == minutes == 0:
        return SAST
    if minutes > 59:
        raise ValueError(f"no offset has {minutes} minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
