"""Politeness towards the government hosts: what both clients pass through around every real request."""

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Gate(Protocol):
    """Decides when a request may start, and is told how each one ended."""

    def enter(self, host: str) -> None:
        """Block until a request to ``host`` may start; may raise UpstreamError (a breaker is open)."""

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        """Hear how it ended: ``ok`` is False where the host is in trouble, ``status`` None where no
        answer came.
        """


class NullGate:
    """Lets everything through at once."""

    def enter(self, host: str) -> None:
        """Return at once."""

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        """Forget it."""


class SpacingGate:
    """Keeps the starts of requests to one host at least ``interval`` seconds apart, over all threads."""

    def __init__(
        self,
        interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._next_start: dict[str, float] = {}

    def enter(self, host: str) -> None:
        """Reserve the next start for this host and wait for it."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next_start.get(host, now))
            self._next_start[host] = start + self._interval
        if start > now:
            self._pause(start - now)

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        """Nothing to learn: the spacing is constant."""
