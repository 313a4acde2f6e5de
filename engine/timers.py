"""What happens because time passes: cron, deadlines, debounces and batches, throttles, retention."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import orjson
import psycopg

from engine import admission, operations, system_events
from engine.functions import Function
from engine.records import Accept, Intent
from engine.routing import CRON, new_run
from engine.sql import accepting, admitting, gating, instances, operating, queueing, scheduling
from engine.sql.applying import Connection
from engine.writer import Aftermath

if TYPE_CHECKING:
    from engine.cron import Schedule
    from engine.engine import Engine

log = logging.getLogger(__name__)
SWEEP_EVERY = timedelta(seconds=5)
SWEEP_AFTER_TROUBLE = timedelta(seconds=1)
CLEAR_AT_ONCE = 1_000


class Timers:
    """Does what is due, then waits for the next time or a nudge."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._nudged = asyncio.Event()
        self._sweep_at: datetime | None = None
        self._clear_at: datetime | None = None

    def nudge(self) -> None:
        """Something may be due earlier than was thought."""
        self._nudged.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._nudged.clear()
            try:
                await self._once()
                wait = await self._pause()
            except psycopg.Error as error:
                log.warning("engine: timers: %s", str(error).strip())
                wait = self._engine.config.poll_seconds
            try:
                async with asyncio.timeout(wait):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    async def _pause(self) -> float:
        engine = self._engine

        async def times(connection: Connection) -> list[datetime | None]:
            return [
                await admitting.next_ripe(connection),
                await queueing.next_deadline(connection),
                await gating.next_limit(connection),
                await scheduling.next_time(connection),
            ]

        soonest = min((at for at in await engine.database.run(times) if at is not None), default=None)
        pause = engine.config.poll_seconds
        if soonest is not None:
            pause = min(pause, max((soonest - engine.clock()).total_seconds(), 0.005))
        return pause

    async def _once(self) -> None:
        engine = self._engine
        now = engine.clock()
        while await admission.ripen(engine):
            pass
        await self._end_overdue(now)
        if await engine.database.run(lambda c: gating.wake_limits(c, now), "turns"):
            engine.after_write(Aftermath(ready=True))
        await self._fire_schedules(now)
        if _is_due(self._sweep_at, SWEEP_EVERY, now):
            self._sweep_at = now + (SWEEP_AFTER_TROUBLE if engine.database.troubled() else SWEEP_EVERY)
            await self._sweep()
            await engine.audit()
        retention_every = timedelta(seconds=engine.config.retention_every)
        if _is_due(self._clear_at, retention_every, now):
            self._clear_at = now + retention_every
            engine.spawn(clear(engine, now))

    async def _sweep(self) -> None:
        engine = self._engine

        async def work(connection: Connection) -> bool:
            orphans = await instances.adopt_orphans(connection)
            return await gating.sweep(connection) or bool(orphans)

        if await engine.database.run(work, "sweep"):
            engine.after_write(Aftermath(ready=True))
        engine.admit_soon()

    async def _end_overdue(self, now: datetime) -> None:
        """Cancel runs that did not start, or end, in the time their function gives them."""
        engine = self._engine

        async def work(connection: Connection) -> list[str]:
            found = await queueing.overdue(connection, now)
            return await operations.end_runs(engine, connection, [run_id for run_id, _ in found], now)

        if not await engine.database.run(lambda c: queueing.overdue(c, now)):
            return
        ended = await engine.database.run(work, "deadline")
        if ended:
            engine.ended_elsewhere(ended)

    async def _fire_schedules(self, now: datetime) -> None:
        engine = self._engine

        async def work(connection: Connection) -> Accept:
            accept = Accept()
            for one in await scheduling.due(connection, now):
                function = engine.registry.by_id.get(one.function_id)
                schedule = schedule_of(function, one.cron)
                if function is None or schedule is None:
                    continue
                ran = None
                if function.id not in engine.registry.paused:
                    ran = now, _fire(accept, function, one.cron, now)
                following = schedule.after(max(now, one.due_at))
                await scheduling.advance(
                    connection, one, due_at=following, next_at=schedule.jittered(following), ran=ran
                )
            if accept.events:
                await accepting.accept(connection, engine.owner, [accept], now)
            return accept

        if not await engine.database.run(lambda c: scheduling.any_due(c, now)):
            return
        accept = await engine.database.run(work, "cron")
        if accept.events:
            engine.after_write(Aftermath(ready=True, intents=bool(accept.intents)))


def _is_due(at: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether what is done `every` so often, and next at `at`, is to be done: also when the clock was set back."""
    return at is None or not at - every <= now < at


def schedule_of(function: Function | None, text: str) -> Schedule | None:
    """The function's schedule of this text."""
    for trigger in function.triggers if function is not None else ():
        if trigger.schedule is not None and trigger.schedule.text == text:
            return trigger.schedule
    return None


def _fire(accept: Accept, function: Function, cron: str, now: datetime) -> str:
    """One run by the clock; after downtime too it is one."""
    event = system_events.make(system_events.TIMER, orjson.dumps({"cron": cron}), now)
    accept.events.append(event)
    if not function.plain:
        accept.intents.append(Intent(event.id, str(function.id)))
        return event.id
    run = new_run(function, orjson.loads(event.body), [event.id], now, cause=CRON)
    run.trigger = event.id
    accept.runs.append(run)
    return run.id


async def clear(engine: Engine, now: datetime) -> int:
    """Delete runs and events past their retention, in small transactions. Returns how many runs went."""
    config, total = engine.config, 0
    while True:
        count = await engine.database.run(
            lambda c: operating.clear_runs(c, now - config.keep_runs, CLEAR_AT_ONCE), "clear"
        )
        total += count
        if count < CLEAR_AT_ONCE:
            break
    while (
        await engine.database.run(
            lambda c: operating.clear_events(c, now - config.keep_events, CLEAR_AT_ONCE), "clear"
        )
        >= CLEAR_AT_ONCE
    ):
        pass
    await engine.database.run(lambda c: operating.clear_rest(c, now), "clear")
    return total
