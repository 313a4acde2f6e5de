"""Driving one run from step to step while this process holds its lease.

The state stays in memory; each result is committed, with what follows from it, before the next is asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson

from engine import backoff, durations, expressions, ids, signing, system_events, wire
from engine.config import EngineConfig
from engine.functions import Function
from engine.records import (
    COMPLETED,
    FAILED,
    Accept,
    Apply,
    Delivery,
    FailedAttempt,
    Finish,
    NewEvent,
    NewRun,
    Park,
    StepWrite,
    Wait,
)
from engine.registry import Registry
from engine.routing import INVOKE, new_run, route
from engine.state import (
    DONE,
    INVOKING,
    PLANNED,
    RETRYING,
    SLEEPING,
    TIMED_OUT,
    WAITING,
    Pending,
    RunState,
)
from engine.state import FAILED as STEP_FAILED
from engine.transport import Transport, UnreachableError
from engine.writer import Writer

log = logging.getLogger(__name__)
INVOKE_FOREVER = timedelta(days=365)
INVOKE_TIMED_OUT = {
    "name": "InngestInvokeTimeoutError",
    "message": "Timed out waiting for invoked function to complete",
}


class Room(Protocol):
    """What a driver needs of its engine."""

    config: EngineConfig
    writer: Writer
    transport: Transport
    clock: Callable[[], datetime]
    calls: asyncio.Semaphore

    @property
    def registry(self) -> Registry: ...

    def try_claim(self) -> bool: ...

    def unclaim(self) -> None: ...

    def launch(self, run: NewRun, function: Function, events: list[bytes]) -> None: ...

    def expect(self, at: datetime) -> None: ...

    async def reload(self, state: RunState) -> RunState | None: ...


class Driver:
    """Drives one run until it ends, parks, or turns out to be somebody else's."""

    def __init__(self, room: Room, state: RunState) -> None:
        self.room = room
        self.state = state
        self.over = False
        self._poked = False
        self._leaving = False
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    def poke(self) -> None:
        """Something about the run changed outside: read it again before going on."""
        self._poked = True
        self._changed.set()

    def abandon(self) -> None:
        """The run is no longer ours: answers still on their way are not recorded."""
        self.over = True
        self._changed.set()

    def abandon_when_idle(self) -> None:
        """The engine stops: end after the call that is under way, and leave the rest to others."""
        self._leaving = True
        self._changed.set()

    async def drive(self) -> None:
        """Go on until there is nothing to do now."""
        try:
            while not self.over:
                await self._advance()
                if self._error is not None:
                    raise self._error
        finally:
            self.over = True
            for task in self._tasks:
                task.cancel()

    async def _advance(self) -> None:
        state, now = self.state, self.room.clock()
        if self._leaving and not self._tasks:
            self.over = True
            return
        if self._poked and not self._tasks and not state.discovering:
            self._poked = False
            await self._reload()
            return
        elapsed = state.elapsed(now)
        if elapsed:
            await self._end_elapsed(elapsed, now)
            return
        due = state.due(now)
        discover = state.discover_at is not None and state.discover_at <= now and not state.discovering
        if not self._tasks and len(due) + discover == 1:
            await self._run(due[0] if due else None)
            return
        for pending in () if self._leaving else due:
            self._spawn(pending)
        if discover and not self._leaving:
            self._spawn(None)
        if self._tasks:
            await self._wait(state.next_wake(), now)
            return
        await self._park(state.next_wake() or now + durations.LONGEST)

    def _spawn(self, pending: Pending | None) -> None:
        if pending is not None:
            pending.running = True
        else:
            self.state.discovering = True
        task = asyncio.create_task(self._guarded(pending))
        self._tasks.add(task)

    async def _guarded(self, pending: Pending | None) -> None:
        task = asyncio.current_task()
        try:
            await self._run(pending)
        except Exception as error:
            self._error = error
        finally:
            if task is not None:
                self._tasks.discard(task)
            self._changed.set()

    async def _wait(self, until: datetime | None, now: datetime) -> None:
        """Until an answer is recorded, somebody pokes, or the next timer."""
        timeout = None if until is None else max((until - now).total_seconds(), 0.001)
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def _reload(self) -> None:
        fresh = await self.room.reload(self.state)
        if fresh is None:
            self.over = True
            return
        self.state = fresh

    async def _park(self, wake_at: datetime) -> None:
        state = self.state
        park = Park(wake_at=wake_at, pokes=state.claimed.pokes, cursor=state.cursor())
        applied = await self._write(self._apply(verdict=park))
        if applied is not None and applied != state.claimed.pokes:
            await self._reload()
        else:
            self.over = True
            self.room.expect(wake_at)

    # -- one call ---------------------------------------------------------------------------------------

    async def _run(self, pending: Pending | None) -> None:
        """Make one call to the SDK and record what came of it."""
        state = self.state
        if pending is None:
            state.discovering = True
        else:
            pending.running = True
        async with self.room.calls:
            if self.over:
                return
            started = self.room.clock()
            outcome = await self._call(pending)
        if self.over:
            return
        if pending is None:
            state.discovering = False
        else:
            pending.running = False
        match outcome:
            case wire.Steps():
                await self._record_steps(outcome, pending, started)
            case wire.Result():
                await self._finish(COMPLETED, outcome.output)
            case wire.Failure():
                await self._record_failure(outcome, pending, started)

    async def _call(self, pending: Pending | None) -> wire.Outcome:
        state, room = self.state, self.room
        function, run_id = state.function, state.run_id
        target = wire.ROOT if pending is None else pending.id
        ended = len(state.memos)
        depth = ended if pending is None or pending.depth is None else pending.depth
        call = wire.Call(
            run_id=run_id,
            fn_id=str(function.id),
            target=target,
            attempt=state.attempt if pending is None else pending.attempt,
            max_attempts=function.max_attempts,
            disable_immediate_execution=pending is not None or bool(state.pending),
            job_id=ids.job_id(run_id, target, depth),
            request_id=ids.ulid(),
            version=state.version,
            use_api=state.size + sum(map(len, state.events)) > wire.API_STATE,
        )
        memos, stack = state.parts(depth)
        body = wire.request_body(call, events=state.events, memos=memos, stack=stack, depth=depth)
        headers = wire.request_headers(call)
        key = room.config.signing_key
        if key is not None:
            body = signing.canonical(body)
            headers["x-inngest-signature"] = signing.sign(body, key, int(room.clock().timestamp()))
        try:
            response = await room.transport.call("POST", function.step_url(target), headers, body)
        except UnreachableError as error:
            return wire.failure("Unreachable", str(error), cause="unreachable")
        if key is not None and not signing.verify(
            response.body,
            response.headers.get("x-inngest-signature"),
            room.config.signing_keys,
            room.clock().timestamp(),
        ):
            status = response.status
            return wire.failure(
                "BadSignature", f"the SDK's answer (status {status}) is not signed with our key"
            )
        return wire.read_response(response)

    # -- what an answer means ---------------------------------------------------------------------------

    async def _record_steps(self, outcome: wire.Steps, target: Pending | None, started: datetime) -> None:
        state, now = self.state, self.room.clock()
        apply = self._apply()
        state.version = outcome.version
        old_race = outcome.version < 2
        depth = len(state.memos)
        if target is None:
            state.discover_at = None
        fresh = False
        ended_race: bool | None = None
        for op in outcome.ops:
            if op.id in state.memos:
                continue
            known = state.pending.get(op.id)
            race = op.race or old_race or (known is not None and known.race)
            if op.kind in (wire.RUN, wire.FAILED, wire.ERROR):
                fresh = True
                if self._step_ran(apply, op, outcome, target, started, now):
                    ended_race = bool(ended_race) or race
            elif known is None:
                fresh = True
                refused = self._step_began(apply, op, race, depth, now)
                if refused is not None:
                    await self._fail(refused)
                    return
        limit = self._over_limit()
        if limit is not None:
            await self._fail(limit)
            return
        if (
            target is not None
            and target.id in state.pending
            and not any(o.id == target.id for o in outcome.ops)
        ):
            missing = wire.failure("StepNotFound", f"the SDK did not run step {target.name!r} when asked to")
            await self._record_failure(missing, target, started)
            return
        if not fresh and not state.pending and target is None:
            stuck = wire.failure("InvalidResponse", "the SDK reports only steps that have already ended")
            await self._record_failure(stuck, None, started)
            return
        if ended_race is not None:
            state.after_end(race=ended_race, now=now)
        await self._write(apply)

    def _step_ran(
        self,
        apply: Apply,
        op: wire.Op,
        outcome: wire.Steps,
        target: Pending | None,
        started: datetime,
        now: datetime,
    ) -> bool:
        """A step was executed. Returns whether it ended (it may be tried again instead)."""
        state = self.state
        planned = state.pending.get(op.id)
        known = planned or state.inline.get(op.id)
        attempt = planned.attempt if planned is not None else state.attempt
        queued = known.queued_at if known is not None else started
        write = StepWrite(
            id=op.id, name=op.name, op=wire.RUN, status=DONE, attempt=attempt, queued_at=queued,
            planned=planned is not None, race=op.race, started_at=started, ended_at=now, memo=op.memo,
        )  # fmt: skip
        apply.steps.append(write)
        if op.error is not None:
            apply.failures.append(FailedAttempt(op.id, attempt, started, now, orjson.dumps(op.error)))
            last = op.kind == wire.FAILED or outcome.no_retry or attempt + 1 >= state.function.max_attempts
            if not last:
                again = self._retry_at(attempt, outcome.retry_after, now)
                write.status, write.ended_at, write.memo = RETRYING, None, None
                write.attempt, write.wake_at = attempt + 1, again
                if planned is not None:
                    planned.attempt, planned.wake_at = attempt + 1, again
                else:
                    state.inline[op.id] = Pending(op.id, op.name, wire.RUN, queued, attempt=attempt + 1)
                    state.attempt, state.discover_at = attempt + 1, again
                return False
            write.status, write.memo = STEP_FAILED, wire.error_memo(op.error)
        state.end(op.id, write.memo or b"null")
        if target is None:
            state.attempt = 0
        return True

    def _step_began(
        self, apply: Apply, op: wire.Op, race: bool, depth: int, now: datetime
    ) -> wire.Failure | None:
        """A step that ends later: planned, sleeping, waiting or invoking. Returns why it cannot."""
        state = self.state
        pending = Pending(op.id, op.name, wire.RUN if op.kind == wire.PLANNED else op.kind, now, race=race)
        status = PLANNED
        try:
            if op.kind == wire.PLANNED:
                pending.depth = depth
            elif op.kind == wire.SLEEP:
                status, pending.wake_at = SLEEPING, durations.instant(op.subject, now)
            elif op.kind == wire.WAIT:
                status, pending.wake_at = WAITING, now + durations.parse(op.opts.get("timeout"))
                event, condition = op.opts.get("event") or op.subject, op.opts.get("if")
                self._check_wait(event, condition)
                apply.waits.append(Wait(op.id, event, condition or None, pending.wake_at))
            else:
                timeout = op.opts.get("timeout")
                wanted = durations.instant(timeout, now) if timeout else now + INVOKE_FOREVER
                status, pending.wake_at = INVOKING, wanted
            if pending.wake_at is not None and pending.wake_at - now > durations.LONGEST:
                raise durations.BadDurationError(
                    f"step {op.name!r} waits until {durations.iso(pending.wake_at)}; the limit is 366 days"
                )
        except (ValueError, OverflowError) as error:
            return wire.failure("InvalidStep", f"step {op.name!r}: {error}", no_retry=True)
        memo: bytes | None = None
        if op.kind == wire.INVOKE:
            memo = self._invoke(apply, op, pending, now)
        apply.steps.append(
            StepWrite(
                id=op.id, name=op.name, op=pending.op, status=STEP_FAILED if memo else status, attempt=0,
                queued_at=now, planned=op.kind == wire.PLANNED, race=race, wake_at=pending.wake_at, memo=memo,
                ended_at=now if memo else None,
            )
        )  # fmt: skip
        if memo is None:
            state.pending[op.id] = pending
        else:
            state.end(op.id, memo)
            state.after_end(race=race, now=now)
        return None

    @staticmethod
    def _check_wait(event: object, condition: object) -> None:
        if not isinstance(event, str) or not event:
            raise ValueError("it names no event to wait for")
        if condition:
            expressions.check(condition)

    def _invoke(self, apply: Apply, op: wire.Op, pending: Pending, now: datetime) -> bytes | None:
        """Start the callee; returns the step's error memo where there is none to start."""
        state = self.state
        slug = op.opts.get("function_id")
        callee = self.room.registry.by_slug.get(slug) if isinstance(slug, str) else None
        if callee is None:
            message = f"could not find function with ID: {slug}"
            return wire.error_memo({"error": message, "name": "Error", "message": message})
        payload = op.opts.get("payload") or {}
        event = system_events.invoked(
            payload.get("data") if isinstance(payload, dict) else None,
            slug=callee.slug,
            run_id=state.run_id,
            step_id=op.id,
            step_name=op.name,
            source_app_id=str(ids.app_id(state.function.app)),
            source_fn_id=str(state.function.id),
            expire=pending.wake_at or now,
            now=now,
            version=payload.get("v") if isinstance(payload, dict) else None,
        )
        run = new_run(
            callee, orjson.loads(event.body), [event.id], now, cause=INVOKE, claim=self.room.try_claim
        )
        run.trigger, run.parent_run, run.parent_step = event.id, state.run_id, op.id
        accept = self._accept(apply)
        accept.events.append(event)
        accept.runs.append(run)
        return None

    async def _record_failure(self, failure: wire.Failure, target: Pending | None, started: datetime) -> None:
        """The call as a whole failed: try it again later, or end the run."""
        state, now = self.state, self.room.clock()
        attempt = state.attempt if target is None else target.attempt
        record = FailedAttempt(
            target.id if target else wire.ROOT, attempt, started, now, orjson.dumps(failure.error)
        )
        if failure.no_retry or attempt + 1 >= state.function.max_attempts:
            await self._fail(failure, record)
            return
        again = self._retry_at(attempt, failure.retry_after, now)
        apply = self._apply()
        apply.failures.append(record)
        if target is None:
            state.attempt, state.discover_at = attempt + 1, again
        else:
            target.attempt, target.wake_at = attempt + 1, again
            apply.steps.append(
                StepWrite(
                    id=target.id, name=target.name, op=wire.RUN, status=RETRYING, attempt=target.attempt,
                    queued_at=target.queued_at, planned=True, race=target.race, started_at=started,
                    wake_at=again,
                )
            )  # fmt: skip
        if target is None and not state.pending and not self._tasks:
            apply.verdict = Park(wake_at=again, pokes=state.claimed.pokes, cursor=state.cursor())
            if await self._write(apply) == state.claimed.pokes:
                self.over = True
                self.room.expect(again)
            return
        await self._write(apply)

    def _retry_at(self, attempt: int, asked: str | None, now: datetime) -> datetime:
        wanted = backoff.asked(asked, now) if asked else None
        return wanted or now + backoff.delay(attempt, base=self.room.config.retry_base)

    def _over_limit(self) -> wire.Failure | None:
        state = self.state
        if state.size > wire.MAX_STATE:
            return wire.state_too_large(state.size)
        count = len(state.memos) + len(state.pending)
        return wire.too_many_steps(count) if count > wire.MAX_STEPS else None

    async def _end_elapsed(self, elapsed: list[Pending], now: datetime) -> None:
        """Sleeps are recorded with whatever comes next; a timeout at once, for an event may beat it."""
        state = self.state
        writes = []
        for pending in elapsed:
            memo, status = b"null", DONE if pending.op == wire.SLEEP else TIMED_OUT
            if pending.op == wire.INVOKE:
                memo = wire.error_memo(INVOKE_TIMED_OUT)
            writes.append(
                StepWrite(
                    id=pending.id, name=pending.name, op=pending.op, status=status, attempt=0, memo=memo,
                    queued_at=pending.queued_at, race=pending.race, started_at=pending.queued_at, ended_at=now,
                )
            )  # fmt: skip
            state.end(pending.id, memo)
            state.after_end(race=pending.race, now=now)
        state.carried.extend(writes)
        if any(write.op != wire.SLEEP for write in writes):
            pokes = await self._write(self._apply())
            if pokes is not None and pokes != state.claimed.pokes:
                self.poke()

    # -- the end ----------------------------------------------------------------------------------------

    async def _fail(self, failure: wire.Failure, record: FailedAttempt | None = None) -> None:
        await self._finish(FAILED, failure.output, failure, record)

    async def _finish(
        self,
        status: str,
        output: bytes,
        failure: wire.Failure | None = None,
        record: FailedAttempt | None = None,
    ) -> None:
        state, now = self.state, self.room.clock()
        self.over = True
        apply = self._apply(verdict=Finish(status=status, output=output, ended_at=now))
        if record is not None:
            apply.failures.append(record)
        apply.cleanup = bool(state.function.cancel or state.claimed.singleton) or any(
            pending.op == wire.WAIT for pending in state.pending.values()
        )
        accept = self._accept(apply)
        error = failure.error if failure is not None else None
        for event in end_events(state.function.slug, state.run_id, state.events, status, output, error, now):
            self._route(accept, event, now)
        claimed = state.claimed
        if claimed.parent_run and claimed.parent_step:
            memo = wire.data_memo(output) if error is None else wire.error_memo(error)
            ended = DONE if error is None else STEP_FAILED
            apply.deliveries.append(Delivery(claimed.parent_run, claimed.parent_step, memo, ended, now))
        await self._write(apply)

    def _route(self, accept: Accept, event: NewEvent, now: datetime) -> None:
        routed = route(self.room.registry, event, now, claim=self.room.try_claim)
        accept.events += routed.events
        accept.runs += routed.runs
        accept.intents += routed.intents

    # -- recording --------------------------------------------------------------------------------------

    def _apply(self, verdict: Park | Finish | None = None) -> Apply:
        state = self.state
        carried, state.carried = state.carried, []
        return Apply(
            run_id=state.run_id,
            epoch=state.claimed.epoch,
            steps=carried,
            verdict=verdict,
            gated=bool(state.claimed.gates),
        )

    @staticmethod
    def _accept(apply: Apply) -> Accept:
        if apply.accept is None:
            apply.accept = Accept()
        return apply.accept

    async def _write(self, apply: Apply) -> int | None:
        """Commit; returns how often the run was poked, or None when it is no longer ours.

        Runs that this process took for itself in the same commit are driven from here on.
        """
        created: set[str] = set()
        try:
            applied = await self.room.writer.write(apply)
            created = applied.created if applied.held else created
        finally:
            if apply.accept is not None:
                launch_created(self.room, apply.accept, created)
        if not applied.held:
            self.over = True
            return None
        if applied.pokes != self.state.claimed.pokes and not isinstance(apply.verdict, Park):
            self.poke()
        return applied.pokes


def end_events(
    slug: str,
    run_id: str,
    events: list[bytes],
    status: str,
    output: bytes,
    error: dict[str, Any] | None,
    now: datetime,
) -> list[NewEvent]:
    """The system events about a run's end."""
    found = []
    if error is not None:
        name = system_events.FAILED if status == FAILED else system_events.CANCELLED
        found.append(
            system_events.about_run(
                name, slug=slug, run_id=run_id, events=events, status=status, now=now, result=output,
                error=error, event_id=run_id if status == FAILED else None,
            )
        )  # fmt: skip
    found.append(
        system_events.about_run(
            system_events.FINISHED, slug=slug, run_id=run_id, events=events, status=status, now=now,
            result=output, error=error,
        )
    )  # fmt: skip
    return found


def launch_created(room: Room, accept: Accept, created: set[str]) -> None:
    """Start driving those runs of an accepted event that were claimed for this process."""
    bodies = {event.id: event.body for event in accept.events}
    for run in accept.runs:
        if run.state != "o":
            continue
        function = room.registry.by_id.get(run.function_id)
        if run.id in created and function is not None:
            room.launch(run, function, [bodies[event_id] for event_id in run.event_ids])
        else:
            room.unclaim()
