"""The pure decisions: which days to list, what to believe, how a job ended, whose fault it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import inngest
import pytest
import sqlalchemy as sa

from db.portal_rows import Snapshot
from functions import events, verdict
from functions.failures import describe
from functions.listing import Window, days_to_list, windows
from functions.looking import Look, judge
from ocds.errors import DataError, UpstreamError

TODAY = date(2026, 10, 7)


def days_ago(*numbers: int) -> list[date]:
    """Days by their distance from today, oldest first."""
    return [TODAY - timedelta(days=number) for number in sorted(numbers, reverse=True)]


def test_the_first_sync_lists_a_fortnight() -> None:
    found = days_to_list(today=TODAY, cursor=None, incomplete=[], overlap=1, first_days=14)
    assert found == days_ago(*range(14))


def test_a_routine_sync_lists_the_cursors_day_and_what_follows() -> None:
    found = days_to_list(
        today=TODAY, cursor=TODAY - timedelta(days=1), incomplete=[], overlap=1, first_days=14
    )
    assert found == days_ago(1, 0)


def test_an_incomplete_day_holds_the_cursor_but_not_the_days_after_it() -> None:
    stuck = TODAY - timedelta(days=20)
    found = days_to_list(
        today=TODAY, cursor=stuck - timedelta(days=1), incomplete=[stuck], overlap=1, first_days=14
    )
    assert set(found) >= {stuck, TODAY, TODAY - timedelta(days=1)}


def test_days_become_windows_of_neighbours() -> None:
    found = windows(days_ago(9, 8, 7, 6, 3, 1, 0), longest=3)
    assert [((TODAY - each.first).days, (TODAY - each.last).days) for each in found] == [
        (9, 7),
        (6, 6),
        (3, 3),
        (1, 0),
    ]
    assert Window.from_json(found[0].to_json()) == found[0]


def snapshot(rows: int) -> Snapshot:
    """A believed look at the open bucket."""
    return Snapshot(1, datetime(2026, 10, 6, tzinfo=UTC), rows, True, None)


@pytest.mark.parametrize(
    ("look", "last", "doubted", "reason"),
    [
        (Look(2000, 0, TODAY, TODAY - timedelta(days=60)), None, [], None),
        (Look(1300, 0, TODAY, TODAY - timedelta(days=60)), snapshot(2000), [], None),
        (Look(1100, 0, TODAY, TODAY), snapshot(2000), [], "the bucket shows 1100 rows after 2000"),
        (Look(0, 0, None, None), snapshot(2000), [0] * 9, "the bucket shows 0 rows after 2000"),
        (Look(1100, 0, TODAY, TODAY), snapshot(2000), [1100, 1101, 1099, 1100], None),
        (
            Look(1100, 0, TODAY, TODAY),
            snapshot(2000),
            [10, 900, 20, 500],
            "the bucket shows 1100 rows after 2000",
        ),
        (Look(70, 30, TODAY, TODAY), None, [], "30 of 100 rows could not be read"),
        (
            Look(9, 0, TODAY + timedelta(days=40), TODAY + timedelta(days=3)),
            None,
            [],
            "every row is dated in the future",
        ),
    ],
)
def test_a_bucket_is_believed_or_not(
    look: Look, last: Snapshot | None, doubted: list[int], reason: str | None
) -> None:
    assert judge(look, last, doubted, today=TODAY) == reason


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({}, "SUCCESS", "everything is there"),
        ({"awaiting": 7}, "SUCCESS", "7 tenders still come from their portal rows alone"),
        ({"missing": 1}, "PARTIAL", "1 tender that must exist is missing; it is asked for again"),
        ({"missing": 2}, "PARTIAL", "2 tenders that must exist are missing"),
        ({"list_problems": ["the list was not read"]}, "PARTIAL", "the list was not read"),
        ({"portal_problem": "the portal was not read"}, "PARTIAL", "the portal was not read"),
        (
            {"list_problems": ["no list."], "portal_problem": "no portal.", "went_on": False},
            "FAILED",
            "neither source could be read: no list; no portal",
        ),
    ],
)
def test_a_sync_ends_as_it_deserves(given: dict[str, object], status: str, words: str) -> None:
    plain: dict[str, object] = {
        "list_problems": [],
        "portal_problem": None,
        "other_problems": [],
        "went_on": True,
        "missing": 0,
        "awaiting": 0,
    }
    found = verdict.of_sync(**plain | given)  # type: ignore[arg-type]
    assert found.status == status
    assert words in found.note


def test_every_failure_has_an_owner() -> None:
    upstream = UpstreamError("answered 500", host="h", url="https://h/x", status=500)
    assert describe(upstream)["kind"] == "EXTERNAL_API"
    assert describe(DataError("odd"))["kind"] == "DATA"
    assert describe(KeyError("x"))["kind"] == "APPLICATION"
    secret = sa.exc.OperationalError("SELECT :password", {"password": "hunter2"}, Exception("gone away"))
    assert describe(secret)["message"] == "the database refused: gone away"


def test_an_event_is_read_with_its_defaults() -> None:
    given = {"fromDate": "2026-10-01", "maxEnrichment": 5, "_inngest": {"fn_id": "x"}}
    event = inngest.Event(name=events.SYNC, data=given)
    found = events.parse(events.SyncRequested, event)
    assert (found.from_date, found.max_enrichment, found.require_enrichment) == (date(2026, 10, 1), 5, False)


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        (events.ENRICH, {"ocid": "ocds-other-1"}, "ocid"),
        (events.ENRICH_BACKFILL, {"fromDate": "2026-10-01", "toDate": "2026-10-02"}, "maxEnrichment"),
        (
            events.ENRICH_BACKFILL,
            {"fromDate": "2026-10-03", "toDate": "2026-10-02", "maxEnrichment": 1},
            "after toDate",
        ),
        (events.HISTORY_BACKFILL, {"fromId": 5, "toId": 2}, "fromId 5 is above toId 2"),
        (events.HISTORY_BACKFILL, {"toId": 10**22}, "toId"),
        (events.HISTORY_BACKFILL, {"position": -1}, "position"),
        (events.HISTORY_BACKFILL, {"leg": 10**22}, "leg"),
        (events.HISTORY_BACKFILL, {"fromId": 5, "fromDate": "2026-10-03"}, "not both"),
        (events.CLEANUP, {"timeoutMinutes": 0}, "timeoutMinutes"),
        (events.ENRICH_TODAY, {"rateLimit": "fast"}, "rateLimit"),
    ],
)
def test_a_bad_event_names_its_field(name: str, data: dict[str, object], fault: str) -> None:
    with pytest.raises(events.InvalidEvent, match=fault):
        events.parse(events.EVENTS[name], inngest.Event(name=name, data=data))  # type: ignore[arg-type]
