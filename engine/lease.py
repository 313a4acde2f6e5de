"""This process's lease on the runs it drives, and finding processes that have died.

The lease is one row per process, renewed from a thread of its own, so that a step that blocks the event loop
does not lose it. A dead process on the same machine is recognised at once; any other when its lease runs out.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg

from db import processes
from engine.sql import instances

log = logging.getLogger(__name__)
BEATS_PER_LEASE = 5
# After the server was away every lease has run out: the others get this long to renew theirs.
WATCH_SECONDS = 1.5
LONGEST_BEAT = 1.0


class Lease(threading.Thread):
    """Keeps the lease and reports what it sees.

    `on_dead(instance, proven)` is called, from this thread, for each instance to be buried; `on_lost()` when
    others have buried this one.
    """

    def __init__(
        self,
        dsn: str,
        *,
        seconds: float,
        on_dead: Callable[[uuid.UUID, bool], None],
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(name="engine-lease", daemon=True)
        self.instance = uuid.uuid4()
        self.alone = True
        self._dsn = dsn
        self._seconds = seconds
        self._on_dead = on_dead
        self._on_lost = on_lost
        self._ending = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        # since when each other instance's last renewal has been seen unchanged
        self._watched: dict[tuple[uuid.UUID, datetime], float] = {}

    def join_in(self) -> None:
        """Sign on; called once before the thread starts. Raises `psycopg.OperationalError`."""
        instances.join(self._connect(), self.instance, processes.identity(), self._seconds)

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name="protenders engine lease",
                options="-c statement_timeout=5000",
            )  # fmt: skip
        return self._connection

    def run(self) -> None:
        pause = min(self._seconds / BEATS_PER_LEASE, LONGEST_BEAT)
        while not self._ending.is_set():
            try:
                self._beat()
            except psycopg.Error as error:
                log.warning("engine: the lease could not be renewed: %s", str(error).strip())
                self._drop()
            self._ending.wait(pause)
        self._drop()

    def _beat(self) -> None:
        connection = self._connect()
        if not instances.beat(connection, self.instance):
            log.error("engine: this process's lease ran out and its runs were taken over")
            fresh = uuid.uuid4()
            instances.join(connection, fresh, processes.identity(), self._seconds)
            self.instance = fresh
            self._on_lost()
            return
        others = instances.others(connection, self.instance)
        self.alone = not others
        now = time.monotonic()
        watched, self._watched = self._watched, {}
        for instance, process, seen_at, patience in others:
            since = watched.get((instance, seen_at), now)
            self._watched[instance, seen_at] = since
            dead = processes.is_dead(process)
            if dead or (patience is not None and now - since >= max(patience, WATCH_SECONDS)):
                self._on_dead(instance, dead)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._watched.clear()

    def stop(self) -> None:
        self._ending.set()
        self.join(timeout=10)
