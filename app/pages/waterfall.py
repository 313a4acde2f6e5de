"""The step waterfall: where each step's waiting and executing lie on the job's time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.jobs import Job, JobStep
from engine.sql.reading import RunRow

WIDTH = 1000


@dataclass(frozen=True)
class Bar:
    """One step on the time axis, in thousandths: where its wait begins, where its last attempt does, and the end."""

    step: JobStep
    wait_from: int
    run_from: int
    run_to: int
    waited: timedelta
    took: timedelta | None


def bars(job: Job, *, now: datetime) -> Sequence[Bar]:
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
        run_from = place(step.attempt_started_at)
        found.append(
            Bar(
                step=step,
                wait_from=place(step.started_at),
                run_from=run_from,
                run_to=max(place(end), min(WIDTH, run_from + 4)),
                waited=step.attempt_started_at - step.started_at,
                took=(step.finished_at or now) - step.attempt_started_at
                if step.finished_at or running
                else None,
            )
        )
    return found


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


def run_bars(run: RunRow, steps: Sequence[dict[str, Any]], *, now: datetime) -> Sequence[RunBar]:
    """The bars of a run's steps, from the moment that the run was queued to its end (or now)."""
    start = run.queued_at
    span = max(((run.ended_at or now) - start).total_seconds(), 0.001)

    def place(moment: datetime) -> int:
        return round(min(1.0, max(0.0, (moment - start).total_seconds() / span)) * WIDTH)

    found = []
    for step in steps:
        begun = step["started_at"] or step["ended_at"] or now
        end = step["ended_at"] or run.ended_at or now
        run_from = place(begun)
        found.append(
            RunBar(
                id=step["id"],
                name=step["name"],
                op=step["op"],
                status=step["status"],
                attempts=step["attempt"] + 1,
                wait_from=place(step["queued_at"]),
                run_from=run_from,
                run_to=max(place(end), min(WIDTH, run_from + 4)),
                waited=max(begun - step["queued_at"], timedelta(0)),
                took=end - begun if step["started_at"] else None,
            )
        )
    return found
