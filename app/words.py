"""How times, numbers, states and progress read for people, on pages and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from app.freshness import CLOCK_TOLERANCE, in_words
from app.freshness import number as whole_number
from db.clock import SOUTH_AFRICA

THIN_SPACE = "\u202f"

STATES = {
    "QUEUED": ("○", "queued"),
    "RUNNING": ("▶", "running"),
    "RETRYING": ("↻", "waiting for retry"),
    "SUCCESS": ("✓", "success"),
    "PARTIAL": ("◐", "partial"),
    "FAILED": ("✕", "failed"),
    "CANCELLED": ("⊘", "cancelled"),
    "CRASHED": ("⚡", "crashed"),
    "SKIPPED": ("⇥", "skipped"),
    "SCHEDULED": ("○", "scheduled"),
    "COMPLETED": ("✓", "completed"),
}


def state(status: str) -> tuple[str, str]:
    """Icon and word of a status; an unknown one is shown as it is."""
    return STATES.get(status.upper(), ("•", status.lower()))


def number(value: float | int | None) -> str:
    """A number with thin spaces between thousands; a dash for nothing."""
    if value is None:
        return "–"
    return whole_number(value) if isinstance(value, int) else f"{value:,.1f}".replace(",", THIN_SPACE)


def instant(value: datetime | None) -> str:
    """`2026-08-14 11:00:05 SAST`."""
    return "–" if value is None else f"{value.astimezone(SOUTH_AFRICA):%Y-%m-%d %H:%M:%S} SAST"


def relative(value: datetime | None, now: datetime) -> str:
    """`5 minutes ago`, `in 2 hours`."""
    if value is None:
        return "never"
    if value > now:
        return f"in {in_words(value - now)}"
    return f"{in_words(now - value)} ago"


def since(value: datetime | None, now: datetime) -> str:
    """`5 minutes ago`, of something that has happened: by a clock that was ahead it did so in the future."""
    if value is not None and value > now + CLOCK_TOLERANCE:
        return f"{in_words(value - now)} ahead of this clock"
    return relative(value if value is None else min(value, now), now)


def duration(value: timedelta | float | None) -> str:
    """`340 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`. A number is milliseconds."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value / 1000
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def progress_text(progress: Mapping[str, Any] | None) -> str:
    """What a job says about how far it is: `pages 3 of 7, 412 records`."""
    if not progress:
        return ""
    parts: list[str] = []
    label = progress.get("phase") or progress.get("step") or progress.get("unit")
    done, total = progress.get("done"), progress.get("total")
    if done is not None and total:
        parts.append(f"{label or 'done'}: {number(done)} of {number(total)}")
    elif done is not None:
        parts.append(f"{label or 'done'}: {number(done)}")
    elif label:
        parts.append(str(label))
    left = progress.get("etaSeconds")
    if isinstance(left, int | float) and left > 0:
        parts.append(f"about {in_words(timedelta(seconds=left))} left")
    known = {"phase", "step", "unit", "done", "total", "etaSeconds", "position"}
    parts.extend(
        f"{name} {number(value) if isinstance(value, int) else value}"
        for name, value in progress.items()
        if name not in known and isinstance(value, str | int) and not isinstance(value, bool)
    )
    return ", ".join(parts)


def progress_share(progress: Mapping[str, Any] | None) -> float | None:
    """The share that is done, 0 to 1; None when the total is unknown."""
    if not progress:
        return None
    done, total = progress.get("done"), progress.get("total")
    if not isinstance(done, int) or not isinstance(total, int) or total <= 0:
        return None
    return min(1.0, done / total)


def day(value: date | datetime | None) -> str:
    """`2026-08-14`, of an instant the South African day."""
    if isinstance(value, datetime):
        value = value.astimezone(SOUTH_AFRICA).date()
    return "–" if value is None else value.isoformat()
