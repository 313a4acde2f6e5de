"""From an event to the runs and decisions that follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from engine import expressions, ids
from engine.functions import MAX_PRIORITY_SECONDS, Concurrency, Function
from engine.records import OWNED, READY, TIMED, Accept, CancelOn, Intent, NewEvent, NewRun
from engine.registry import Registry

DEDUPE_FOR = timedelta(hours=24)
# So far from the last year that dates have that a priority or a timeout can be added.
_NEVER = datetime(9000, 1, 1, tzinfo=UTC)
EVENT, CRON, INVOKE, RERUN = "event", "cron", "invoke", "rerun"


def gate_name(function: Function, limit: Concurrency, event: Any) -> str:
    """The slot pool that one run of the function draws from: the same text for runs that share a limit."""
    owner = {"fn": str(function.id), "env": "env", "account": "account"}[limit.scope]
    return f"{owner}|{limit.key or ''}|{expressions.key(limit.key, event)}"[:1000]


def throttle_key(function: Function, event: Any) -> str | None:
    """The throttle that the start of this run counts against."""
    if function.throttle is None:
        return None
    return f"throttle|{function.id}|{expressions.key(function.throttle.key, event)}"[:1000]


def priority_offset(function: Function, event: Any) -> timedelta:
    """How much earlier (or later, if negative) than its turn the run goes."""
    if function.priority is None:
        return timedelta()
    seconds = expressions.number(function.priority, event)
    return timedelta(seconds=max(-MAX_PRIORITY_SECONDS, min(seconds, MAX_PRIORITY_SECONDS)))


def starts_at(function: Function, event: Any, cause: str, now: datetime) -> datetime:
    """When the run may start: at once, or at the time stamp of an event that was sent ahead of it.

    Batches go by their own clock; so do runs that no sender's event started.
    """
    stamp = event.get("ts") if cause == EVENT and function.batch is None and isinstance(event, dict) else None
    if not isinstance(stamp, int) or stamp <= now.timestamp() * 1000:
        return now
    return min(datetime.fromtimestamp(stamp / 1000, UTC), _NEVER)


def new_run(
    function: Function,
    event: Any,
    event_ids: list[str],
    now: datetime,
    *,
    cause: str = EVENT,
    claim: Callable[[], bool] | None = None,
) -> NewRun:
    """A run of the function for this event. `claim` says whether this process takes it at once."""
    gates = [gate_name(function, limit, event) for limit in function.concurrency] or None
    throttle = throttle_key(function, event)
    offset = priority_offset(function, event)
    at = starts_at(function, event, cause, now)
    later = at > now
    plain = gates is None and throttle is None and not offset and not later
    direct = plain and claim is not None and claim()
    start, finish = function.start_timeout, function.finish_timeout
    limit = finish if direct else start
    return NewRun(
        id=ids.ulid(int(now.timestamp() * 1000)),
        function_id=function.id,
        cause=cause,
        event_ids=event_ids,
        queued_at=now,
        rank=at - offset,
        wake_at=at,
        state=OWNED if direct else TIMED if later else READY,
        gates=gates,
        throttle=throttle,
        deadline=at + limit if limit else None,
        finish_within=finish.total_seconds() if finish else None,
        cancels=[
            CancelOn(c.event, c.condition, now + c.timeout if c.timeout else None) for c in function.cancel
        ],
    )


def route(
    registry: Registry,
    event: NewEvent,
    now: datetime,
    *,
    claim: Callable[[], bool] | None = None,
    data: Any = None,
) -> Accept:
    """What follows from a stored event; `data` is its JSON if the caller has it decoded."""
    accept = Accept(events=[event])
    if not registry.listens(event.name):
        return accept
    decoded = orjson.loads(event.body) if data is None else data
    for function in registry.triggered(event.name, decoded):
        if not function.plain:
            accept.intents.append(Intent(event.id, str(function.id)))
            continue
        held = function.id in registry.paused
        run = new_run(function, decoded, [event.id], now, claim=None if held else claim)
        run.trigger = event.id
        if event.sender_id is not None:
            run.dedupe_key = f"event:{event.sender_id}"
            run.dedupe_until = now + DEDUPE_FOR
        accept.runs.append(run)
    return accept
