"""When a failed attempt is made again."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Seconds before the first, second, … retry when the SDK asks for no particular time.
TABLE = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)
JITTER = 30.0
BASE = float(TABLE[0])
LONGEST_ASKED = timedelta(hours=24)
SHORTEST_ASKED = timedelta(seconds=1)


def delay(attempt: int, *, base: float = BASE, chance: Callable[[], float] = random.random) -> timedelta:
    """How long to wait after attempt number `attempt` (from 0) failed.

    `base` scales the whole table and its jitter: it is the first delay in seconds.
    """
    scale = base / BASE
    step = TABLE[min(attempt, len(TABLE) - 1)]
    return timedelta(seconds=(step + chance() * JITTER) * scale)


def asked(header: str, now: datetime) -> datetime | None:
    """The instant that a `Retry-After` header asks for: seconds, ISO time or HTTP date.

    It is kept within a second and a day from now; what cannot be read is None.
    """
    text = header.strip()
    try:
        if text.isascii() and text.isdigit():
            wanted = now + timedelta(seconds=min(int(text), 10**6))
        elif len(text) > 4 and text[:4].isdigit():
            wanted = datetime.fromisoformat(text)
        else:
            wanted = parsedate_to_datetime(text)
        if wanted.tzinfo is None:
            wanted = wanted.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(wanted, now + SHORTEST_ASKED), now + LONGEST_ASKED)
