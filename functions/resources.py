"""What the functions work with. Made once, at the edge; a test makes the same functions with other resources."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from enrichment.client import PortalClient
from functions.mail import Post
from ocds.client import OcdsClient


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one run takes on, and in which portions."""

    enable_enrichment: bool = True
    max_enrichment_per_run: int = 300
    max_release_fetch_per_run: int = 300
    # Days before the cursor that are listed again: the list is lossy, and a tender can be re-dated.
    overlap_days: int = 1
    first_sync_days: int = 14
    window_days: int = 3
    list_page_size: int = 50
    # The list shows empty pages in the middle: only so many pages in a row without a new tender are its end.
    barren_pages: int = 3
    release_batch: int = 100
    enrichment_batch: int = 250
    save_batch: int = 2000
    # Unknown identifiers that a routine run probes around the highest known one.
    frontier_above: int = 5
    frontier_below: int = 200
    frontier_probes: int = 205
    # Unknown identifiers between recent ones that it probes as well; where there are more, a background run does.
    frontier_between: int = 50
    # A long history goes on in a new run before any engine's limit on steps.
    history_steps_per_run: int = 400
    history_batch: int = 100
    jobs_kept_days: int = 400
    audit_kept_days: int = 800
    housekeeping_batch: int = 2000

    def recent_days(self, today: date) -> date:
        """The first of the days whose identifiers are asked for without a gap."""
        return today - timedelta(days=self.first_sync_days - 1)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a step, as whoever watches the steps is told of it. `job_id` is empty until there is a job."""

    function_id: str
    run_id: str
    event_id: str
    job_id: str
    step: str
    number: int


def unwatched(_attempt: Attempt) -> AbstractContextManager[None]:
    """Nobody watches."""
    return nullcontext()


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Database, sources, limits and clock. `clock` gives an aware instant; it is only asked inside steps.

    `post` is how mails go out; only send-alerts needs it. `watched` is entered around every attempt of a step, in the
    thread that does its work; it sees an error and must let it pass.
    """

    engine: sa.Engine
    ocds: OcdsClient
    portal: PortalClient
    clock: Callable[[], datetime]
    source: Literal["live", "replay"] = "live"
    limits: Limits = field(default_factory=Limits)
    post: Post | None = None
    watched: Callable[[Attempt], AbstractContextManager[None]] = unwatched
