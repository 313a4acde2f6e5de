"""The freshness verdict: is the data fresh and complete, and if not, why. One pure function; the first page, `/readyz`
and the metrics all show its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

State = Literal["fresh", "incomplete", "late", "stale", "never"]

LATE_AFTER = timedelta(minutes=90)
STALE_AFTER = timedelta(hours=6)
SILENT_AFTER = timedelta(minutes=5)
CLOCK_TOLERANCE = timedelta(minutes=1)
"""So far may the clocks of two machines be apart without a word about it."""


@dataclass(frozen=True)
class Host:
    """How one government host has been answering."""

    name: str
    state: str
    last_ok_at: datetime | None = None
    last_error_at: datetime | None = None
    last_error: str | None = None

    @property
    def down_since(self) -> datetime | None:
        """Since when it has not answered: the last answer, while errors are newer than it."""
        if self.last_error_at is None or (
            self.last_ok_at is not None and self.last_ok_at >= self.last_error_at
        ):
            return None
        return self.last_ok_at or self.last_error_at


@dataclass(frozen=True)
class Facts:
    """What the verdict is made from."""

    last_complete_at: datetime | None = None
    last_status: str | None = None
    last_error: str | None = None
    last_note: str | None = None
    last_finished_at: datetime | None = None
    running_since: datetime | None = None
    heartbeat_at: datetime | None = None
    cursor_day: date | None = None
    missing: int = 0
    awaiting_release: int = 0
    next_due: datetime | None = None
    hosts: Sequence[Host] = field(default=())
    replay: bool = False
    newest_job_at: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """What to tell: one state, one sentence, and its causes in order of weight."""

    state: State
    headline: str
    causes: tuple[str, ...]
    age: timedelta | None
    late_by: timedelta | None
    next_due: datetime | None

    @property
    def ok(self) -> bool:
        """Whether the promised time is kept."""
        return self.state in {"fresh", "incomplete"}


def verdict(facts: Facts, now: datetime) -> Verdict:
    """The verdict at `now`. A clock that went backward makes an age of zero, never a negative one."""
    causes = _causes(facts, now)
    if facts.last_complete_at is None:
        headline = "The first sync is running." if facts.running_since else "Nothing has been synced yet."
        return Verdict("never", headline, causes, None, None, facts.next_due)
    age = max(now - facts.last_complete_at, timedelta(0))
    late_by = age - LATE_AFTER if age > LATE_AFTER else None
    state: State
    if age > STALE_AFTER:
        state, headline = (
            "stale",
            f"The data is out of date: the last complete sync ended {in_words(age)} ago.",
        )
    elif age > LATE_AFTER:
        state, headline = "late", f"The sync is late: the last complete one ended {in_words(age)} ago."
    elif facts.missing:
        tenders = "1 tender is" if facts.missing == 1 else f"{number(facts.missing)} tenders are"
        state, headline = "incomplete", f"The data is fresh, but {tenders} known to be missing."
    else:
        state, headline = "fresh", f"The data is fresh: nothing is missing as of {in_words(age)} ago."
    return Verdict(state, headline, causes, age, late_by, facts.next_due)


def _causes(facts: Facts, now: datetime) -> tuple[str, ...]:
    causes: list[str] = []
    for host in facts.hosts:
        since = host.down_since
        if since is not None:
            because = f" ({host.last_error})" if host.last_error else ""
            causes.append(
                f"{host.name} has not answered for {in_words(max(now - since, timedelta(0)))}{because}."
            )
    if facts.last_status in {"FAILED", "CRASHED"}:
        reason = (facts.last_error or "no reason was recorded").rstrip(".")
        causes.append(f"The last sync {facts.last_status.lower()}: {reason}.")
    elif facts.last_status == "CANCELLED":
        causes.append("The last sync was cancelled.")
    elif facts.last_status == "PARTIAL":
        because = f": {facts.last_note.rstrip('.')}" if facts.last_note else ""
        causes.append(f"The last sync did a part of its work{because}.")
    if facts.running_since is not None:
        causes.append(
            f"A sync has been running for {in_words(max(now - facts.running_since, timedelta(0)))}."
        )
        if facts.heartbeat_at is not None and now - facts.heartbeat_at > SILENT_AFTER:
            causes.append(f"It has given no sign of life for {in_words(now - facts.heartbeat_at)}.")
    if facts.awaiting_release:
        tenders = (
            "1 tender is" if facts.awaiting_release == 1 else f"{number(facts.awaiting_release)} tenders are"
        )
        causes.append(f"{tenders} shown from the portal only, until the release is fetched.")
    if facts.newest_job_at is not None and facts.newest_job_at > now + CLOCK_TOLERANCE:
        ahead = in_words(facts.newest_job_at - now)
        causes.append(
            f"The newest job is dated {ahead} ahead of this clock: one of the two is or was wrong. Jobs that ended "
            "after now do not count."
        )
    if facts.replay:
        causes.append("The source is the recorded stand-in, not eTenders.")
    return tuple(causes)


def number(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def in_words(age: timedelta) -> str:
    """A duration as people say it: `12 seconds`, `5 minutes`, `3 hours`, `2 days`."""
    seconds = int(age.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "minute"):
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    if seconds >= 60:
        return "1 minute"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
