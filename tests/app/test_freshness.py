"""The freshness verdict: one state, one sentence, its causes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.freshness import LATE_AFTER, STALE_AFTER, Facts, Host, in_words, verdict

NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "missing", "state", "ok"),
    [
        (timedelta(minutes=10), 0, "fresh", True),
        (timedelta(minutes=10), 3, "incomplete", True),
        (LATE_AFTER, 0, "fresh", True),
        (LATE_AFTER + timedelta(seconds=1), 0, "late", False),
        (STALE_AFTER, 0, "late", False),
        (STALE_AFTER + timedelta(seconds=1), 5, "stale", False),
    ],
)
def test_the_age_of_the_last_complete_sync_decides(
    age: timedelta, missing: int, state: str, ok: bool
) -> None:
    found = verdict(Facts(last_complete_at=NOW - age, missing=missing), NOW)
    assert (found.state, found.ok) == (state, ok)
    assert (found.late_by is not None) == (not ok)


def test_without_any_sync_nothing_is_claimed() -> None:
    assert verdict(Facts(), NOW).state == "never"
    running = verdict(Facts(running_since=NOW), NOW)
    assert running.headline == "The first sync is running."
    assert not running.ok


def test_a_clock_that_went_backward_makes_no_negative_age() -> None:
    found = verdict(Facts(last_complete_at=NOW + timedelta(hours=3)), NOW)
    assert found.age == timedelta(0)
    assert found.state == "fresh"


def test_a_host_that_fails_since_its_last_answer_is_the_first_cause() -> None:
    down = Host("ocds", "open", NOW - timedelta(hours=2), NOW - timedelta(minutes=1), "503")
    found = verdict(Facts(last_complete_at=NOW, hosts=[down], last_status="FAILED", last_error="gone."), NOW)
    assert found.causes == ("ocds has not answered for 2 hours (503).", "The last sync failed: gone.")


def test_a_host_that_answered_after_its_error_is_not_down() -> None:
    host = Host("ocds", "closed", NOW, NOW - timedelta(minutes=1), "503")
    assert host.down_since is None


def test_a_running_sync_without_a_sign_of_life_is_said() -> None:
    facts = Facts(
        last_complete_at=NOW, running_since=NOW - timedelta(hours=1), heartbeat_at=NOW - timedelta(minutes=30)
    )
    assert "It has given no sign of life for 30 minutes." in verdict(facts, NOW).causes


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_every_duration_has_words_with_a_number_and_a_unit(age: timedelta) -> None:
    count, unit = in_words(age).split(" ")
    assert int(count) >= 0
    assert unit.removesuffix("s") in {"second", "minute", "hour", "day"}
    assert (count == "1") == (not unit.endswith("s"))
