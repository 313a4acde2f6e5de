"""Values that are costly to make and may be a little old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prometheus_client.core import Metric

T = TypeVar("T")
_MOST_KEYS = 64


class Kept(Generic[T]):
    """Makes a value when it is asked for and keeps it for some seconds. Whoever asks meanwhile waits for the same
    one: however many ask, it is made once. What making it raises is raised, and nothing is kept."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._made: tuple[float, T] | None = None

    def get(self, make: Callable[[], T]) -> T:
        """The kept value, or a new one of `make`."""
        with self._lock:
            if self._made is not None and self._clock() < self._made[0] + self._seconds:
                return self._made[1]
            value = make()
            self._made = (self._clock(), value)
            return value


class Shared:
    """Values by key, each good for its version and some seconds. Whoever asks while one is made waits for it."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._made: dict[str, tuple[int, float, Any]] = {}

    def get(self, key: str, version: int, make: Callable[[], T]) -> T:
        """The key's value of this version; its time counts from the beginning of its making."""
        with self._lock:
            if len(self._making) >= _MOST_KEYS and key not in self._making:
                self._making.clear()
                self._made.clear()
            making = self._making.setdefault(key, threading.Lock())
        with making:
            found = self._made.get(key)
            if found is not None and found[0] == version and self._clock() < found[1] + self._seconds:
                kept: T = found[2]
                return kept
            began = self._clock()
            value = make()
            self._made[key] = (version, began, value)
            return value


@dataclass
class Measured:
    """What a process keeps of its metrics between two questions: seconds old, or a minute where much is counted."""

    quick: Kept[list[Metric]] = field(default_factory=lambda: Kept(5.0))
    slow: Kept[list[Metric]] = field(default_factory=lambda: Kept(60.0))
