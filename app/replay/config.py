"""What the recorded stand-in is told: data, calendar, mood, size."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from app.replay.calendar import utc_now

HELP_TEXT = """\
Serve the recorded eTenders stand-in: both government hosts on one port.

Give its address as both OCDS_BASE_URL and ETENDERS_BASE_URL.

The tenders are captures of the real hosts: 2,068 portal rows of November 2022, 200 of September 2025, \
and 8 releases of October 2025 and August 2026, with their dates moved so that the newest of each capture is \
today's. The releases of the 2,268 tenders of which only the portal row was captured are DERIVED from that \
row: the real API never answered them. Names, e-mail addresses and telephone numbers of people are made up.

--faults documented behaves as badly as the real hosts are known to, seed:N draws a repeatable schedule of \
faults. Requests below /__replay__/ steer it (docs/replay.md).
"""


class ReplayError(Exception):
    """The stand-in cannot start as asked: the message names the option or file and what to do."""


_SEED = re.compile(r"seed:(\d{1,18})")


@dataclass(frozen=True)
class ReplayConfig:
    """How the stand-in behaves. Raises `ReplayError` for a value that makes no sense.

    `data` are folders of captures, served beside the committed ones or, with `captures` False, instead of
    them.

    `faults` is ``none``, ``documented`` or ``seed:N``; `time_scale` the seconds waited under faults for
    each second that the real service would keep a client waiting.

    `ids` are the first and last tender id served: every other id is a hole.

    `shift` moves the calendar. ``auto``: each capture's newest publication day becomes the clock's day at
    the start; ``weeks``: as near to that as whole weeks allow, so that weekdays stay, and contents too
    for a week; ``none``: dates as captured; a number: that many days for every capture.

    `clock` is the stand-in's time, aware; control requests can set it forward.

    `hold_back` is the fraction of tenders not there at the start but published during `publish_over`:
    those with an even id on the day of their appearance, the others with their old date (drafts published
    late). `churn` is the fraction that is amended or re-dated in that time, if open.

    `synthetic` serves so many tenders made from the captures instead of these, with ids from 1 (or the
    first of `ids`) and a hole after every 53; `synthetic_per_day` of them were published on each day up
    to the clock's.
    """

    data: tuple[Path, ...] = ()
    captures: bool = True
    faults: str = "none"
    ids: tuple[int, int] | None = None
    shift: str | int = "auto"
    clock: Callable[[], datetime] = utc_now
    hold_back: float = 0.0
    churn: float = 0.0
    publish_over: timedelta = timedelta(hours=1)
    synthetic: int = 0
    synthetic_per_day: int = 120
    time_scale: float = 0.01

    def __post_init__(self) -> None:
        parse_faults(self.faults)
        if self.ids is not None and not 1 <= self.ids[0] <= self.ids[1]:
            raise ReplayError(
                f"--ids {self.ids[0]}-{self.ids[1]}: give a range like 134000-134400, from 1 upward."
            )
        if isinstance(self.shift, str) and self.shift not in ("auto", "weeks", "none"):
            raise ReplayError(f"shift {self.shift!r} is not auto, weeks, none or a number of days.")
        for name, fraction in (("hold_back", self.hold_back), ("churn", self.churn)):
            if not 0 <= fraction <= 1:
                raise ReplayError(f"{name} is a fraction of the tenders, from 0 to 1, not {fraction}.")
        if self.synthetic < 0 or self.synthetic_per_day < 1 or self.time_scale < 0:
            raise ReplayError(
                "synthetic, synthetic_per_day and time_scale must not be negative (per day: at least 1)."
            )


def clock_from(text: str) -> Callable[[], datetime]:
    """A clock that runs on from the moment in ``--now``; raises `ReplayError` for one without a zone."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise ReplayError(f"--now {text}: give a moment with its zone, like 2026-08-14T09:00:00+02:00.")
    moment, began = start, time.monotonic()
    return lambda: moment + timedelta(seconds=time.monotonic() - began)


def parse_faults(text: str) -> int | None:
    """The seed of ``seed:N``, None for ``none`` and ``documented``; anything else raises `ReplayError`."""
    if text in ("none", "documented"):
        return None
    match = _SEED.fullmatch(text)
    if match is None:
        raise ReplayError(
            f"--faults {text}: choose none, documented or seed:N (a whole number, for example seed:42)."
        )
    return int(match[1])


def parse_ids(text: str) -> tuple[int, int]:
    """``A-B`` of ``--ids`` as numbers; raises `ReplayError` for anything else."""
    match = re.fullmatch(r"(\d{1,9})-(\d{1,9})", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ReplayError(f"--ids {text}: give a range like 134000-134400, from 1 upward.")
    return int(match[1]), int(match[2])
