"""The events that start our functions, each defined once. Times are South African days."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self, TypeVar

import inngest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from ocds.ids import PREFIX

MAX_ENRICHMENT = 20_000
MAX_PAUSE_MS = 60_000
HIGHEST_ID = 9_999_999_999
R = TypeVar("R", bound="Request")
Count = Annotated[int, Field(ge=0, le=MAX_ENRICHMENT)]
# An ocid's number; `ocid` below allows as many digits.
Number = Annotated[int, Field(ge=1, le=HIGHEST_ID)]
# Years before eTenders' first data (May 2021, DATA.md §1): an earlier day is a slip.
Day = Annotated[date, Field(ge=date(2015, 1, 1))]


class InvalidEvent(Exception):  # noqa: N818 - the event is at fault, not the program
    """An event's data cannot be used; the message names each field and its fault. Never retried."""

    kind = "DATA"


class Request(BaseModel):
    """The data of one event."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    admin_user_id: str | None = None

    def untimely(self, today: date) -> str | None:
        """Why it cannot be done on this day; None if it can."""
        del today
        return None


class _Days(Request):
    """An event about publication days; with both, the first is not after the last."""

    from_date: Day | None = None
    to_date: Day | None = None

    def untimely(self, today: date) -> str | None:
        """A day that has not begun has nothing to fetch, and would be asked for again until it has."""
        if self.from_date and self.from_date > today:
            return f"fromDate {self.from_date} is in the future"
        return None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_date and self.to_date and self.from_date > self.to_date:
            message = f"fromDate {self.from_date} is after toDate {self.to_date}"
            raise ValueError(message)
        return self


class SyncRequested(_Days):
    """tender/sync.requested"""

    max_enrichment: Count | None = None
    require_enrichment: bool = False
    triggered_by: Literal["cron", "manual", "github-actions"] = "manual"


class EnrichTodayRequested(Request):
    """tender/enrich-today.requested; `rateLimit` is the least time between portal requests in milliseconds."""

    max_enrichment: Count | None = None
    rate_limit: Annotated[int, Field(ge=0, le=MAX_PAUSE_MS)] | None = None


class EnrichRequested(Request):
    """tender/enrich.requested"""

    ocid: Annotated[str, Field(pattern=rf"^{PREFIX}[1-9]\d{{0,9}}$")]
    published_at: str | None = None
    force: bool = False


class EnrichBackfillRequested(Request):
    """tender/enrich-backfill.requested"""

    from_date: Day
    to_date: Day
    max_enrichment: Count
    rate_limit: Annotated[int, Field(ge=0, le=MAX_PAUSE_MS)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_date > self.to_date:
            message = f"fromDate {self.from_date} is after toDate {self.to_date}"
            raise ValueError(message)
        return self


class HistoryBackfillRequested(_Days):
    """tender/history-backfill.requested: a range of days or of identifiers; with neither, all that is awaited.

    `job_id` and `position` carry a long history on in another run.
    """

    from_id: Number | None = None
    to_id: Number | None = None
    job_id: str | None = None
    position: Annotated[int, Field(ge=0, le=HIGHEST_ID + 1)] | None = None
    leg: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if (self.from_date or self.to_date) and (self.from_id or self.to_id):
            raise ValueError("give either fromDate and toDate or fromId and toId, not both")
        if self.from_id and self.to_id and self.from_id > self.to_id:
            message = f"fromId {self.from_id} is above toId {self.to_id}"
            raise ValueError(message)
        return self


class CleanupRequested(Request):
    """system/cleanup-jobs.requested"""

    timeout_minutes: Annotated[int, Field(ge=1, le=100_000)] = 30


class AlertsRequested(Request):
    """tender/alerts.requested"""


SYNC = "tender/sync.requested"
ENRICH_TODAY = "tender/enrich-today.requested"
ENRICH = "tender/enrich.requested"
ENRICH_BACKFILL = "tender/enrich-backfill.requested"
HISTORY_BACKFILL = "tender/history-backfill.requested"
ALERTS = "tender/alerts.requested"
CLEANUP = "system/cleanup-jobs.requested"

EVENTS: dict[str, type[Request]] = {
    SYNC: SyncRequested,
    ENRICH_TODAY: EnrichTodayRequested,
    ENRICH: EnrichRequested,
    ENRICH_BACKFILL: EnrichBackfillRequested,
    HISTORY_BACKFILL: HistoryBackfillRequested,
    ALERTS: AlertsRequested,
    CLEANUP: CleanupRequested,
}


def parse(model: type[R], event: inngest.Event) -> R:
    """The event's data, typed. What an engine adds to it (`_inngest`, a timer's `cron`) is not ours to judge."""
    data: dict[str, Any] = {name: value for name, value in event.data.items() if name != "_inngest"}
    if event.name == "inngest/scheduled.timer":
        data = {}
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        faults = "; ".join(_sentence(dict(error)) for error in problem.errors())
        message = f"{event.name}: {faults}"
        raise InvalidEvent(message) from None


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{field} is not a field of this event"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{field}: {message} (got {error['input']!r:.80})" if field else message
