"""The group-committing writer: whatever many runs and senders have to record goes into one transaction.

While one transaction is on its way, the next one gathers; so a lone step commits at once, and a crowd shares
the cost. A caller goes on when its part is committed.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

import psycopg

from engine.database import TRANSIENT, Closed, Connection, Database
from engine.records import Accept, Applied, Apply, Finish, Park
from engine.sql import accepting, applying, gating

log = logging.getLogger(__name__)
MAX_ITEMS = 40
_LONGEST_PAUSE = 1.0


@dataclass(slots=True)
class _Item:
    work: Apply | Accept
    done: asyncio.Future[Applied]


@dataclass(slots=True)
class Aftermath:
    """What a committed transaction means for others."""

    intents: bool = False
    poked: list[tuple[str, uuid.UUID | None, str]] | None = None
    unblocked: bool = False
    ready: bool = False


class Writer:
    """Commits results and events in groups, on a connection of its own."""

    def __init__(
        self,
        database: Database,
        owner: Callable[[], uuid.UUID],
        clock: Callable[[], datetime],
        *,
        after: Callable[[Aftermath], None],
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._after = after
        self._waiting: list[_Item] = []
        self._batch: list[_Item] = []
        self._wake = asyncio.Event()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._loop(), name="engine-writer")

    async def stop(self) -> None:
        """Commit what is waiting, then close."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        for item in self._waiting:
            if not item.done.done():
                item.done.set_exception(Closed())
        self._waiting.clear()
        if self._connection is not None:
            await self._connection.close()

    def write(self, work: Apply | Accept) -> asyncio.Future[Applied]:
        """Hand in; the future is done when it is committed. Raises the database's error if it cannot be."""
        if self._closing:
            raise Closed
        item = _Item(work, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._wake.set()
        return item.done

    def promised(self) -> set[str]:
        """Runs that this process will drive once what is on its way has been committed."""
        works = [item.work for item in (*self._batch, *self._waiting)]
        accepts = [work if isinstance(work, Accept) else work.accept for work in works]
        return {run.id for accept in accepts if accept is not None for run in accept.runs}

    async def _loop(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            self._batch, self._waiting = self._waiting[:MAX_ITEMS], self._waiting[MAX_ITEMS:]
            await self._commit(self._batch)
            self._batch = []

    async def _commit(self, batch: list[_Item]) -> None:
        """Commit the batch, again and again while the server is away; every part of it may be repeated."""
        pause = 0.02
        while True:
            try:
                results, aftermath = await self._transact([item.work for item in batch])
            except TRANSIENT as error:
                log.warning("engine: the writer repeats a transaction: %s", str(error).strip())
                self._database.trouble()
                if self._connection is not None and self._connection.broken:
                    self._connection = None
                if self._closing and self._connection is None:
                    self._fail(batch, Closed())
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except psycopg.Error as error:
                if len(batch) > 1:
                    for item in batch:
                        await self._commit([item])
                    return
                log.exception("engine: a result could not be recorded")
                self._fail(batch, error)
                return
            except Closed as error:
                self._fail(batch, error)
                return
            else:
                for item, result in zip(batch, results, strict=True):
                    if not item.done.done():
                        item.done.set_result(result)
                self._after(aftermath)
                return

    @staticmethod
    def _fail(batch: list[_Item], error: Exception) -> None:
        for item in batch:
            if not item.done.done():
                item.done.set_exception(error)

    async def _transact(self, works: list[Apply | Accept]) -> tuple[list[Applied], Aftermath]:
        if self._connection is None or self._connection.closed:
            reach = self._database.connect_once if self._closing else self._database.connect
            self._connection = await reach()
            # The same few large statements all day: planning them anew costs more than running them.
            await self._connection.execute("SET plan_cache_mode = force_generic_plan")
        connection = self._connection
        applies = [work for work in works if isinstance(work, Apply)]
        accepts = [work for work in works if isinstance(work, Accept)]
        point = _point(applies, accepts)
        self._database.watch(point, "before")
        aftermath = Aftermath()
        held: dict[str, int] = {}
        async with AsyncExitStack() as stack:
            if not _is_one_statement(applies, accepts):
                await stack.enter_async_context(connection.transaction())
            if applies:
                held = await applying.apply(connection, self._owner(), applies)
            created = await self._follow(connection, applies, accepts, held, aftermath)
        self._database.watch(point, "after")
        results = [
            Applied(held=work.run_id in held, pokes=held.get(work.run_id, 0), created=created)
            if isinstance(work, Apply)
            else Applied(held=True, created=created)
            for work in works
        ]
        return results, aftermath

    async def _follow(
        self,
        connection: Connection,
        applies: list[Apply],
        accepts: list[Accept],
        held: dict[str, int],
        aftermath: Aftermath,
    ) -> set[str]:
        """What belongs to the same transaction: events and their runs, callers' steps, freed slots."""
        kept = [item for item in applies if item.run_id in held]
        accepts = [*accepts, *(item.accept for item in kept if item.accept is not None)]
        created: set[str] = set()
        if accepts:
            created, awaited = await accepting.accept(connection, self._owner(), accepts, self._clock())
            aftermath.intents = awaited or any(accept.intents for accept in accepts)
            aftermath.ready = any(run.state != "o" for accept in accepts for run in accept.runs)
        deliveries = [delivery for item in kept for delivery in item.deliveries]
        if deliveries:
            aftermath.poked = await applying.deliver(connection, deliveries)
        freed = [item.run_id for item in kept if item.gated and _lets_go(item, held)]
        if freed:
            aftermath.unblocked = await gating.release(connection, freed)
        return created


def _is_one_statement(applies: list[Apply], accepts: list[Accept]) -> bool:
    """Whether one statement does it, which commits by itself and saves the round trips of a transaction."""
    if applies and accepts:
        return False
    if any(run.cancels for accept in accepts for run in accept.runs):
        return False
    return not any(applying.needs_transaction(item) for item in applies)


def _lets_go(item: Apply, held: dict[str, int]) -> bool:
    verdict = item.verdict
    return isinstance(verdict, Finish) or (isinstance(verdict, Park) and verdict.pokes == held[item.run_id])


def _point(applies: list[Apply], accepts: list[Accept]) -> str:
    """A name for the durable write, for whoever watches writes."""
    parts = []
    if accepts:
        parts.append("accept")
    if any(isinstance(item.verdict, Finish) for item in applies):
        parts.append("finish")
    if any(isinstance(item.verdict, Park) for item in applies):
        parts.append("park")
    if any(item.verdict is None for item in applies):
        parts.append("step")
    return "+".join(parts)
