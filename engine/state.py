"""A run's state in memory, and the pure decisions about what it does next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import orjson

from engine import wire
from engine.functions import Function
from engine.records import StepWrite
from engine.sql.queueing import Claimed, StepRow

SLEEPING, WAITING, INVOKING, PLANNED, RETRYING = "Sleeping", "Waiting", "Invoking", "Planned", "Retrying"
DONE, FAILED, TIMED_OUT = "Completed", "Failed", "TimedOut"


@dataclass(slots=True)
class Pending:
    """A step that has begun and not ended."""

    id: str
    name: str
    op: str
    queued_at: datetime
    attempt: int = 0
    wake_at: datetime | None = None
    race: bool = False
    # how many memos the plan was made from; None: all
    depth: int | None = None
    running: bool = False


@dataclass(slots=True)
class RunState:
    """What a run has done and what it waits for."""

    claimed: Claimed
    function: Function
    events: list[bytes]
    memos: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    inline: dict[str, Pending] = field(default_factory=dict)
    size: int = 0
    attempt: int = 0
    version: int = wire.UNKNOWN_VERSION
    # when the function's body is to be called again to see what comes next; None: not now
    discover_at: datetime | None = None
    discovering: bool = False
    carried: list[StepWrite] = field(default_factory=list)
    # memos that replace the input of steps still to be run
    inputs: dict[str, bytes] = field(default_factory=dict)
    _parts: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return self.claimed.run_id

    def parts(self, depth: int) -> tuple[bytes, bytes]:
        """The first `depth` memos and the stack, encoded; kept for the siblings of a parallel group."""
        found = self._parts.get(depth)
        if found is None:
            if len(self._parts) > 8:
                self._parts.clear()
            memos = dict(islice(self.memos.items(), depth))
            inputs = {key: memo for key, memo in self.inputs.items() if key not in self.memos}
            found = wire.memos_json({**memos, **inputs}), wire.stack_json(list(memos))
            self._parts[depth] = found
        return found

    def end(self, step_id: str, memo: bytes) -> Pending | None:
        """Note a step's end; returns what was pending of it."""
        self.size += len(memo) - len(self.memos.get(step_id, b""))
        if step_id in self.memos:
            self._parts.clear()
        self.memos[step_id] = memo
        self.inline.pop(step_id, None)
        return self.pending.pop(step_id, None)

    def after_end(self, *, race: bool, now: datetime) -> None:
        """A step ended: is it time to look what comes next?"""
        if race or not self.pending:
            self.discover_at = now
            self.attempt = 0

    def due(self, now: datetime) -> list[Pending]:
        """Planned steps to call now."""
        return [
            p
            for p in self.pending.values()
            if p.op == wire.RUN and not p.running and (p.wake_at is None or p.wake_at <= now)
        ]

    def elapsed(self, now: datetime) -> list[Pending]:
        """Sleeps that are over, waits and invocations that timed out."""
        return [
            p
            for p in self.pending.values()
            if p.op != wire.RUN and p.wake_at is not None and p.wake_at <= now
        ]

    def next_wake(self, now: datetime) -> datetime | None:
        """When something will be due that is not due yet."""
        times = [p.wake_at for p in self.pending.values() if p.wake_at is not None and not p.running]
        if self.discover_at is not None and not self.discovering:
            times.append(self.discover_at)
        return min((at for at in times if at > now), default=None)

    def discover_by(self, at: datetime) -> None:
        """The body is to be called by then at the latest."""
        self.discover_at = at if self.discover_at is None else min(self.discover_at, at)

    def cursor(self) -> bytes:
        """What cannot be read off the steps, for whoever takes the run up again."""
        wanted = self.discover_at.isoformat() if self.discover_at else None
        return orjson.dumps({"a": self.attempt, "d": wanted, "n": len(self.memos), "v": self.version})


def restore(
    claimed: Claimed, function: Function, events: list[bytes], rows: Iterable[StepRow], now: datetime
) -> RunState:
    """A run's state from what is stored. Without a cursor (its holder died) the body is asked again."""
    state = RunState(claimed=claimed, function=function, events=events)
    raced = False
    cursor = orjson.loads(claimed.cursor) if claimed.cursor else None
    for row in rows:
        if row.ended_at is not None:
            if cursor is not None and len(state.memos) >= cursor["n"] and row.race:
                raced = True
            state.end(row.id, row.memo or b"null")
            continue
        if row.memo is not None:
            state.inputs[row.id] = row.memo
            continue
        pending = Pending(
            id=row.id, name=row.name, op=row.op, queued_at=row.queued_at, attempt=row.attempt,
            wake_at=row.wake_at, race=row.race,
        )  # fmt: skip
        if row.op == wire.RUN and not row.planned:
            state.inline[row.id] = pending
        else:
            state.pending[row.id] = pending
    if state.memos or state.pending:
        state.version = 2
    if cursor is None:
        state.discover_at = now
        return state
    state.version = cursor["v"]
    if len(state.memos) == cursor["n"]:
        state.attempt = cursor["a"]
        state.discover_at = datetime.fromisoformat(cursor["d"]) if cursor["d"] else None
    else:
        state.after_end(race=raced, now=now)
    if not state.pending and state.discover_at is None:
        state.discover_at = now
    return state
