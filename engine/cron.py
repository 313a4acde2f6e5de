"""Cron schedules: five fields, an optional `TZ=Area/City` in front, an optional jitter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from engine import durations

LONGEST_JITTER = timedelta(hours=1)


class BadScheduleError(ValueError):
    """A cron expression that names no times."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a function runs by the clock."""

    text: str
    fields: str
    zone: str = "UTC"
    jitter: timedelta = timedelta()

    def after(self, moment: datetime) -> datetime:
        """The first scheduled time strictly after the moment, in UTC, without jitter."""
        local = moment.astimezone(ZoneInfo(self.zone))
        return next(CronSim(self.fields, local)).astimezone(UTC)

    def before(self, moment: datetime) -> datetime:
        """The last scheduled time at or before the moment, in UTC."""
        local = (moment + timedelta(minutes=1)).astimezone(ZoneInfo(self.zone))
        for found in CronSim(self.fields, local, reverse=True):
            at = found.astimezone(UTC)
            if at <= moment:
                return at
        raise BadScheduleError(f"{self.text!r} has no time before {moment}")

    def jittered(self, due: datetime, *, chance: Callable[[], float] = random.random) -> datetime:
        """The due time, later by a random part of the jitter."""
        return due + self.jitter * chance()


def parse(text: object, *, jitter: object = None) -> Schedule:
    """Read `"*/5 * * * *"` or `"TZ=Africa/Johannesburg 7,37 * * * *"`; raises `BadScheduleError`."""
    if not isinstance(text, str):
        raise BadScheduleError(f"cron {text!r} is not a text")
    zone, fields = "UTC", text.strip()
    for prefix in ("TZ=", "CRON_TZ="):
        if fields.startswith(prefix):
            zone, _, fields = fields.removeprefix(prefix).partition(" ")
            fields = fields.strip()
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadScheduleError(f"cron {text!r}: unknown time zone {zone!r}") from None
    if len(fields.split()) != 5:
        raise BadScheduleError(f"cron {text!r} must have five fields: minute hour day month weekday")
    try:
        next(CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise BadScheduleError(f"cron {text!r} names no time") from None
    spread = durations.parse(jitter) if jitter else timedelta()
    if spread > LONGEST_JITTER:
        raise BadScheduleError(f"cron {text!r}: a jitter of {jitter} is over {LONGEST_JITTER}")
    return Schedule(text=text, fields=fields, zone=zone, jitter=spread)
