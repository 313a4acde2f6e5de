"""What the engine writes, as plain rows on their way to the database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

SCHEDULED, RUNNING, COMPLETED, FAILED, CANCELLED = "Scheduled", "Running", "Completed", "Failed", "Cancelled"
READY, TIMED, OWNED = "r", "t", "o"


@dataclass(slots=True)
class NewEvent:
    """An event as it is stored; `body` is the JSON that functions receive."""

    id: str
    name: str
    body: bytes
    received_at: datetime
    sender_id: str | None = None


@dataclass(slots=True)
class CancelOn:
    """An event that cancels a run, up to a time."""

    event: str
    expression: str | None
    expires_at: datetime | None


@dataclass(slots=True)
class NewRun:
    """A run and its place in the queue. It is created only if `trigger` (an event id) is new."""

    id: str
    function_id: uuid.UUID
    cause: str
    event_ids: list[str]
    queued_at: datetime
    rank: datetime
    wake_at: datetime
    state: str = READY
    trigger: str | None = None
    dedupe_key: str | None = None
    dedupe_until: datetime | None = None
    gates: list[str] | None = None
    throttle: str | None = None
    singleton: str | None = None
    deadline: datetime | None = None
    finish_within: float | None = None
    parent_run: str | None = None
    parent_step: str | None = None
    original_run: str | None = None
    cancels: list[CancelOn] = field(default_factory=list)


@dataclass(slots=True)
class Intent:
    """A decision still to be made about an event: with a function, whether it runs; without, who waits.

    `detail`: the run and the step that invoke the function, as a JSON list.
    """

    event_id: str
    function_id: str = ""
    detail: bytes | None = None


@dataclass(slots=True)
class Accept:
    """Events to store, with the runs and intents that follow from them."""

    events: list[NewEvent] = field(default_factory=list)
    runs: list[NewRun] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)


@dataclass(slots=True)
class StepWrite:
    """A step's row as it is now. With `ended_at` it is final and takes its place in the run's stack."""

    id: str
    name: str
    op: str
    status: str
    attempt: int
    queued_at: datetime
    planned: bool = False
    race: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    memo: bytes | None = None


@dataclass(slots=True)
class FailedAttempt:
    """One attempt that did not succeed."""

    step_id: str
    attempt: int
    started_at: datetime
    ended_at: datetime
    error: bytes


@dataclass(slots=True)
class Wait:
    """A step that waits for an event."""

    step_id: str
    event: str
    expression: str | None
    expires_at: datetime | None


@dataclass(slots=True)
class Delivery:
    """An end that reaches a step from outside its run: a matching event, a callee's result."""

    run_id: str
    step_id: str
    memo: bytes
    status: str
    at: datetime


@dataclass(slots=True)
class Park:
    """The holder lets go of the run until `wake_at`, or until somebody pokes it."""

    wake_at: datetime
    pokes: int
    cursor: bytes


@dataclass(slots=True)
class Finish:
    """The run has ended."""

    status: str
    output: bytes
    ended_at: datetime


@dataclass(slots=True)
class Apply:
    """What the holder of a run's lease records in one commit, with everything that follows from it.

    `gated`: the run may hold slots, which its park or finish gives back. `cleanup`: rows in side tables
    (waits, cancellations, singleton) end with the run.
    """

    run_id: str
    epoch: int
    steps: list[StepWrite] = field(default_factory=list)
    failures: list[FailedAttempt] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    verdict: Park | Finish | None = None
    accept: Accept | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    gated: bool = False
    cleanup: bool = False


@dataclass(slots=True)
class Applied:
    """What became of an `Apply`. Not `held`: somebody else drives the run, or it has ended."""

    held: bool
    pokes: int = 0
    created: set[str] = field(default_factory=set)
