"""Live updates: one ticker a process looks at the running jobs, once a second and only while somebody watches; every
viewer hears of what changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from db import console

log = logging.getLogger("protenders.live")

TICK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
MAX_VIEWERS = 200
_MAX_WAITING = 20

Snapshot = dict[str, object]


class Ticker:
    """The shared look at the job log. `changes()` gives the ids of jobs that moved; the empty set is a heartbeat."""

    def __init__(self, engine: sa.Engine, stopping: asyncio.Event, *, tick: float = TICK_SECONDS) -> None:
        self._engine = engine
        self._stopping = stopping
        self._tick = tick
        self._viewers: set[asyncio.Queue[frozenset[str] | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.looks = 0
        self.version = 0

    @property
    def full(self) -> bool:
        """Whether no more viewers are taken."""
        return len(self._viewers) >= MAX_VIEWERS

    async def changes(self) -> AsyncGenerator[frozenset[str], None]:
        """What moved, as it moves, until the process stops."""
        with self._viewer() as queue:
            while not self._stopping.is_set():
                try:
                    moved = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield frozenset()
                    continue
                if moved is None:
                    return
                yield moved

    @contextmanager
    def _viewer(self) -> Iterator[asyncio.Queue[frozenset[str] | None]]:
        queue: asyncio.Queue[frozenset[str] | None] = asyncio.Queue(_MAX_WAITING)
        self._viewers.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on(), name="live-ticker")
        try:
            yield queue
        finally:
            self._viewers.discard(queue)

    async def _look_on(self) -> None:
        before: Snapshot | None = None
        while self._viewers and not self._stopping.is_set():
            try:
                now = await run_in_threadpool(self._look)
            except sa.exc.SQLAlchemyError as problem:
                log.warning("the live pages could not look at the job log: %s", problem)
            else:
                if before is not None:
                    moved = {key for key in now.keys() | before.keys() if now.get(key) != before.get(key)}
                    if moved:
                        self._tell(frozenset(moved))
                before = now
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._tick)
        self._tell(None)

    def _look(self) -> Snapshot:
        self.looks += 1
        with self._engine.connect() as connection:
            seen = console.digest(connection)
        return {**seen.active, "newest": seen.newest}

    def _tell(self, moved: frozenset[str] | None) -> None:
        self.version += 1
        for queue in self._viewers:
            # A viewer that does not keep up hears of the latest change; it reloads whole parts anyway.
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(moved)


def event_stream(
    changes: AsyncIterator[frozenset[str]], render: Callable[[frozenset[str]], str]
) -> AsyncIterator[str]:
    """The changes as server-sent events, beginning with the time after which a browser reconnects."""

    async def stream() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        async for moved in changes:
            yield f"event: change\ndata: {render(moved)}\n\n" if moved else ": still here\n\n"

    return stream()
