"""The engine: takes events in, drives runs, shares the work with other processes on the same database."""

from __future__ import annotations

import asyncio
import gc
import logging
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg
from fastapi import APIRouter

from engine import admission, flow, intake, operations
from engine.config import EngineConfig
from engine.database import Closed, Database
from engine.driver import Driver
from engine.functions import Function, RefusedError, parse
from engine.lease import Lease
from engine.records import NewRun
from engine.registration import RegistrationResult, register
from engine.registry import Registry
from engine.signals import ENDED, POKED, REGISTRY, WAKE, Signals
from engine.sql import gating, instances, operating, queueing, registering
from engine.sql.queueing import Claimed
from engine.state import RunState, restore
from engine.timers import Timers
from engine.transport import AsgiApp, Http, InProcess, Switch, Transport
from engine.writer import Aftermath, Writer

log = logging.getLogger(__name__)
GC_THRESHOLDS = (20_000, 20, 20)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Engine:
    """One engine process. `start()` before anything else, `stop()` at the end; both from one event loop."""

    def __init__(
        self, dsn: str, *, config: EngineConfig | None = None, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self.config = config or EngineConfig()
        self.clock = clock
        self.database = Database(dsn, size=self.config.connections, on_write=self.config.on_write)
        self.registry = Registry()
        self._reading_registry = asyncio.Lock()
        self._switch = Switch(Http(timeout=self.config.call_timeout, connections=self.config.max_calls))
        self.transport: Transport = self._switch
        self.calls = asyncio.Semaphore(self.config.max_calls)
        self.drivers: dict[str, Driver] = {}
        self.lease = Lease(
            self.database.dsn,
            seconds=self.config.lease_seconds,
            on_dead=self._found_dead,
            on_lost=self._found_lost,
        )
        self.writer = Writer(
            self.database,
            lambda: self.lease.instance,
            clock,
            after=self.after_write,
        )
        self.signals = Signals(self.database, lambda: self.owner, self._heard)
        self.timers = Timers(self)
        self._undecided = asyncio.Event()
        self._reserved = 0
        self._backlog = False
        # claimed, and being read; and held in the database when last looked, but not driven here
        self._taking: set[str] = set()
        self._astray: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._next_due: datetime | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    @property
    def owner(self) -> uuid.UUID:
        """This process among those that share the database."""
        return self.lease.instance

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Sign on, take over from the dead, begin to drive."""
        self._loop = asyncio.get_running_loop()
        if self.config.rare_gc:
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
        while True:
            try:
                await asyncio.to_thread(self.lease.join_in)
                break
            except psycopg.OperationalError as error:
                log.warning("engine: database not reachable, trying again: %s", str(error).strip())
                await asyncio.sleep(0.5)
        await self.refresh_registry()
        self.writer.start()
        self.lease.start()
        self.spawn(self._dispatch())
        self.spawn(self._admit())
        self.spawn(self.timers.run())
        self.spawn(self.signals.listen())

    async def stop(self, grace: float = 5.0) -> None:
        """Claim nothing more, let steps that are running end within `grace` seconds, give the rest back."""
        self._stopping = True
        self._wake.set()
        for driver in list(self.drivers.values()):
            driver.abandon_when_idle()
        waiting = [task for task in self._tasks if task.get_name().startswith("run-")]
        if waiting:
            await asyncio.wait(waiting, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.writer.stop()
        await asyncio.to_thread(self.lease.stop)
        try:
            async with self.database.connection() as connection, connection.transaction():
                await instances.leave(connection, self.owner)
        except (psycopg.Error, Closed) as error:
            log.warning("engine: could not sign off; others take over when the lease ends: %s", error)
        await self.database.close()
        await self.transport.close()

    def spawn(self, work: Any, name: str | None = None) -> None:
        """Run in the background, for as long as the engine."""
        task = asyncio.ensure_future(work)
        if name:
            task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), Closed):
            log.error("engine: a task ended badly", exc_info=task.exception())

    # -- functions --------------------------------------------------------------------------------------

    async def register(
        self,
        appname: str,
        url: str,
        functions: list[Any],
        *,
        hosts: Collection[str] | None = None,
        **details: str,
    ) -> RegistrationResult:
        """Store an app's functions as `/fn/register` does; raises `RefusedError` and then changes nothing."""
        result = await register(self, appname, url, functions, hosts=hosts, **details)
        await self.registry_changed()
        return result

    async def registry_changed(self) -> None:
        """Functions have changed in the database: know it here, and let the other processes know."""
        await self.refresh_registry()
        self.timers.nudge()
        await self.signals.say(REGISTRY)

    async def refresh_registry(self) -> None:
        """Read the registered functions, as they are in the database now.

        One reader at a time: an earlier reading must not replace a later one.
        """
        async with self._reading_registry:
            self.registry = await self._read_registry()

    async def _read_registry(self) -> Registry:
        rows = await self.database.run(registering.functions)
        found: list[Function] = []
        paused: dict[uuid.UUID, str] = {}
        for app, config, function_id, paused_runs in rows:
            try:
                found.append(parse(app, config))
            except RefusedError as error:
                log.error("engine: a stored function cannot be used: %s", error)
            if paused_runs is not None:
                paused[function_id] = paused_runs
        return Registry(found, paused)

    def serve_in_process(self, url_prefix: str, asgi_app: AsgiApp) -> None:
        """Call functions whose URL starts with the prefix directly through the ASGI application."""
        self._switch.serve(url_prefix, InProcess(asgi_app, timeout=self.config.call_timeout))

    # -- events -----------------------------------------------------------------------------------------

    async def send(self, events: list[dict[str, Any]], *, seed: str | None = None) -> list[str]:
        """Take events in; returns their ids after they and the runs they start are committed.

        Raises `intake.BadEventError`.
        """
        return await intake.take(self, events, seed=seed)

    # -- driving ----------------------------------------------------------------------------------------

    def try_claim(self) -> bool:
        """Reserve room for one more run, if there is any."""
        if self._stopping or len(self.drivers) + self._reserved >= self.config.max_runs:
            return False
        self._reserved += 1
        return True

    def unclaim(self) -> None:
        """Give back a reservation that came to nothing."""
        self._reserved -= 1

    def launch(self, run: NewRun, function: Function, events: list[bytes]) -> None:
        """Drive a run that was created for this process."""
        self._reserved -= 1
        claimed = Claimed(
            run_id=run.id, function_id=run.function_id, epoch=1, pokes=0, cursor=None, gates=run.gates,
            singleton=run.singleton, event_ids=run.event_ids, queued_at=run.queued_at,
            parent_run=run.parent_run, parent_step=run.parent_step, cause=run.cause,
        )  # fmt: skip
        state = RunState(claimed=claimed, function=function, events=events, discover_at=run.queued_at)
        self._drive(state)

    def _drive(self, state: RunState) -> None:
        driver = Driver(self, state)
        self.drivers[state.run_id] = driver
        self.spawn(self._driven(driver), name=f"run-{state.run_id}")

    async def _driven(self, driver: Driver) -> None:
        run_id = driver.state.run_id
        try:
            await driver.drive()
        finally:
            if self.drivers.get(run_id) is driver:
                del self.drivers[run_id]
            if self._backlog and len(self.drivers) + self._reserved <= self.config.max_runs * 3 // 4:
                self._backlog = False
                self._wake.set()

    async def news(self, claimed: Claimed) -> list[queueing.StepRow] | None:
        """A run's steps as stored now, if this process still holds it."""

        async def read(connection: Any) -> list[queueing.StepRow] | None:
            pokes = await queueing.still_held(connection, claimed.run_id, self.owner, claimed.epoch)
            if pokes is None:
                return None
            claimed.pokes = pokes
            return (await queueing.steps(connection, [claimed.run_id]))[claimed.run_id]

        return await self.database.run(read)

    async def take_more(self, claimed: Claimed, wanted: int) -> int:
        """Further slots for steps that a run would execute at once; how many it got."""
        limits = self._limits_of(claimed)
        return await self.database.run(lambda c: gating.take_more(c, claimed.run_id, limits, wanted), "slots")

    async def shrink(self, claimed: Claimed) -> None:
        """Give back all slots of a run but one."""
        if await self.database.run(lambda c: gating.shrink(c, claimed.run_id, claimed.gates or ()), "slots"):
            self._wake.set()

    def expect(self, at: datetime) -> None:
        """A run has been parked until then."""
        if self._next_due is None or at < self._next_due:
            self._next_due = at
            self._wake.set()

    async def _dispatch(self) -> None:
        """Claim what is due, whenever something becomes due or somebody says so."""
        while not self._stopping:
            self._wake.clear()
            self._next_due = None
            try:
                if await self._claim_round() and self.try_claim():
                    self.unclaim()
                    continue
                due = await self.database.run(lambda c: queueing.next_due(c, self.clock()))
            except psycopg.Error:
                log.exception("engine: claiming failed; trying again")
                await asyncio.sleep(self.config.poll_seconds)
                continue
            if due is not None and len(self.drivers) < self.config.max_runs:
                self._next_due = min(due, self._next_due or due)
            await self._sleep_until(self._next_due)

    async def _sleep_until(self, due: datetime | None) -> None:
        wait = self.config.poll_seconds
        if due is not None:
            wait = min(wait, max((due - self.clock()).total_seconds(), 0.0))
        if wait <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim_round(self) -> bool:
        """Claim and launch once. Returns whether there may be more."""
        room = self.config.max_runs - len(self.drivers) - self._reserved
        self._backlog = True
        if room <= 0:
            return False
        now = self.clock()
        claimed = await self.database.run(lambda c: queueing.claim(c, self.owner, now, room), "claim")
        if claimed:
            await self._take_up(claimed)
        room -= len(claimed)
        if room <= 0:
            return True
        taken, due = await self.database.run(
            lambda c: gating.claim(c, self.owner, now, room, limits=self._limits_of, turns=self._turn_of),
            "claim-gated",
        )
        if taken:
            await self._take_up(taken)
        if due > len(taken):
            self.timers.nudge()
        self._backlog = due == room
        return self._backlog

    def _limits_of(self, one: gating.Candidate | Claimed) -> dict[str, int]:
        function = self.registry.by_id.get(one.function_id)
        return limits_of(function, one.gates)

    def _turn_of(self, one: gating.Candidate, tat: datetime, now: datetime) -> flow.Turn | None:
        function = self.registry.by_id.get(one.function_id)
        if function is None or function.throttle is None:
            return None
        return flow.throttle(function.throttle, tat, now)

    async def _take_up(self, claimed: list[Claimed]) -> None:
        """Read the state of claimed runs and drive them."""
        self._taking.update(one.run_id for one in claimed)
        try:
            await self._read_and_drive(claimed)
        finally:
            self._taking.difference_update(one.run_id for one in claimed)

    async def audit(self) -> None:
        """Let go of runs that this process holds without driving them.

        A connection that broke between a commit and its answer leaves such: claimed, and nobody knows.
        """
        held = await self.database.run(lambda c: queueing.owned(c, self.owner))
        known = {*self.drivers, *self._taking, *self.writer.promised()}
        astray = {run_id: epoch for run_id, epoch in held.items() if run_id not in known}
        again = {run_id: epoch for run_id, epoch in astray.items() if self._astray.get(run_id) == epoch}
        self._astray = astray
        if again:
            log.warning("engine: putting back %d runs that were held and not driven", len(again))
            await self.database.run(lambda c: queueing.let_go(c, self.owner, again), "let-go")
            self._wake.set()

    async def _read_and_drive(self, claimed: list[Claimed]) -> None:
        run_ids = [one.run_id for one in claimed]
        event_ids = {event_id for one in claimed for event_id in one.event_ids}

        async def read(connection: Any) -> tuple[dict[str, bytes], dict[str, list[queueing.StepRow]]]:
            return await queueing.events(connection, list(event_ids)), await queueing.steps(
                connection, run_ids
            )

        events, steps = await self.database.run(read)
        if any(one.function_id not in self.registry.by_id for one in claimed):
            await self.refresh_registry()
        aside: list[Claimed] = []
        removed: list[str] = []
        for one in claimed:
            function = self.registry.by_id.get(one.function_id)
            if function is None:
                removed.append(one.run_id)
            elif self._holds(one):
                aside.append(one)
            else:
                bodies = [events.get(event_id, b"{}") for event_id in one.event_ids]
                self._drive(restore(one, function, bodies, steps[one.run_id], self.clock()))
        if removed:
            log.warning("engine: cancelling %d runs of functions that were removed", len(removed))
            await operations.cancel(self, removed)
        if aside:
            held, functions = [one.run_id for one in aside], [one.function_id for one in aside]
            await self.database.run(lambda c: operating.hold(c, held, functions, self.owner), "hold")

    def _holds(self, one: Claimed) -> bool:
        """Whether the run has to wait because its function is paused."""
        mode = self.registry.paused.get(one.function_id)
        return mode is not None and (mode != "continue" or one.fresh)

    async def _admit(self) -> None:
        """Decide about stored events, whenever there may be some undecided."""
        while True:
            self._undecided.clear()
            try:
                while await admission.admit(self):
                    pass
            except psycopg.Error:
                log.exception("engine: decisions about events failed; trying again")
                await asyncio.sleep(self.config.poll_seconds)
                continue
            self.timers.nudge()
            await self._undecided.wait()

    def admit_soon(self) -> None:
        """There may be events to decide about."""
        self._undecided.set()

    # -- what others report -----------------------------------------------------------------------------

    def after_write(self, aftermath: Aftermath) -> None:
        """Act on what a committed transaction means for runs, here and elsewhere."""
        elsewhere = []
        for run_id, owner, _state in aftermath.poked or ():
            driver = self.drivers.get(run_id)
            if driver is not None and owner == self.owner:
                driver.poke()
            elif owner is not None:
                elsewhere.append(run_id)
        if aftermath.intents:
            self.admit_soon()
        if aftermath.poked or aftermath.unblocked or aftermath.ready:
            self._wake.set()
        if self.lease.alone or self._stopping:
            return
        if elsewhere:
            self.spawn(self.signals.say(POKED, elsewhere))
        elif aftermath.ready and len(self.drivers) >= self.config.max_runs:
            self.spawn(self.signals.say(WAKE))

    def ended_elsewhere(self, run_ids: list[str]) -> None:
        """Runs were ended from outside their drivers: let go of them, and see what follows."""
        if not run_ids:
            return
        unknown = [run_id for run_id in run_ids if run_id not in self.drivers]
        for run_id in run_ids:
            driver = self.drivers.get(run_id)
            if driver is not None:
                driver.abandon()
        self.admit_soon()
        self._wake.set()
        if unknown and not self.lease.alone and not self._stopping:
            self.spawn(self.signals.say(ENDED, unknown))

    def _heard(self, kind: str, ids: list[str]) -> None:
        """Another process says something."""
        if kind == REGISTRY:
            self.spawn(self.refresh_registry())
            self.timers.nudge()
        for run_id in ids:
            driver = self.drivers.get(run_id)
            if driver is not None and kind == ENDED:
                driver.abandon()
            elif driver is not None:
                driver.poke()
        self._wake.set()

    @cached_property
    def router(self) -> APIRouter:
        """All HTTP routes of the engine but `/health`."""
        from engine.api import make_router

        return make_router(self)

    def _found_dead(self, instance: uuid.UUID, proven: bool) -> None:
        if self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(lambda: self.spawn(self._bury(instance, proven)))

    async def _bury(self, instance: uuid.UUID, proven: bool) -> None:
        async def work(connection: Any) -> list[str] | None:
            return await instances.bury(connection, instance, proven_dead=proven)  # type: ignore[return-value]

        runs = await self.database.run(work, "takeover")
        if runs:
            log.warning("engine: took over %d runs of a process that died", len(runs))
            self._wake.set()

    def _found_lost(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_afresh)

    def _start_afresh(self) -> None:
        """Others hold our runs now: drop them here. New ones come to the new instance that the lease joined."""
        for driver in self.drivers.values():
            driver.abandon()
        self._wake.set()


def limits_of(function: Function | None, gates: list[str] | None) -> dict[str, int]:
    """How many slots each gate of a run has; a gate whose limit is no longer configured has no end."""
    limits = function.concurrency if function is not None else ()
    return {gate: limits[n].limit for n, gate in enumerate(gates or ()) if n < len(limits)}
