"""What the first screen says stays true after crashes, cancellations and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app import doctor_facts, judgements
from app.freshness import Verdict, verdict
from app.freshness_facts import gather
from app.words import since
from db import console, jobs
from db.tables import coverage_days, portal_snapshots

NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)
TODAY = date(2026, 8, 14)
MINUTE = timedelta(minutes=1)


def sync(
    engine: sa.Engine,
    name: str,
    began: datetime,
    took: timedelta | None = 2 * MINUTE,
    status: str = "SUCCESS",
    **end: Any,
) -> None:
    """A sync in the job log; one without a duration has not ended."""
    with engine.begin() as connection:
        jobs.create(
            connection,
            job_id=name,
            type="DELTA_SYNC",
            function_id="tender-sync",
            run_id=f"run-of-{name}",
            event_id=None,
            source="live",
            triggered_by="cron",
            actor=None,
            parameters={},
            now=began,
        )
        if took is not None:
            jobs.close(connection, name, status, now=began + took, **end)


def read_sources(engine: sa.Engine, *, list_at: datetime, portal_at: datetime, day: date = TODAY) -> None:
    """Both sources as last read."""
    with engine.begin() as connection:
        connection.execute(sa.insert(coverage_days).values(day=day, listed_at=list_at))
        connection.execute(
            sa.insert(portal_snapshots).values(bucket=1, fetched_at=portal_at, accepted=True, row_count=5)
        )


def verdict_at(engine: sa.Engine, now: datetime) -> Verdict:
    with engine.connect() as connection:
        return verdict(gather(connection, now=now), now)


def test_a_sync_that_read_both_sources_is_complete(db_engine: sa.Engine) -> None:
    sync(db_engine, "good", NOW - 10 * MINUTE)
    read_sources(db_engine, list_at=NOW - 9 * MINUTE, portal_at=NOW - 9 * MINUTE)
    found = verdict_at(db_engine, NOW)
    assert (found.state, found.age) == ("fresh", 8 * MINUTE)


@pytest.mark.parametrize("unread", ["list_at", "portal_at"])
def test_partial_syncs_that_could_not_read_a_source_do_not_keep_the_data_fresh(
    db_engine: sa.Engine, unread: str
) -> None:
    sync(db_engine, "good", NOW - timedelta(hours=8))
    for hours in range(1, 8):
        sync(
            db_engine,
            f"partial-{hours}",
            NOW - timedelta(hours=hours),
            status="PARTIAL",
            note="it was not read.",
        )
    read = {"list_at": NOW - MINUTE, "portal_at": NOW - MINUTE}
    read_sources(db_engine, **(read | {unread: NOW - timedelta(hours=8) + MINUTE}))
    found = verdict_at(db_engine, NOW)
    assert found.state == "stale"
    assert "The last sync did a part of its work: it was not read." in found.causes
    with db_engine.connect() as connection:
        told = judgements.last_sync(doctor_facts.last_sync(connection, NOW, replay=False), NOW)
    assert (told.state, told.found) == ("warning", "the last complete one ended 7 hours ago")


def test_a_sync_of_the_recorded_stand_in_is_no_sync_of_etenders(db_engine: sa.Engine) -> None:
    sync(db_engine, "recorded", NOW - 10 * MINUTE)
    with db_engine.begin() as connection:
        connection.execute(sa.text("UPDATE jobs SET source = 'replay'"))
        assert verdict(gather(connection, now=NOW, replay=True), NOW).state == "fresh"
    assert verdict_at(db_engine, NOW).state == "never"
    sync(db_engine, "live", NOW - 5 * MINUTE)
    assert verdict_at(db_engine, NOW).state == "fresh"


def test_a_sync_of_old_days_says_nothing_about_today(db_engine: sa.Engine) -> None:
    sync(db_engine, "good", NOW - timedelta(hours=3))
    sync(db_engine, "of-old-days", NOW - 5 * MINUTE)
    read_sources(db_engine, list_at=NOW - timedelta(hours=3) + MINUTE, portal_at=NOW - 4 * MINUTE)
    with db_engine.begin() as connection:
        old = sa.insert(coverage_days).values(day=TODAY - timedelta(days=200), listed_at=NOW - 4 * MINUTE)
        connection.execute(old)
    assert verdict_at(db_engine, NOW).state == "late"


def test_jobs_dated_ahead_of_the_clock_vouch_for_nothing(db_engine: sa.Engine) -> None:
    sync(db_engine, "good", NOW - timedelta(hours=7))
    sync(db_engine, "by-a-clock-that-was-a-year-ahead", NOW + timedelta(days=365))
    found = verdict_at(db_engine, NOW)
    assert found.state == "stale"
    assert any("365 days ahead of this clock" in cause for cause in found.causes)


def test_a_crashed_and_a_cancelled_sync_are_said_and_do_not_count(db_engine: sa.Engine) -> None:
    sync(db_engine, "good", NOW - 30 * MINUTE)
    sync(db_engine, "dead", NOW - 20 * MINUTE, status="CRASHED", note="no sign of life for 30 minutes")
    assert verdict_at(db_engine, NOW).causes[0].startswith("The last sync crashed")
    sync(db_engine, "ended", NOW - 10 * MINUTE, status="CANCELLED")
    found = verdict_at(db_engine, NOW)
    assert found.age == 28 * MINUTE
    assert "The last sync was cancelled." in found.causes
    with db_engine.connect() as connection:
        week = console.week_of_syncs(connection, now=NOW)
    assert (week.ended, week.failed) == (2, 1)


def test_a_duration_that_a_set_back_clock_made_negative_is_not_one(db_engine: sa.Engine) -> None:
    for number in range(3):
        sync(db_engine, f"good-{number}", NOW - timedelta(hours=number + 1), took=10 * MINUTE)
    sync(db_engine, "backward", NOW - MINUTE, took=-timedelta(hours=5))
    with db_engine.connect() as connection:
        week = console.week_of_syncs(connection, now=NOW)
        backward = jobs.get(connection, "backward")
    assert week.ended == 4
    assert (week.median, week.p95) == (600.0, 600.0)
    assert backward is not None
    assert backward.metadata["durationMs"] is None


def test_a_job_whose_last_beat_is_ahead_of_a_set_back_clock_is_dead_in_the_end(db_engine: sa.Engine) -> None:
    sync(db_engine, "beaten-ahead", NOW + timedelta(hours=9), took=None)
    sync(db_engine, "alive", NOW - MINUTE, took=None)
    with db_engine.begin() as connection:
        assert jobs.close_dead(connection, silent_for=30 * MINUTE, now=NOW) == ["beaten-ahead"]


def test_what_has_happened_is_never_told_as_coming() -> None:
    assert since(NOW + timedelta(seconds=5), NOW) == "0 seconds ago"
    assert since(NOW + timedelta(hours=3), NOW) == "3 hours ahead of this clock"
    assert since(None, NOW) == "never"
