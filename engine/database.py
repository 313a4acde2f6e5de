"""Connections: a few kept open, replaced when they break, asked for again with backoff."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import AsyncConnection, errors

from db.engine import psycopg_dsn

log = logging.getLogger(__name__)
Connection = AsyncConnection[tuple[Any, ...]]
T = TypeVar("T")

Phase = Literal["before", "after"]
OnWrite = Callable[[str, Phase], None]

# What a repetition of the same transaction can heal.
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_TROUBLE_LASTS = 10.0


class Closed(Exception):  # noqa: N818
    """The engine is stopping; nothing more is written."""


class Database:
    """A small pool of autocommit connections to one database."""

    def __init__(self, url: str, *, size: int = 4, on_write: OnWrite | None = None) -> None:
        self._on_write = on_write
        self._trouble_at = -_TROUBLE_LASTS
        self.dsn = psycopg_dsn(url)
        self._size = size
        self._idle: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        self._closed = False
        for _ in range(size):
            self._idle.put_nowait(None)

    async def connect(self) -> Connection:
        """A connection of the caller's own; tries until the server answers or the engine stops."""
        pause = _FIRST_PAUSE
        while True:
            if self._closed:
                raise Closed
            try:
                return await self.connect_once()
            except psycopg.OperationalError as error:
                log.warning("engine: database not reachable, trying again: %s", str(error).strip())
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def connect_once(self) -> Connection:
        """One attempt; raises `psycopg.OperationalError`."""
        connection: Connection = await AsyncConnection.connect(
            self.dsn,
            autocommit=True,
            application_name="protenders engine",
            options="-c timezone=UTC -c jit=off -c lock_timeout=10000 -c statement_timeout=60000 "
            "-c idle_in_transaction_session_timeout=60000",
        )
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection from the pool; a broken one is not put back."""
        found = await self._idle.get()
        try:
            if found is None or found.closed:
                found = await self.connect()
            yield found
        finally:
            broken = found is None or found.closed or found.broken
            if found is not None and not broken and found.info.transaction_status != 0:
                await found.close()
                broken = True
            self._idle.put_nowait(None if broken else found)

    async def run(self, work: Callable[[Connection], Awaitable[T]], point: str | None = None) -> T:
        """Do the work in one transaction, from the start again when the server or a deadlock cut it short.

        The work must be one that may be repeated: its effects are in this transaction only, or idempotent.
        Work that writes has a `point`, its name for whoever watches writes.
        """
        self.watch(point, "before")
        result = await self._repeat(work)
        self.watch(point, "after")
        return result

    def trouble(self) -> None:
        """A connection broke: what was on its way may have been committed unheard."""
        self._trouble_at = time.monotonic()

    def troubled(self) -> bool:
        """Whether a connection broke lately."""
        return time.monotonic() - self._trouble_at < _TROUBLE_LASTS

    def watch(self, point: str | None, phase: Phase) -> None:
        """Tell whoever watches that a durable write is about to be made, or has been committed."""
        if point is not None and self._on_write is not None:
            self._on_write(point, phase)

    async def _repeat(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self.connection() as connection, connection.transaction():
                    return await work(connection)
            except TRANSIENT as error:
                self.trouble()
                if self._closed or isinstance(error, errors.QueryCanceled):
                    raise
                log.warning("engine: repeating a transaction: %s", str(error).strip())
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed by whoever uses them last."""
        self._closed = True
        for _ in range(self._size):
            try:
                connection = self._idle.get_nowait()
            except asyncio.QueueEmpty:
                return
            if connection is not None:
                await connection.close()
