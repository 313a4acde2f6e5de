"""The step waterfall: where each step's waiting and executing lie on the job's time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.jobs import Job, JobStep
from engine.sql.reading import RunRow

WIDTH = 1000
_LEAST = 4
Attempts = Mapping[Any, Sequence[Mapping[str, Any]]]
"""Failed attempts, by the step's key, each with `started_at` and `ended_at`."""


@dataclass(frozen=True)
class Bar:
    """One step on the time axis, in thousandths: where its wait begins, where its last attempt does, and the end;
    `failed` are the earlier attempts."""

    step: JobStep
    wait_from: int
    run_from: int
    run_to: int
    waited: timedelta
    took: timedelta | None
    failed: Sequence[tuple[int, int]] = ()


def bars(job: Job, *, now: datetime, attempts: Attempts | None = None) -> Sequence[Bar]:
    """The bars of all steps, on an axis from the job's start to its end (or now)."""
    moments = [job.started_at, *(step.started_at for step in job.steps)]
    start = min(moments)
    ends = [job.finished_at or now, *(step.finished_at for step in job.steps if step.finished_at)]
    span = max((max(ends) - start).total_seconds(), 0.001)

    def place(moment: datetime) -> int:
        share = (moment - start).total_seconds() / span
        return round(min(1.0, max(0.0, share)) * WIDTH)

    found = []
    for step in job.steps:
        running = step.status in {"RUNNING", "RETRYING"} and job.active
        end = step.finished_at or (now if running else step.attempt_started_at)
        run_from, run_to = _visible(place(step.attempt_started_at), place(end))
        tries = (attempts or {}).get((step.run_id, step.name), ())
        found.append(
            Bar(
                step=step,
                failed=_earlier(tries, place, before=step.attempt_started_at),
                wait_from=place(step.started_at),
                run_from=run_from,
                run_to=run_to,
                waited=max(step.attempt_started_at - step.started_at, timedelta(0)),
                took=max((step.finished_at or now) - step.attempt_started_at, timedelta(0))
                if step.finished_at or running
                else None,
            )
        )
    return found


def _visible(start: int, end: int) -> tuple[int, int]:
    """A place on the axis that is wide enough to be seen, and not beyond its end."""
    start = min(start, WIDTH - _LEAST)
    return start, max(end, start + _LEAST)


def _earlier(
    tries: Sequence[Mapping[str, Any]], place: Callable[[datetime], int], *, before: datetime
) -> list[tuple[int, int]]:
    return [
        _visible(place(each["started_at"]), place(each["ended_at"]))
        for each in tries
        if each["ended_at"] < before
    ]


@dataclass(frozen=True)
class RunBar:
    """One step of an engine's run on the time axis."""

    id: str
    name: str
    op: str
    status: str
    attempts: int
    wait_from: int
    run_from: int
    run_to: int
    waited: timedelta
    took: timedelta | None
    failed: Sequence[tuple[int, int]] = ()


def run_bars(
    run: RunRow, steps: Sequence[dict[str, Any]], *, now: datetime, attempts: Attempts
) -> Sequence[RunBar]:
    """The bars of a run's steps, from the moment that the run was queued to its end (or now)."""
    start = run.queued_at
    span = max(((run.ended_at or now) - start).total_seconds(), 0.001)

    def place(moment: datetime) -> int:
        return round(min(1.0, max(0.0, (moment - start).total_seconds() / span)) * WIDTH)

    found = []
    for step in steps:
        begun = step["started_at"] or step["ended_at"] or now
        end = step["ended_at"] or run.ended_at or now
        run_from, run_to = _visible(place(begun), place(end))
        found.append(
            RunBar(
                failed=_earlier(attempts.get(step["id"], ()), place, before=begun),
                id=step["id"],
                name=step["name"],
                op=step["op"],
                status=step["status"],
                attempts=step["attempt"] + 1,
                wait_from=place(step["queued_at"]),
                run_from=run_from,
                run_to=run_to,
                waited=max(begun - step["queued_at"], timedelta(0)),
                took=end - begun if step["started_at"] else None,
            )
        )
    return found
