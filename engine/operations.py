"""What an operator, or an event, may do to runs and functions from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson

from engine import expressions, ids, singletons, system_events, wire
from engine.functions import Function
from engine.records import CANCELLED, Accept, Delivery, NewEvent
from engine.routing import RERUN, new_run, route
from engine.sql import accepting, applying, gating, operating, queueing, reading
from engine.sql.applying import Connection
from engine.state import FAILED as STEP_FAILED
from engine.writer import Aftermath

if TYPE_CHECKING:
    from engine.engine import Engine

PausedRuns = Literal["hold", "continue", "cancel"]


class NotPossibleError(ValueError):
    """Something that cannot be done to this run or function; the message says why."""


async def end_runs(
    engine: Engine,
    connection: Connection,
    run_ids: Sequence[str],
    now: datetime,
    *,
    status: str = CANCELLED,
    error: dict[str, Any] | None = None,
) -> list[str]:
    """End runs in the caller's transaction, with all that follows: events, callers' steps, freed slots.

    Returns the runs that were ended here; the others had ended before. The caller tells the engine after the
    commit (`Engine.ended_elsewhere`).
    """
    if not run_ids:
        return []
    why = error or system_events.CANCEL_ERROR
    output = None if status == CANCELLED else orjson.dumps(why)
    ended = await operating.end(connection, run_ids, status=status, output=output, now=now)
    if not ended:
        return []
    gone = [one.run_id for one in ended]
    await applying.forget(connection, gone)
    await gating.release(connection, gone)
    bodies = await queueing.events(connection, [e for one in ended for e in one.event_ids])
    accept = Accept()
    deliveries: list[Delivery] = []
    for one in ended:
        events = [bodies.get(event_id, b"{}") for event_id in one.event_ids] or [b"{}"]
        for event in system_events.about_end(
            one.slug, one.run_id, events, status, output or b"null", why, now
        ):
            routed = route(engine.registry, event, now)
            accept.events += routed.events
            accept.runs += routed.runs
            accept.intents += routed.intents
        if one.parent_run and one.parent_step:
            memo = wire.error_memo(why)
            deliveries.append(Delivery(one.parent_run, one.parent_step, memo, STEP_FAILED, now))
    await accepting.accept(connection, engine.owner, [accept], now)
    if deliveries:
        await applying.deliver(connection, deliveries)
    return gone


async def cancel(engine: Engine, run_ids: Sequence[str]) -> list[str]:
    """Cancel runs. Returns those that had not ended; they are `Cancelled` from now on, whatever a step does."""
    now = engine.clock()
    ended = await engine.database.run(lambda c: end_runs(engine, c, run_ids, now), "cancel")
    if len(ended) < len(set(run_ids)):
        # The server may have gone away between a first commit and its answer.
        ended = await engine.database.run(lambda c: operating.cancelled_at(c, run_ids, now))
    engine.ended_elsewhere(ended)
    return ended


async def find(
    engine: Engine,
    *,
    app: str | None = None,
    function: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    condition: str | None = None,
    statuses: Sequence[str] = (),
) -> list[str]:
    """The runs that a bulk operation would touch: live ones, or those that ended with one of the statuses."""
    if condition:
        expressions.check(condition)
    async with engine.database.connection() as connection:
        rows = await operating.matching(
            connection, live=not statuses, statuses=statuses, app=app, function=function, after=after,
            before=before,
        )  # fmt: skip
    return [run_id for run_id, body in rows if expressions.matches(condition, orjson.loads(body))]


async def rerun(engine: Engine, run_id: str, *, from_step: str | None = None, **edited: Any) -> str:
    """Run again with the same events; returns the new run's id. Raises `NotPossibleError`.

    With `from_step` (a step's id or name) the steps that ended before it are kept, and it and everything after
    run again. `step_input` edits what goes in. For a step, the SDK is sent the memo `{"input": …}`, which
    replaces the step's arguments; without a step, and for Python, whose SDK knows no such memo, the event's data
    is replaced, and so has to be an object.
    """
    now = engine.clock()
    new_id = ids.ulid(int(now.timestamp() * 1000))
    event_id = ids.ulid(int(now.timestamp() * 1000))

    async def work(connection: Connection) -> list[str]:
        row = await reading.run(connection, run_id)
        if row is None:
            raise NotPossibleError(f"run {run_id} is not known")
        function = engine.registry.by_id.get(row.function_id)
        if function is None:
            raise NotPossibleError(f"function {row.slug} is no longer registered")
        bodies = await queueing.events(connection, row.event_ids)
        if not row.event_ids or row.event_ids[0] not in bodies:
            raise NotPossibleError(f"the event of run {run_id} is no longer stored")
        event, event_ids, stored = orjson.loads(bodies[row.event_ids[0]]), row.event_ids, []
        step_input = edited
        if edited and (from_step is None or await reading.is_python(connection, function.app)):
            stored = [_edited_event(event, edited["step_input"], event_id, now)]
            event, event_ids, step_input = orjson.loads(stored[0].body), [event_id, *event_ids[1:]], {}
        run = new_run(function, event, event_ids, now, cause=RERUN)
        run.id, run.original_run = new_id, run_id
        holder = await singletons.take_place(connection, function, event, run)
        if holder is not None and run.singleton is None:
            raise NotPossibleError(f"function {row.slug} is a singleton, and its run {holder} has not ended")
        again = [Accept(events=stored, runs=[run])]
        created, _ = await accepting.accept(connection, engine.owner, again, now)
        if created and from_step is not None:
            await _keep_steps(connection, run_id, run.id, from_step, step_input, now)
        return await end_runs(engine, connection, [holder] if holder else [], now)

    engine.ended_elsewhere(await engine.database.run(work, "rerun"))
    engine.after_write(Aftermath(ready=True))
    return new_id


def _edited_event(event: dict[str, Any], data: Any, event_id: str, now: datetime) -> NewEvent:
    """The event with other data, as an event of its own."""
    if not isinstance(data, dict):
        raise NotPossibleError("the edited input replaces the event's data, so it must be a JSON object")
    body = orjson.dumps({**event, "id": event_id, "data": data})
    return NewEvent(id=event_id, name=event["name"], body=body, received_at=now)


async def _keep_steps(
    connection: Connection, original: str, run_id: str, step: str, edited: dict[str, Any], now: datetime
) -> None:
    found = await operating.step_at(connection, original, step)
    if found is None:
        raise NotPossibleError(f"run {original} has no step {step!r}")
    step_id, position, name = found
    await operating.copy_steps(connection, original, run_id, position)
    if edited:
        memo = orjson.dumps({"input": edited["step_input"]})
        await operating.set_input(connection, run_id, (step_id, name), memo, now)


async def replay(engine: Engine, run_ids: Sequence[str]) -> list[str]:
    """Run each of these again; returns the new ids. One that cannot be run again is left out."""
    started = []
    for run_id in run_ids:
        try:
            started.append(await rerun(engine, run_id))
        except NotPossibleError:
            continue
    return started


async def pause(engine: Engine, function: Function, runs: PausedRuns) -> list[str]:
    """Start no more runs of the function until it is resumed; what is triggered meanwhile is held.

    Its live runs are held where they are (`hold`), go on (`continue`) or are cancelled (`cancel`). Returns the
    cancelled ones.
    """
    now = engine.clock()

    async def work(connection: Connection) -> list[str]:
        await operating.pause(connection, function.id, now, runs)
        if runs != "cancel":
            return []
        live = await operating.live_of(connection, [function.id])
        return await end_runs(engine, connection, live, now)

    ended = await engine.database.run(work, "pause")
    engine.ended_elsewhere(ended)
    await engine.registry_changed()
    return ended


async def resume(engine: Engine, function: Function) -> None:
    """Let a paused function go on with everything that was held."""
    await engine.database.run(lambda c: operating.resume(c, function.id), "resume")
    await engine.registry_changed()
    engine.after_write(Aftermath(ready=True))


async def cancel_matching(engine: Engine, request: dict[str, Any], run_ids: Sequence[str]) -> str:
    """Cancel what a bulk request found and note the request; returns the cancellation's id."""
    now = engine.clock()
    cancellation = ids.ulid(int(now.timestamp() * 1000))
    ended: list[str] = []
    for start in range(0, len(run_ids), 200):
        ended += await cancel(engine, run_ids[start : start + 200])
    await engine.database.run(
        lambda c: operating.note_cancellation(c, cancellation, request, len(ended), now), "cancellation"
    )
    return cancellation
