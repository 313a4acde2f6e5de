"""Following the job of an event to its end, with its progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from rich.console import Console
from rich.status import Status

from app.cli.outcome import CommandError
from app.words import instant, progress_text
from db import console, jobs
from db.jobs import Job

TICK_SECONDS = 0.25
NO_JOB_AFTER = timedelta(seconds=90)
SILENT_AFTER = timedelta(seconds=90)


class Follower:
    """Reads the job log until the event's job has ended. The database is all it needs, so a restart of the server
    in the middle does not disturb it."""

    def __init__(self, engine: sa.Engine, event_ids: set[str]) -> None:
        self._engine = engine
        self._event_ids = event_ids

    def to_the_end(self) -> Job:
        """The ended job. Raises CommandError when the event started none."""
        with _shown() as show:
            job_id = self._wait_for_job(show)
            while True:
                job = self._read(job_id)
                if job is None:
                    raise CommandError(f"Job {job_id} is no longer in the job log.")
                if not job.active:
                    return job
                show(_line(job))
                time.sleep(TICK_SECONDS)

    def _wait_for_job(self, show: _Show) -> str:
        patience = time.monotonic() + NO_JOB_AFTER.total_seconds()
        while True:
            with self._engine.connect() as connection:
                found = [
                    row.id
                    for event_id in sorted(self._event_ids)
                    for row in console.jobs_of_event(connection, event_id)
                ]
                busy = bool(console.digest(connection).active)
            if found:
                return str(found[0])
            if busy:
                patience = time.monotonic() + NO_JOB_AFTER.total_seconds()
            if time.monotonic() > patience:
                raise CommandError(
                    "The event was sent, but no job began. It may have been handled before (same id), or no server "
                    "runs the functions. Look at `protenders jobs` and `protenders doctor`."
                )
            show("waiting for the job to begin")
            time.sleep(TICK_SECONDS)

    def _read(self, job_id: str) -> Job | None:
        with self._engine.connect() as connection:
            return jobs.get(connection, job_id)


class _Show:
    """Prints a line when it differs from the one before."""

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._last = ""

    def __call__(self, line: str) -> None:
        if line == self._last:
            return
        self._last = line
        if self._status is not None:
            self._status.update(line)
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def _shown() -> Iterator[_Show]:
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield _Show(None)
        return
    with terminal.status("waiting") as status:
        yield _Show(status)


def _line(job: Job) -> str:
    step = next((step.name for step in reversed(job.steps) if step.status in {"RUNNING", "RETRYING"}), None)
    parts = [f"{job.type} {job.status.lower()}", step, progress_text(job.progress)]
    now = datetime.now(UTC)
    if job.waits_until is not None and job.waits_until > now:
        parts.append(f"waits until {instant(job.waits_until)}")
    elif now - job.heartbeat_at > SILENT_AFTER:
        parts.append("no sign of life for over a minute; is the server running?")
    return " · ".join(part for part in parts if part)
