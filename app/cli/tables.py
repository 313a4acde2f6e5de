"""Jobs and coverage as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import words
from db.jobs import Job

_STYLES = {"SUCCESS": "green", "FAILED": "red", "CRASHED": "red", "PARTIAL": "yellow", "RUNNING": "cyan"}


def _status(status: str) -> Text:
    icon, word = words.state(status)
    return Text(f"{icon} {word}", style=_STYLES.get(status, ""))


def job_table(found: Sequence[Job]) -> None:
    """One line a job."""
    if not found:
        print("No jobs yet. Start one with `protenders sync --wait`.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "type", "status", "started", "took", "added", "updated", "source"):
        table.add_column(
            heading, justify="right" if heading in {"took", "added", "updated"} else "left", no_wrap=True
        )
    for job in found:
        meta = job.metadata
        table.add_row(
            job.id,
            job.type,
            _status(job.status),
            words.instant(job.started_at),
            words.duration(meta.get("durationMs")),
            words.number(meta.get("recordsAdded")),
            words.number(meta.get("recordsUpdated")),
            str(meta.get("source") or "–"),
        )
    Console(width=None if Console().is_terminal else 200).print(table)


def job_summary(job: Job) -> None:
    """The job, its counts and its steps."""
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    console.print(Text.assemble(f"{job.type} {job.id}  ", _status(job.status)))
    console.print(
        f"started {words.instant(job.started_at)}, took {words.duration(job.metadata.get('durationMs'))}"
    )
    if job.note:
        console.print(job.note, markup=False)
    if job.error:
        console.print(
            f"{job.error['kind']}: {job.error['name']}: {job.error['message']}", style="red", markup=False
        )
    facts = {
        name: value
        for name, value in job.metadata.items()
        if isinstance(value, int | str | dict) and value != {}
    }
    for name, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        console.print(f"  {name}: {shown}", markup=False)
    if job.steps:
        table = Table(box=None, pad_edge=False)
        for heading in ("step", "status", "attempts", "took", "error"):
            table.add_column(heading, justify="right" if heading in {"attempts", "took"} else "left")
        for step in job.steps:
            took = step.to_json()["durationMs"]
            error = f"{step.error['name']}: {step.error['message']}" if step.error else ""
            table.add_row(
                step.name, _status(step.status), str(step.attempts), words.duration(took), Text(error)
            )
        console.print(table)


def coverage_table(found: Mapping[str, Any]) -> None:
    """Totals, then the days, then the newest of the missing with their reasons."""
    for name, label in _TOTALS:
        print(f"{label:<18}{words.number(found[name]):>10}")
    for reason, count in found["reasons"].items():
        print(f"  without a release: {count} because {reason}")
    table = Table(box=None, pad_edge=False)
    for heading in ("day", "expected", "present", "awaiting", "missing", "complete", "reason"):
        table.add_column(heading)
    for day in found["days"]:
        counts = [words.number(day[name]) for name in ("expected", "present", "awaitingRelease", "missing")]
        table.add_row(day["day"], *counts, "yes" if day["complete"] else "no", day["reason"] or "")
    Console(width=None if Console().is_terminal else 160).print(table)
    missing = [tender for tender in found["missingTenders"] if not tender["awaitingRelease"]][:_NAMED]
    for tender in missing:
        tried = tender["nextTryAt"]
        again = words.instant(datetime.fromisoformat(tried)) if tried else "with the next sync"
        print(f"missing {tender['ocid']}: {tender['reason']}, next try {again}")
    if found["missing"] > len(missing):
        print(
            f"and {words.number(found['missing'] - len(missing))} more: --json names as many as --limit says"
        )


# How many of the missing a person is told by name.
_NAMED = 20
_TOTALS = (
    ("expected", "expected"),
    ("present", "present"),
    ("awaitingRelease", "awaiting release"),
    ("missing", "missing"),
)
