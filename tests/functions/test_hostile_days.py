"""Days at their edges, days without sources, days before the first: the cursor tells no lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.replay.answers import Answer
from ocds.dates import SAST
from ocds.ids import ocid_of
from tests.functions.conftest import Clock
from tests.functions.content import unlike_served
from tests.functions.hostile import (
    IDS,
    MakeWorld,
    assert_honest,
    assert_partial,
    cursor,
    twist,
    yesterday,
)


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 10, 31, 23, 59, 58, tzinfo=SAST),
        datetime(2026, 12, 31, 22, 30, tzinfo=UTC),
        datetime(2028, 2, 29, 0, 0, 1, tzinfo=SAST),
        datetime(2026, 11, 1, 1, 59, tzinfo=SAST),
    ],
    ids=["month's end", "new year in South Africa", "leap day", "still yesterday in UTC"],
)
def test_at_the_edge_of_a_day_nothing_is_lost(make_world: MakeWorld, now: datetime) -> None:
    world = make_world(ids=IDS, clock=Clock(now))
    for minutes in (30, 30, 24 * 60):
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        assert unlike_served(world) == []
        assert_honest(world)
        assert cursor(world) == (world.clock.now.astimezone(SAST) - timedelta(days=1)).date()
        world.clock.forward(minutes=minutes)


def test_a_first_sync_without_any_source_fails_and_the_days_stay_owed(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    down = Answer(b"", status=503)
    twist(world, lambda _: down)

    job = world.sync()

    assert job.status == "FAILED"
    assert job.error is not None
    assert job.error["kind"] == "EXTERNAL_API"
    assert cursor(world) is None
    world.execute("UPDATE upstream_hosts SET state = 'closed', consecutive_failures = 0")
    twist(world, None)
    world.clock.forward(days=2)
    assert world.sync().status == "SUCCESS"
    assert cursor(world) == yesterday(world)
    assert unlike_served(world) == []


def test_after_two_days_without_sources_every_day_between_is_listed(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS, hold_back=0.4, publish_over=timedelta(days=3))
    world.sync()
    at = cursor(world)
    down = Answer(b"", status=503)
    twist(world, lambda _: down)
    for _ in range(3):
        world.clock.forward(hours=18)
        assert world.sync().status == "FAILED"
        assert cursor(world) == at
    world.execute("UPDATE upstream_hosts SET state = 'closed', consecutive_failures = 0")
    twist(world, None)
    world.clock.forward(hours=1)

    job = world.sync()

    assert job.status == "SUCCESS", job.note
    assert cursor(world) == yesterday(world)
    assert unlike_served(world) == []


def test_days_before_the_stretch_do_not_count_as_incomplete(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    world.drain(fromDate="2026-01-01", toDate="2026-01-20")
    world.sync(fromDate="2026-02-01", toDate="2026-02-03")
    assert_honest(world)
    world.stand_in.traffic.reset()
    world.clock.forward(minutes=30)
    job = world.sync()
    assert job.metadata["window"]["from"] >= "2026-10-05"


def test_what_appears_under_a_complete_day_and_cannot_be_had_takes_nothing_back(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS)
    world.sync()
    world.clock.forward(minutes=30)
    at = cursor(world)
    late = 134_201
    world.execute(
        "INSERT INTO tender_ids (n, ocid, is_expected, expected_by, published_on, first_expected_at, next_try_at)"
        " VALUES (:n, :ocid, true, 'list', :day, :now, :now)",
        n=late,
        ocid=ocid_of(late),
        day=at,
        now=world.clock.now,
    )
    job = world.sync()
    assert_partial(job, "1 tender that must exist is missing")
    assert cursor(world) == at
    assert_honest(world)
    ((complete, reason),) = world.rows("SELECT complete, reason FROM coverage_days WHERE day = :day", day=at)
    assert (complete, reason) == (True, "1 tenders are missing that appeared after it was complete")


def test_after_the_clock_was_set_back_the_newest_content_counts(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS)
    world.clock.forward(days=3)
    world.sync()
    world.clock.forward(days=-3)
    world.stand_in.world.change(134_340, "amend")
    for _ in range(2):
        world.clock.forward(minutes=30)
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        assert job.metadata["window"]["to"] == world.clock.now.date().isoformat()
        assert unlike_served(world) == []
        assert world.scalar(
            "SELECT t.release_hash = i.release_hash AND i.state = 'known'"
            " FROM tenders AS t JOIN tender_ids AS i USING (n) WHERE n = 134340"
        )
