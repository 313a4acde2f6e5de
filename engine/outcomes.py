"""What the steps in an SDK's answer mean for a run: its state in memory, and the rows to record."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson

from engine import backoff, durations, expressions, ids, system_events, wire
from engine.records import Accept, Apply, FailedAttempt, Intent, StepWrite, Wait
from engine.room import Room
from engine.routing import INVOKE, new_run
from engine.state import DONE, FAILED, INVOKING, PLANNED, RETRYING, SLEEPING, WAITING, Pending, RunState

INVOKE_FOREVER = timedelta(days=365)


def retry_at(attempt: int, asked: str | None, now: datetime, base: float) -> datetime:
    """When attempt number `attempt`, which failed now, is followed by the next."""
    wanted = backoff.asked(asked, now) if asked else None
    return wanted or now + backoff.delay(attempt, base=base)


def accept_of(apply: Apply) -> Accept:
    """The events and runs that follow from a commit, to add to."""
    if apply.accept is None:
        apply.accept = Accept()
    return apply.accept


def step_ran(
    state: RunState,
    apply: Apply,
    op: wire.Op,
    outcome: wire.Steps,
    target: Pending | None,
    started: datetime,
    now: datetime,
    base: float,
) -> bool:
    """A step was executed. Returns whether it ended (it may be tried again instead)."""
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
            again = retry_at(attempt, outcome.retry_after, now, base)
            write.status, write.ended_at, write.memo = RETRYING, None, None
            write.attempt, write.wake_at = attempt + 1, again
            if planned is not None:
                planned.attempt, planned.wake_at = attempt + 1, again
            else:
                state.inline[op.id] = Pending(op.id, op.name, wire.RUN, queued, attempt=attempt + 1)
                state.attempt = attempt + 1
                state.discover_by(again)
            return False
        write.status, write.memo = FAILED, wire.error_memo(op.error)
    state.end(op.id, write.memo or b"null")
    if target is None:
        state.attempt = 0
    return True


def step_began(
    room: Room, state: RunState, apply: Apply, op: wire.Op, race: bool, depth: int, now: datetime
) -> wire.Failure | None:
    """A step that ends later: planned, sleeping, waiting or invoking. Returns why it cannot."""
    pending = Pending(op.id, op.name, wire.RUN if op.kind == wire.PLANNED else op.kind, now, race=race)
    status, timeout = PLANNED, durations.told(op.opts.get("timeout"))
    try:
        if op.kind == wire.PLANNED:
            pending.depth = depth
        elif op.kind == wire.SLEEP:
            status, pending.wake_at = SLEEPING, durations.instant(durations.told(op.subject), now)
        elif op.kind == wire.WAIT:
            status, pending.wake_at = WAITING, durations.instant(timeout, now)
            event, condition = op.opts.get("event") or op.subject, op.opts.get("if")
            _check_wait(event, condition)
            apply.waits.append(Wait(op.id, event, condition or None, pending.wake_at))
        else:
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
        memo = _invoke(room, state, apply, op, pending, now)
    apply.steps.append(
        StepWrite(
            id=op.id, name=op.name, op=pending.op, status=FAILED if memo else status, attempt=0,
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


def _check_wait(event: object, condition: object) -> None:
    if not isinstance(event, str) or not event:
        raise ValueError("it names no event to wait for")
    if condition:
        expressions.check(condition)


def _invoke(
    room: Room, state: RunState, apply: Apply, op: wire.Op, pending: Pending, now: datetime
) -> bytes | None:
    """Start the callee, or have it decided; returns the step's error memo where there is none to start."""
    slug = op.opts.get("function_id")
    callee = room.registry.by_slug.get(slug) if isinstance(slug, str) else None
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
    accept = accept_of(apply)
    accept.events.append(event)
    if not callee.plain:
        accept.intents.append(Intent(event.id, str(callee.id), orjson.dumps([state.run_id, op.id])))
        return None
    claim = None if callee.id in room.registry.paused else room.try_claim
    run = new_run(callee, orjson.loads(event.body), [event.id], now, cause=INVOKE, claim=claim)
    run.trigger, run.parent_run, run.parent_step = event.id, state.run_id, op.id
    accept.runs.append(run)
    return None
