"""What the stand-in has seen: a count and a log of requests, and how many were under way at once."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from app.replay.calendar import JsonObject

Endpoint = Literal["list", "release", "page", "bucket", "download"]
HOSTS: dict[str, str] = {
    "list": "api",
    "release": "api",
    "page": "portal",
    "bucket": "portal",
    "download": "portal",
}
_LOG_LENGTH = 20_000


@dataclass(slots=True)
class Entry:
    """One request: `at` in seconds since the stand-in's start, `ordinal` counts requests of the same URL
    from 0.
    """

    n: int
    at: float
    endpoint: str
    url: str
    ordinal: int = 0
    status: int = 0
    fault: str | None = None
    seconds: float = 0.0


class Traffic:
    """Counts since the start or the last `reset`; touched only from the stand-in's event loop."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._under_way: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget counts and log; requests under way stay under way."""
        self._count = 0
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        self._log: deque[Entry] = deque(maxlen=_LOG_LENGTH)

    @contextmanager
    def request(self, endpoint: Endpoint, url: str) -> Iterator[Entry]:
        """Count a request while it is answered."""
        host = HOSTS[endpoint]
        self._count += 1
        entry = Entry(self._count, round(time.monotonic() - self._start, 6), endpoint, url)
        self._requests[endpoint] += 1
        self._log.append(entry)
        for key in (host, "all"):
            self._under_way[key] += 1
            self._most[key] = max(self._most[key], self._under_way[key])
        try:
            yield entry
        finally:
            entry.seconds = round(time.monotonic() - self._start - entry.at, 6)
            self._statuses[f"{endpoint} {entry.status or 'dropped'}"] += 1
            if entry.fault:
                self._faults[f"{endpoint} {entry.fault}"] += 1
            for key in (host, "all"):
                self._under_way[key] -= 1

    def summary(self, log: int = 0) -> JsonObject:
        """Counts by endpoint, by status and by fault, the most requests at once per host, and the last `log`
        entries.
        """
        return {
            "requests": dict(self._requests) | {"all": self._count},
            "answers": dict(self._statuses),
            "faults": dict(self._faults),
            "maxConcurrency": {key: self._most[key] for key in ("api", "portal", "all")},
            "log": [asdict(entry) for entry in list(self._log)[-log:]] if log else [],
        }
