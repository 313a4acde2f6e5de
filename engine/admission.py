"""Deciding what an event may start: dedupe, rate limit, debounce, batch, singleton; and who waited for it.

An event is stored together with the intents to decide about it, and answered; the decisions are made right
after, each in one transaction with what it changes. A decision that a crash cut short is made again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from engine import expressions, flow, operations, singletons, wire
from engine.functions import Batch, Debounce, Function
from engine.records import Accept, Delivery
from engine.routing import DEDUPE_FOR, EVENT, INVOKE, new_run
from engine.sql import accepting, admitting, applying
from engine.sql.accepting import CANCEL_PREFIX
from engine.sql.admitting import OpenIntent
from engine.sql.applying import Connection
from engine.state import DONE, FAILED
from engine.writer import Aftermath

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)
AT_ONCE = 100
Caller = tuple[str, str]


@dataclass(slots=True)
class Round:
    """What one round of decisions leads to."""

    count: int = 0
    accept: Accept = field(default_factory=Accept)
    deliveries: list[Delivery] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    poked: list[Any] = field(default_factory=list)


async def admit(engine: Engine) -> int:
    """Decide about the oldest open intents. Returns how many there were."""
    if not await engine.database.run(admitting.any_open):
        return 0
    done = await engine.database.run(lambda connection: _round(engine, connection), "admit")
    engine.ended_elsewhere(done.ended)
    if done.poked or done.accept.runs:
        engine.after_write(Aftermath(poked=done.poked, ready=bool(done.accept.runs)))
    return done.count


async def _round(engine: Engine, connection: Connection) -> Round:
    now = engine.clock()
    found = Round()
    for intent in await admitting.take(connection, AT_ONCE):
        found.count += 1
        if not intent.function_id:
            await _match(engine, connection, intent, found, now)
            continue
        function = engine.registry.find(intent.function_id)
        if function is None:
            await engine.refresh_registry()
            function = engine.registry.find(intent.function_id)
        if function is None:
            _turn_away(found, _caller(intent), "invoked function is not registered any more", now)
            continue
        await _decide(connection, function, intent, found, now)
    await _store(engine, connection, found, now)
    return found


async def _store(engine: Engine, connection: Connection, found: Round, now: datetime) -> None:
    if found.accept.runs:
        await accepting.accept(connection, engine.owner, [found.accept], now)
    if found.deliveries:
        found.poked = await applying.deliver(connection, found.deliveries)
    if found.cancelled:
        found.ended = await operations.end_runs(engine, connection, found.cancelled, now)


async def ripen(engine: Engine) -> int:
    """Start the runs whose debounce or batch time has come."""

    async def work(connection: Connection) -> Round:
        found = Round()
        now = engine.clock()
        for gathering in await admitting.ripe(connection, now):
            found.count += 1
            function = engine.registry.by_id.get(gathering.function_id)
            if function is not None:
                await _start(connection, function, gathering.event_ids, found, now)
        await _store(engine, connection, found, now)
        return found

    if not await engine.database.run(lambda c: admitting.any_ripe(c, engine.clock())):
        return 0
    done = await engine.database.run(work, "ripen")
    engine.ended_elsewhere(done.ended)
    if done.accept.runs:
        engine.after_write(Aftermath(ready=True))
    return done.count


async def _match(
    engine: Engine, connection: Connection, intent: OpenIntent, found: Round, now: datetime
) -> None:
    """Hand the event to the steps that wait for it; cancel the runs that it cancels."""
    event = orjson.loads(intent.body)
    own: dict[bytes, Any] = {}
    for waiter in await admitting.waiters(connection, intent, now):
        if waiter.expression is not None:
            first = own.setdefault(waiter.body, orjson.loads(waiter.body))
            if not expressions.matches(waiter.expression, first, event):
                continue
        if waiter.step_id.startswith(CANCEL_PREFIX):
            found.cancelled.append(waiter.run_id)
        else:
            found.deliveries.append(Delivery(waiter.run_id, waiter.step_id, intent.body, DONE, now))


async def _decide(
    connection: Connection, function: Function, intent: OpenIntent, found: Round, now: datetime
) -> None:
    event, caller = orjson.loads(intent.body), _caller(intent)
    if not await _is_first(connection, function, intent, event, now):
        _turn_away(found, caller, "invoked function has run for its idempotency key", now)
        return
    rate = function.rate_limit and expressions.own_key(function.rate_limit.key, event)
    if function.rate_limit is not None and rate is not None:
        key = f"rate|{function.id}|{rate}"[:1000]
        turn = flow.rate_limit(function.rate_limit, await admitting.limiter(connection, key, now), now)
        if not turn.allowed:
            await admitting.count_drop(connection, key)
            _turn_away(found, caller, "invoked function is rate limited", now)
            return
        await admitting.advance(connection, key, turn.tat)
    if caller is not None:
        # A caller waits for a run of its own: one that is shared, or replaced, would not be it.
        await _start(connection, function, [intent.event_id], found, now, event, caller)
    elif function.debounce is not None:
        await _debounce(connection, function, function.debounce, intent, event, now)
    elif function.batch is not None and expressions.matches(function.batch.condition, event):
        await _batch(connection, function, function.batch, intent, event, found, now)
    else:
        await _start(connection, function, [intent.event_id], found, now, event)


def _caller(intent: OpenIntent) -> Caller | None:
    """The run and the step that wait for this decision, if the function is invoked."""
    if intent.detail is None:
        return None
    run_id, step_id = orjson.loads(intent.detail)
    return run_id, step_id


def _turn_away(found: Round, caller: Caller | None, message: str, now: datetime) -> None:
    """Fail the step that invokes a function that does not run."""
    if caller is not None:
        memo = wire.error_memo({"error": message, "name": "Error", "message": message})
        found.deliveries.append(Delivery(*caller, memo, FAILED, now))


async def _is_first(
    connection: Connection, function: Function, intent: OpenIntent, event: Any, now: datetime
) -> bool:
    """Whether no run of this function has come of the sender's id, or of the idempotency key, for a day."""
    keys = []
    if intent.sender_id is not None:
        keys.append(f"event:{intent.sender_id}")
    own = function.idempotency and expressions.own_key(function.idempotency, event)
    if own is not None:
        keys.append(f"key:{own}"[:1000])
    for key in keys:
        until = now + DEDUPE_FOR
        if not await admitting.first_time(connection, function.id, key, intent.event_id, until, now):
            return False
    return True


async def _debounce(
    connection: Connection,
    function: Function,
    debounce: Debounce,
    intent: OpenIntent,
    event: Any,
    now: datetime,
) -> None:
    await admitting.gather(
        connection,
        key=f"debounce|{function.id}|{expressions.key(debounce.key, event)}"[:1000],
        function=function.id,
        event_id=intent.event_id,
        run_at=now + debounce.period,
        deadline=now + debounce.timeout if debounce.timeout else None,
        batch=False,
    )


async def _batch(
    connection: Connection,
    function: Function,
    batch: Batch,
    intent: OpenIntent,
    event: Any,
    found: Round,
    now: datetime,
) -> None:
    gathering = await admitting.gather(
        connection,
        key=f"batch|{function.id}|{expressions.key(batch.key, event)}"[:1000],
        function=function.id,
        event_id=intent.event_id,
        run_at=now + batch.timeout,
        deadline=None,
        batch=True,
    )
    if len(gathering.event_ids) >= batch.max_size:
        await admitting.ungather(connection, gathering.key)
        await _start(connection, function, gathering.event_ids, found, now)


async def _start(
    connection: Connection,
    function: Function,
    event_ids: list[str],
    found: Round,
    now: datetime,
    event: Any = None,
    caller: Caller | None = None,
) -> None:
    """Create the run, unless a singleton keeps it out."""
    if event is None:
        row = await applying.event_body(connection, event_ids[0])
        event = orjson.loads(row) if row else {}
    run = new_run(function, event, event_ids, now, cause=INVOKE if caller else EVENT)
    if caller is not None:
        run.parent_run, run.parent_step = caller
    holder = await singletons.take_place(connection, function, event, run)
    if holder is not None and run.singleton is None:
        _turn_away(found, caller, "invoked function is a singleton, and is running already", now)
        return
    if holder is not None:
        superseded = [r for r in found.accept.runs if r.id == holder]
        if superseded:
            earlier = superseded[0]
            found.accept.runs.remove(earlier)
            if earlier.parent_run and earlier.parent_step:
                _turn_away(found, (earlier.parent_run, earlier.parent_step), "function cancelled", now)
        else:
            found.cancelled.append(holder)
    found.accept.runs.append(run)
