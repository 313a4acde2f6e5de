"""A portal that answers what no documentation mentions: nothing is closed, nothing believed too easily."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.replay.answers import Answer
from app.replay.stand_in import Request
from ocds.ids import ocid_of
from tests.functions.content import unlike_served
from tests.functions.hostile import (
    IDS,
    ROWS,
    MakeWorld,
    assert_honest,
    assert_partial,
    cursor,
    only,
    said,
    twist,
    yesterday,
)


def test_an_empty_bucket_at_the_first_look_proves_nothing(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    twist(world, said("bucket", Answer(b"[]")))

    job = world.sync()

    assert_partial(job, "the bucket shows 0 rows where the portal counts")
    assert cursor(world) != yesterday(world)
    assert_honest(world)
    twist(world, None)
    assert world.sync().status == "SUCCESS"
    assert cursor(world) == yesterday(world)
    assert unlike_served(world) == []


def test_half_a_bucket_at_the_first_look_is_told_by_the_portals_own_count(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    twist(world, only("bucket", lambda rows: rows[::2], world))
    assert_partial(world.sync(), "rows where the portal counts")
    assert_honest(world)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<html>down</html>", b'[{"id": 1}, {"id', b"[1, 2, 3]"],
    ids=["empty", "object", "html", "truncated", "numbers"],
)
def test_a_bucket_that_is_none_closes_nothing(make_world: MakeWorld, body: bytes) -> None:
    world = make_world(ids=IDS)
    world.sync()
    before, at = world.rows(ROWS), cursor(world)
    world.clock.forward(hours=13)
    twist(world, said("bucket", Answer(body)))

    job = world.sync()

    assert_partial(job, "the portal was not")
    assert world.rows(ROWS) == before
    assert world.scalar("SELECT count(*) FROM portal_rows WHERE vanished_at IS NOT NULL") == 0
    assert cursor(world) == at
    assert_honest(world)


def test_a_third_of_the_bucket_gone_before_its_time_is_doubted(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_180, 137_000))
    world.sync()
    world.clock.forward(minutes=30)
    twist(world, only("bucket", lambda rows: [row for row in rows if row["id"] % 3], world))
    # The portal's own count agrees with what it shows.
    total = world.scalar("SELECT count(*) FROM portal_rows WHERE n % 3 <> 0")
    part = Answer(orjson.dumps({"draw": 1, "recordsTotal": total, "recordsFiltered": total, "data": []}))
    shown = only("bucket", lambda rows: [row for row in rows if row["id"] % 3], world)
    twist(world, lambda request: part if request.endpoint == "page" else shown(request))

    assert_partial(world.sync(), "tenders left the bucket before their closing time")
    assert world.scalar("SELECT count(*) FROM portal_rows WHERE vanished_at IS NOT NULL") == 0


def test_a_cancelled_tender_is_fetched_again_as_soon_as_it_leaves_the_bucket(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    number = world.scalar("SELECT max(n) FROM portal_rows")
    world.clock.forward(minutes=30)
    world.stand_in.world.change(number, "cancel")
    world.stand_in.traffic.reset()

    assert world.sync().status == "SUCCESS"

    assert world.stand_in.traffic.summary()["requests"]["release"] == 1
    assert unlike_served(world) == []
    assert world.scalar("SELECT lifecycle FROM tenders WHERE n = :n", n=number) == "cancelled"
    world.clock.forward(minutes=30)
    world.stand_in.traffic.reset()
    world.sync()
    assert "release" not in world.stand_in.traffic.summary()["requests"]


def odd_rows(rows: list[dict[str, Any]]) -> list[Any]:
    """The rows with their identifiers written in every way, a few unusable ones among them, one of them twice."""
    given: list[Any] = []
    for place, row in enumerate(rows):
        given.append(row | {"id": (row["id"], str(row["id"]), float(row["id"]))[place % 3]})
    return [*given, rows[0], rows[0] | {"id": None}, rows[0] | {"id": "x"}, rows[1] | {"id": -4}, None, 7]


def test_rows_with_odd_identifiers_and_statuses_are_read_as_far_as_they_can_be(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    twist(world, only("bucket", lambda rows: odd_rows([row | {"status": "Limbo"} for row in rows]), world))

    job = world.sync()

    assert job.status == "SUCCESS", job.note
    shown = sum(1 for each in world.stand_in.truth() if each["older"])
    assert job.metadata["portalRows"] == shown
    assert job.metadata["coverage"]["missing"] == 0
    assert_honest(world)


def test_a_tender_in_two_buckets_at_once_stays_one(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    number = world.scalar("SELECT max(n) FROM portal_rows")
    row = next(each["older"] for each in world.stand_in.truth() if each["ocid"] == ocid_of(number))

    def both(request: Request) -> Answer | None:
        if request.endpoint != "bucket" or request.query.get("status") != "4":
            return None
        return Answer(orjson.dumps([row | {"status": "Cancelled"}]))

    twist(world, both)
    for _ in range(2):
        world.driver.run("tender-refresh", "inngest/scheduled.timer")
        world.clock.forward(hours=1)
        job = world.sync()
        assert job.status == "SUCCESS", job.note
        world.clock.forward(hours=23)
    assert world.scalar("SELECT count(*) FROM tenders WHERE n = :n", n=number) == 1
    assert world.scalar("SELECT count(*) FROM releases WHERE ocid = :o", o=ocid_of(number)) == 1
    assert unlike_served(world) == []


def test_rows_that_are_shown_in_two_forms_do_not_replace_each_other_for_ever(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)

    def doubled(rows: Any) -> Any:
        other = [row | {"description": "in another form"} for row in rows[:3]]
        return rows * (600 // len(rows) + 1) + other

    world.sync()
    twist(world, only("bucket", doubled, world))
    for _ in range(2):
        world.clock.forward(minutes=30)
        job = world.sync()
        assert job.metadata["portalRowsChanged"] == 0
        assert job.metadata["recordsProcessed"] == len(list(world.stand_in.truth()))
