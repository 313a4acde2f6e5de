"""Driving one run from step to step while this process holds its lease.

The state stays in memory; each result is committed, with what follows from it, before the next is asked for.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import orjson
import psycopg

from engine import durations, ids, signing, system_events, wire
from engine.database import Closed
from engine.outcomes import accept_of, retry_at, step_began, step_ran
from engine.records import (
    COMPLETED,
    FAILED,
    Accept,
    Apply,
    Delivery,
    FailedAttempt,
    Finish,
    NewEvent,
    Park,
    StepWrite,
)
from engine.room import Room, launch_created
from engine.routing import route
from engine.state import DONE, RETRYING, TIMED_OUT, Pending, RunState
from engine.state import FAILED as STEP_FAILED
from engine.transport import UnreachableError

log = logging.getLogger(__name__)
# What a call for one step may report of it.
_ENDS = (wire.RUN, wire.FAILED, wire.ERROR)
INVOKE_TIMED_OUT = {
    "name": "InngestInvokeTimeoutError",
    "message": "Timed out waiting for invoked function to complete",
}


class Driver:
    """Drives one run until it ends, parks, or turns out to be somebody else's."""

    def __init__(self, room: Room, state: RunState) -> None:
        self.room = room
        self.state = state
        self.over = False
        self._poked = False
        self._leaving = False
        self._ending = False
        self._width = 1
        # the call of the body that is under way, since when, and how many steps had ended by then
        self._asked: wire.Call | None = None
        self._asked_at = state.claimed.queued_at
        self._asked_with = 0
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
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise
        except Closed:
            raise
        except Exception as error:
            # Better an end that says why than a run that nobody drives and nobody may take.
            log.exception("engine: run %s cannot go on", self.state.run_id)
            self.state.carried.clear()
            kind = "NotRecorded" if isinstance(error, psycopg.Error) else "EngineError"
            await self._fail(wire.failure(kind, f"the engine could not go on with this run: {error}"))
        finally:
            self.over = True

    async def _advance(self) -> None:
        state, now = self.state, self.room.clock()
        if self._leaving and not self._tasks:
            self.over = True
            return
        if self._ending:
            await self._wait(None, now)
            return
        if self._poked:
            self._poked = False
            await self._hear_news(now)
            return
        elapsed = state.elapsed(now)
        if elapsed:
            await self._end_elapsed(elapsed, now)
            return
        due = [] if self._leaving else state.due(now)
        discover = state.discover_at is not None and state.discover_at <= now and not state.discovering
        if state.claimed.gates:
            due = await self._within_slots(due, discover=discover)
        # only a call that nothing else can overtake is waited for here: no timer, event or callee
        if not self._tasks and len(due) + discover == 1 and len(state.pending) == len(due):
            await self._run(due[0] if due else None)
            return
        for pending in due:
            self._spawn(pending)
        if discover and not self._leaving:
            self._spawn(None)
        if self._tasks:
            await self._wait(state.next_wake(now), now)
            return
        await self._park(state.next_wake(now) or now + durations.LONGEST)

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

    async def _within_slots(self, due: list[Pending], *, discover: bool) -> list[Pending]:
        """As many of the due steps as the run's slots allow; it asks for more, and gives back what is over."""
        claimed, wanted = self.state.claimed, len(due) + discover
        if wanted > self._width - len(self._tasks):
            self._width += await self.room.take_more(claimed, wanted - self._width + len(self._tasks))
        elif self._width > 1 and wanted <= 1 and not self._tasks:
            await self.room.shrink(claimed)
            self._width = 1
        return due[: max(self._width - len(self._tasks) - discover, 0)]

    async def _hear_news(self, now: datetime) -> None:
        """Steps may have been ended from outside: an event came, a callee returned."""
        state = self.state
        rows = await self.room.news(state.claimed)
        if rows is None:
            self.over = True
            return
        for row in rows:
            if row.op == wire.RUN or row.ended_at is None or state.memos.get(row.id) == row.memo:
                continue
            known = state.pending.get(row.id)
            state.end(row.id, row.memo or b"null")
            if known is not None:
                state.after_end(race=known.race, now=now)

    async def _park(self, wake_at: datetime) -> None:
        state = self.state
        park = Park(wake_at=wake_at, pokes=state.claimed.pokes, cursor=state.cursor())
        applied = await self._write(self._apply(verdict=park))
        if applied is not None and applied != state.claimed.pokes:
            self._poked = True
        else:
            self.over = True
            self.room.expect(wake_at)

    # -- one call ---------------------------------------------------------------------------------------

    async def _run(self, pending: Pending | None) -> None:
        """Make one call to the SDK and record what came of it."""
        state = self.state
        if pending is None:
            # a step that ends from here on asks for another look
            state.discovering, state.discover_at = True, None
        else:
            pending.running = True
        async with self.room.calls:
            if self.over or self._ending:
                return
            started = self.room.clock()
            outcome = await self._call(pending)
        if pending is None:
            self._asked = None
        if self.over or self._ending:
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
        if pending is None:
            self._asked, self._asked_at, self._asked_with = call, room.clock(), ended
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
            wire.signed_part(response),
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
        fresh = False
        ended_race: bool | None = None
        for op in outcome.ops:
            if op.id in state.memos:
                continue
            known = state.pending.get(op.id)
            race = op.race or old_race or (known is not None and known.race)
            if op.kind in _ENDS:
                fresh = True
                if step_ran(state, apply, op, outcome, target, started, now, self.room.config.retry_base):
                    ended_race = bool(ended_race) or race
            elif known is None:
                fresh = True
                refused = step_began(self.room, state, apply, op, race, depth, now)
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
            and not any(op.id == target.id and op.kind in _ENDS for op in outcome.ops)
        ):
            missing = wire.failure("StepNotFound", f"the SDK did not run step {target.name!r} when asked to")
            await self._record_failure(missing, target, started)
            return
        if outcome.result is not None:
            state.carried += apply.steps
            await self._finish(COMPLETED, outcome.result)
            return
        if not fresh and not state.pending and target is None and len(state.memos) > self._asked_with:
            # Steps that ended while the SDK was answering make its answer old, not wrong: it is asked again.
            state.discover_by(now)
        elif not fresh and not state.pending and target is None:
            stuck = wire.failure("InvalidResponse", "the SDK reports only steps that have already ended")
            await self._record_failure(stuck, None, started)
            return
        if ended_race is not None:
            state.after_end(race=ended_race, now=now)
        await self._write(apply)

    async def checkpoint(self, request_id: str | None, ops: list[wire.Op]) -> bool:
        """Record steps that have ended within the body's call under way, before it answers.

        False: no such call is under way (any more), so nothing is recorded and the SDK must not go on.
        """
        state, now = self.state, self.room.clock()
        if self._asked is None or self.over or self._ending:
            return False
        if request_id is not None and request_id != self._asked.request_id:
            return False
        told = wire.Steps(ops=ops, version=state.version)
        apply = self._apply()
        for op in ops:
            if op.id not in state.memos:
                base = self.room.config.retry_base
                step_ran(state, apply, op, told, None, self._asked_at, now, base)
        self._asked_at = now
        limit = self._over_limit()
        try:
            if limit is not None:
                await self._fail(limit)
                return False
            return await self._write(apply) is not None
        except Exception as error:
            self._error = error
            raise

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
        again = retry_at(attempt, failure.retry_after, now, self.room.config.retry_base)
        apply = self._apply()
        apply.failures.append(record)
        if target is None:
            state.attempt = attempt + 1
            state.discover_by(again)
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
            else:
                self._poked = True
            return
        await self._write(apply)

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
        self._ending = True
        apply = self._apply(verdict=Finish(status=status, output=output, ended_at=now))
        if record is not None:
            apply.failures.append(record)
        apply.cleanup = bool(state.function.cancel or state.claimed.singleton) or any(
            pending.op == wire.WAIT for pending in state.pending.values()
        )
        accept = accept_of(apply)
        error = failure.error if failure is not None else None
        for event in system_events.about_end(
            state.function.slug, state.run_id, state.events, status, output, error, now
        ):
            self._route(accept, event, now)
        claimed = state.claimed
        if claimed.parent_run and claimed.parent_step:
            memo = wire.data_memo(output) if error is None else wire.error_memo(error)
            ended = DONE if error is None else STEP_FAILED
            apply.deliveries.append(Delivery(claimed.parent_run, claimed.parent_step, memo, ended, now))
        try:
            await self._write(apply)
        finally:
            self.over = True

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
