"""The recorder: one thin layer around every step that keeps the job log true under any engine.

It notes each attempt's start, end and error, shows that the job is alive, and asks before every step (and, in long
steps, every few seconds) whether somebody wants the job to stop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import inngest
import sqlalchemy as sa
from ulid import ULID

from db import job_steps, jobs
from db.clock import iso
from functions.events import InvalidEvent, Request, parse
from functions.failures import describe
from functions.gate import HostRestsError
from functions.resources import Attempt, Resources
from ocds.dates import day_of
from ocds.errors import UpstreamError

log = logging.getLogger("protenders.steps")

R = TypeVar("R", bound=Request)
Json = dict[str, Any]

_BEAT_SECONDS = 5.0
_EXCERPT_KEYS = 20
_CLOSED_BY_ITSELF = ("SUCCESS", "PARTIAL", "FAILED")
_LONGEST_ASKED_WAIT = timedelta(minutes=15)
_FIRST_WAIT_SECONDS = 2
_LONGEST_WAIT_SECONDS = 300


class JobStopped(inngest.NonRetriableError):
    """The job was asked to stop, or has ended already: the run ends here, without retries."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the log calls a function's jobs, and how the recorder judges an attempt to be the last."""

    function_id: str
    type: str
    retries: int
    beside: Literal["run", "skip", "queue"] = "run"


class Step:
    """What a step's body gets: its resources, the job's id, the attempt's number, and a way to show life."""

    def __init__(self, resources: Resources, job_id: str, run_id: str, name: str, attempt: int) -> None:
        self.resources = resources
        self.job_id = job_id
        self.run_id = run_id
        self.name = name
        self.attempt = attempt
        self._beaten = time.monotonic()

    def beat(self) -> bool:
        """Show that the job is alive, at most every few seconds; raises JobStopped when it is to stop.

        True when it did: a good moment to say how far the job is.
        """
        if time.monotonic() - self._beaten < _BEAT_SECONDS:
            return False
        self._beaten = time.monotonic()
        _go_on(self.resources, self.job_id)
        return True

    def note(self, conn: sa.Connection, **done: Any) -> None:
        """Say in the transaction of the work itself how far the step is, for an attempt that takes it up."""
        job_steps.note(conn, self.job_id, run_id=self.run_id, name=self.name, done=done)

    def noted(self, conn: sa.Connection) -> Json:
        """How far earlier attempts came."""
        return job_steps.noted(conn, self.job_id, run_id=self.run_id, name=self.name)

    def progress(self, **progress: Any) -> None:
        """Say how far the job is."""
        with self.resources.engine.begin() as conn:
            jobs.set_progress(conn, self.job_id, progress, now=self.resources.clock())


Body = Callable[[Step], Json]


class Recorder:
    """The recorder of one run. Its methods are called from the function's body, in the same order every time."""

    def __init__(self, ctx: inngest.ContextSync, resources: Resources, kind: Kind) -> None:
        self.ctx = ctx
        self.resources = resources
        self.kind = kind
        self.job_id = ""

    def open(self, model: type[R], *, continuing: str | None = None) -> tuple[R, bool]:
        """Step `create-job-log`: open the job of this run. Returns the event's data, and whether to go on.

        Data that cannot be used makes the job a FAILED one of kind DATA and ends the run without retries.
        A job that would run beside another one of its kind is recorded as SKIPPED and does not go on, or is
        QUEUED and waits here for its turn.
        """
        opened = self.ctx.step.run("create-job-log", self._opened, model, continuing)
        self.job_id = opened["jobId"]
        if opened["status"] == "QUEUED":
            self._wait_for_turn()
        return parse(model, self.ctx.event), opened["status"] != "SKIPPED"

    def _wait_for_turn(self) -> None:
        number, seconds = 1, _FIRST_WAIT_SECONDS
        while (turn := self.step(f"wait-for-turn-{number}", partial(_take_turn, seconds)))["blockedBy"]:
            self.ctx.step.sleep_until(f"pause-{number}", datetime.fromisoformat(turn["until"]))
            number, seconds = number + 1, min(seconds * 2, _LONGEST_WAIT_SECONDS)

    def step(self, name: str, body: Body, *, last: bool = False) -> Json:
        """Run a recorded step; what it returns must be small JSON.

        The `last` one closes the job. It may run again after that, when a crash came between closing and the
        engine's knowing of it.
        """
        return self.ctx.step.run(name, self._recorded, name, body, last)

    def parallel(self, steps: Mapping[str, Body]) -> list[Json | inngest.StepError]:
        """Run recorded steps side by side; one that failed for good gives its error instead of its output.

        One step alone is simply run, which costs no planning request.
        """
        if len(steps) == 1:
            return [self._or_error(name, body) for name, body in steps.items()]
        # An error must not leave the group: the engine still asks for its other steps.
        calls = tuple(partial(self._or_error, name, body) for name, body in steps.items())
        return list(self.ctx.group.parallel(calls))

    def _or_error(self, name: str, body: Body) -> Json | inngest.StepError:
        try:
            return self.step(name, body)
        except inngest.StepError as error:
            return error

    def _opened(self, model: type[R], continuing: str | None) -> Json:
        began = time.monotonic()
        with self._watched("create-job-log", self.ctx.attempt + 1):
            opened = self._open(model, continuing)
        fields = self._fields("create-job-log", self.ctx.attempt + 1, began) | {"job": opened["jobId"]}
        log.info("step done", extra=fields)
        return opened

    def _open(self, model: type[R], continuing: str | None) -> Json:
        resources, event = self.resources, self.ctx.event
        now = resources.clock()
        fault: InvalidEvent | None = None
        request: Request | None = None
        try:
            request = parse(model, event)
            if reason := request.untimely(day_of(now)):
                fault = InvalidEvent(f"{event.name}: {reason}")
        except InvalidEvent as problem:
            fault = problem
        with resources.engine.begin() as conn:
            if continuing is not None:
                jobs.continue_in(conn, continuing, run_id=self.ctx.run_id, now=now)
            created = jobs.create(
                conn,
                job_id=str(ULID.from_datetime(now)),
                type=self.kind.type,
                function_id=self.kind.function_id,
                run_id=self.ctx.run_id,
                event_id=event.id or None,
                source=resources.source,
                triggered_by=_triggered_by(event, request),
                actor=request.admin_user_id if request else None,
                parameters={name: value for name, value in event.data.items() if name != "_inngest"},
                now=now,
                beside=self.kind.beside if fault is None else "run",
            )
            self._note(conn, created.id, "create-job-log", output={"status": created.status})
            if fault is not None:
                jobs.close(conn, created.id, "FAILED", now=resources.clock(), error=describe(fault))
        if fault is not None:
            raise inngest.NonRetriableError(str(fault)) from fault
        return {"jobId": created.id, "status": created.status, "blockedBy": created.blocked_by}

    def _note(self, conn: Any, job_id: str, name: str, *, output: Json) -> None:
        now = self.resources.clock()
        job_steps.start(conn, job_id, run_id=self.ctx.run_id, name=name, now=now)
        job_steps.finish(conn, job_id, run_id=self.ctx.run_id, name=name, output=output, now=now)

    def _recorded(self, name: str, body: Body, closes: bool) -> Json:
        resources, job_id = self.resources, self.job_id
        at = {"run_id": self.ctx.run_id, "name": name}
        self._carry_on()
        _go_on(resources, job_id, though=_CLOSED_BY_ITSELF if closes else ())
        with resources.engine.begin() as conn:
            attempt = job_steps.start(conn, job_id, **at, now=resources.clock())
            jobs.set_retrying(conn, job_id, retrying=False, now=resources.clock())
        began = time.monotonic()
        try:
            with self._watched(name, attempt):
                output = body(Step(resources, job_id, self.ctx.run_id, name, attempt))
        except JobStopped:
            raise
        except Exception as error:
            last = self.ctx.attempt >= self.kind.retries or isinstance(error, inngest.NonRetriableError)
            with resources.engine.begin() as conn:
                status = "FAILED" if last else "RETRYING"
                job_steps.fail(
                    conn, job_id, **at, status=status, error=describe(error), now=resources.clock()
                )
                if not last:
                    jobs.set_retrying(conn, job_id, retrying=True, now=resources.clock())
            fault = describe(error)
            level = logging.ERROR if last else logging.WARNING
            fields = self._fields(name, attempt, began) | {"kind": fault["kind"], "error": fault["name"]}
            # Where in our code it was matters when it is our own fault.
            trace = error if last and fault["kind"] == "APPLICATION" else None
            log.log(level, "step %s: %s", status.lower(), fault["message"], extra=fields, exc_info=trace)
            wait = _asked_wait(error)
            if wait is not None and not last:
                raise inngest.RetryAfterError(str(error), wait) from error
            raise
        with resources.engine.begin() as conn:
            job_steps.finish(conn, job_id, **at, output=_excerpt(output), now=resources.clock())
        log.info("step done", extra=self._fields(name, attempt, began))
        return output

    def _carry_on(self) -> None:
        """A run that was started again from a step comes with its job's id, and the job goes on in it."""
        now = self.resources.clock()
        with self.resources.engine.begin() as conn:
            other = jobs.reopen(
                conn, self.job_id, run_id=self.ctx.run_id, alone=self.kind.beside != "run", now=now
            )
        if other is not None:
            message = (
                f"job {other} of {self.kind.function_id} is running; run this one again when it has ended"
            )
            raise JobStopped(message)

    def _watched(self, name: str, attempt: int) -> AbstractContextManager[None]:
        return self.resources.watched(
            Attempt(
                function_id=self.kind.function_id,
                run_id=self.ctx.run_id,
                event_id=self.ctx.event.id or "",
                job_id=self.job_id,
                step=name,
                number=attempt,
            )
        )

    def _fields(self, name: str, attempt: int, began: float) -> Json:
        """What binds a log line to its run; one line an attempt, none for a re-entry of the function."""
        return {
            "function": self.kind.function_id,
            "run": self.ctx.run_id,
            "job": self.job_id,
            "step": name,
            "attempt": attempt,
            "seconds": round(time.monotonic() - began, 3),
        }


def _go_on(resources: Resources, job_id: str, *, though: Sequence[str] = ()) -> None:
    """Beat; raise JobStopped when the job was asked to stop or has ended, `though` not with these statuses."""
    with resources.engine.begin() as conn:
        now = resources.clock()
        status = jobs.beat(conn, job_id, now=now)
        if status == "CRASHED":
            jobs.revive(conn, job_id, now=now)
            return
        if status == "CANCELLING":
            jobs.close(conn, job_id, "CANCELLED", now=now, note="cancelled on request")
    if status == "CANCELLING":
        message = f"job {job_id} was cancelled on request"
        raise JobStopped(message, quiet=True)
    if status not in (*jobs.ACTIVE, *though):
        message = f"job {job_id} has already ended: {status}"
        raise JobStopped(message, quiet=True)


def _take_turn(seconds: int, step: Step) -> Json:
    """Which job is still before this one, and when to look again: by the functions' clock, not by the SDK's."""
    now = step.resources.clock()
    with step.resources.engine.begin() as conn:
        blocked_by = jobs.take_turn(conn, step.job_id, now=now)
    return {"blockedBy": blocked_by, "until": iso(now + timedelta(seconds=seconds)) if blocked_by else None}


def _asked_wait(error: Exception) -> timedelta | None:
    """How long the host itself asked to be left alone. While it only rests from our questions, the engine's own delays
    do: by the last attempt somebody may have found it well again."""
    if not isinstance(error, UpstreamError) or isinstance(error, HostRestsError) or error.retry_after is None:
        return None
    return min(timedelta(seconds=error.retry_after), _LONGEST_ASKED_WAIT)


def _triggered_by(event: inngest.Event, request: Request | None) -> str:
    if event.name == "inngest/scheduled.timer":
        return "cron"
    return str(getattr(request, "triggered_by", "manual"))


def _excerpt(output: Json) -> Json:
    """The step's output for people: long lists become their length."""
    return {
        key: len(value) if isinstance(value, list) and len(value) > 10 else value
        for key, value in list(output.items())[:_EXCERPT_KEYS]
    }
