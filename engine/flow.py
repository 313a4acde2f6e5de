"""May this run start now? Pure decisions of throttles and rate limits (GCRA)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.functions import RateLimit, Throttle

# The clocks of two processes differ by less, and so does a turn's time from that of one that came in between.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """`allowed` now, with the theoretical arrival time to store; or not before `again_at`."""

    allowed: bool
    tat: datetime
    again_at: datetime


def gcra(tat: datetime | None, now: datetime, *, emission: timedelta, burst: int) -> Turn:
    """One arrival at a limiter that lets one through per `emission`, and `burst` at once after a pause."""
    full = emission * max(burst, 1)
    if tat is None or tat > now + full + _SKEW:
        # Nothing has come yet; or no arrival can have led to this: the clock was set back, or the limit was changed.
        tat = now
    new_tat = max(tat, now) + emission
    allow_at = new_tat - full
    return Turn(allowed=allow_at <= now, tat=new_tat, again_at=allow_at)


def throttle(limit: Throttle, tat: datetime | None, now: datetime) -> Turn:
    """A start that counts against a throttle: `limit` starts a period, evenly, `burst` of them at once."""
    return gcra(tat, now, emission=limit.period / limit.limit, burst=limit.burst)


def rate_limit(limit: RateLimit, tat: datetime | None, now: datetime) -> Turn:
    """A start that counts against a rate limit: `limit` at once, then one per `period / limit`."""
    return gcra(tat, now, emission=limit.period / limit.limit, burst=limit.limit)
