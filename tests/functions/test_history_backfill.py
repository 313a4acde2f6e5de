"""history-backfill: a whole range, in portions, over many runs, paused and taken up again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from db import history
from functions.resources import Limits
from ocds.ids import ocid_of
from tests.functions.conftest import World
from tests.functions.content import content, unlike_served
from tests.functions.driver import Killed, Run

MakeWorld = Callable[..., World]
EVENT = "tender/history-backfill.requested"
SMALL = Limits(history_batch=20, history_steps_per_run=3)


def all_legs(world: World, data: dict[str, object]) -> list[Run]:
    """Drive the first run and every run that it is carried on in."""
    runs = [world.driver.run("history-backfill", EVENT, data)]
    while world.client.sent:
        following = world.client.sent.pop(0)
        runs.append(world.driver.run("history-backfill", following.name, dict(following.data)))
    return runs


def test_a_range_is_fetched_completely_over_several_runs_under_one_job(make_world: MakeWorld) -> None:
    world = make_world(synthetic=300, limits=SMALL)

    runs = all_legs(world, {"fromId": 1, "toId": 306})

    job = world.job(runs[0])
    assert len(runs) >= 5
    assert all(run.requests <= 12 for run in runs)
    assert {world.job(run).id for run in runs} == {job.id}
    assert (job.status, job.metadata["recordsAdded"]) == ("SUCCESS", 300)
    assert job.progress is not None
    assert (job.progress["done"], job.progress["etaSeconds"]) == (306, 0)
    assert unlike_served(world) == []
    assert world.scalar("SELECT count(*) FROM tender_ids WHERE state = 'hole'") == 306 - 300


def test_a_range_that_is_held_already_asks_nothing(make_world: MakeWorld) -> None:
    world = make_world(synthetic=60, limits=Limits(history_batch=50))
    all_legs(world, {"fromId": 1, "toId": 61})
    world.stand_in.traffic.reset()

    again = world.job(all_legs(world, {"fromId": 1, "toId": 61})[0])

    assert (again.status, again.metadata["recordsAdded"]) == ("SUCCESS", 0)
    assert world.stand_in.traffic.summary()["requests"]["all"] == 0


def test_killed_again_and_again_it_ends_as_if_nothing_had_been(
    make_world: MakeWorld, empty_database_url: str
) -> None:
    from db import migrate

    migrate.upgrade(empty_database_url)
    limits = Limits(history_batch=20)
    calm = make_world(synthetic=100, limits=limits)
    undisturbed = calm.job(all_legs(calm, {"fromId": 1, "toId": 102})[0])
    killed = make_world(synthetic=100, limits=limits, url=empty_database_url)
    run = Run("history-backfill", {"name": EVENT, "data": {"fromId": 1, "toId": 102}, "id": "e", "ts": 1})
    dice = Random(3)
    deaths = 0
    while run.output is None:
        if deaths < 10:
            killed.clock.kill_at = killed.clock.looks + dice.randrange(3, 30)
        try:
            killed.driver.drive(run)
        except Killed:
            deaths += 1

    killed.clock.kill_at = None
    assert deaths == 10
    assert content(killed) == content(calm)
    assert killed.job(run).metadata["recordsAdded"] == undisturbed.metadata["recordsAdded"] == 100


def test_a_paused_history_stops_at_its_next_batch_and_is_taken_up_again(make_world: MakeWorld) -> None:
    world = make_world(synthetic=100, limits=Limits(history_batch=20))

    def pause(run: Run) -> None:
        if len(run.memos) == 4:
            with world.engine.begin() as conn:
                history.pause(conn, now=world.clock.now)

    world.driver._before = pause
    paused = world.job(world.driver.run("history-backfill", EVENT, {"fromId": 1, "toId": 102}))
    assert paused.status == "PARTIAL"
    assert paused.note == "paused at identifier 41"
    held = world.scalar("SELECT count(*) FROM tenders")
    assert 0 < held < 100

    world.driver._before = lambda _: None
    with world.engine.begin() as conn:
        history.resume(conn, now=world.clock.now)
    again = world.job(world.driver.run("history-backfill", EVENT, {"fromId": 1, "toId": 102}))
    assert (again.status, again.metadata["recordsAdded"]) == ("SUCCESS", 100 - held)


def test_a_second_history_waits_for_the_first(make_world: MakeWorld) -> None:
    world = make_world(synthetic=40, limits=Limits(history_batch=20))
    world.execute(
        "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
        " VALUES ('first', 'HISTORY_BACKFILL', 'RUNNING', 'history-backfill', 'elsewhere', :then, :then)",
        then=world.clock.now,
    )
    seen: list[str] = []

    def look(run: Run) -> None:
        seen.extend(status for (status,) in world.rows("SELECT status FROM jobs WHERE id <> 'first'"))
        if len(run.sleeps) == 2:
            world.execute("UPDATE jobs SET status = 'SUCCESS', finished_at = now() WHERE id = 'first'")

    world.driver._before = look
    run = world.driver.run("history-backfill", EVENT, {"fromId": 1, "toId": 40})

    assert "QUEUED" in seen
    assert len(run.sleeps) == 2
    assert world.job(run).status == "SUCCESS"


def test_a_range_of_days_is_found_by_its_ends_and_filled_by_identifier(make_world: MakeWorld) -> None:
    world = make_world(synthetic=2000, synthetic_per_day=20, limits=Limits(history_batch=200))
    last = world.clock.now.date() - timedelta(days=30)
    first = last - timedelta(days=19)

    job = world.job(all_legs(world, {"fromDate": str(first), "toDate": str(last)})[0])

    assert job.status == "SUCCESS", job.note
    held = {ocid for (ocid,) in world.rows("SELECT ocid FROM tenders")}
    then = {
        each["ocid"]
        for each in world.stand_in.truth()
        if str(first) <= each["release"]["date"][:10] <= str(last)
    }
    assert len(then) >= 300
    assert then <= held
    assert len(held) < 1200


def test_an_identifier_without_an_answer_makes_a_history_partial(make_world: MakeWorld) -> None:
    world = make_world(synthetic=60, limits=Limits(history_batch=50))
    world.stand_in.orders.add("release", "500", times=-1, ocid=ocid_of(7))
    job = world.job(all_legs(world, {"fromId": 1, "toId": 61})[0])
    assert (job.status, job.metadata["recordsAdded"]) == ("PARTIAL", 59)
    assert job.note == "identifiers without a proper answer: 1; they are asked for again"


def test_a_range_above_all_that_is_known_is_not_called_complete(make_world: MakeWorld) -> None:
    world = make_world(synthetic=50)
    world.sync()
    job = world.job(all_legs(world, {"fromId": 900_000})[0])
    assert job.status == "PARTIAL"
    assert job.note is not None
    assert job.note.startswith("fromId 900000 is above the highest known identifier, ")
    assert job.metadata["range"] is None


def test_days_without_anything_published_are_said_to_be_empty(make_world: MakeWorld) -> None:
    world = make_world(synthetic=50)
    job = world.job(all_legs(world, {"fromDate": "2015-01-01", "toDate": "2015-01-20"})[0])
    assert (job.status, job.note) == (
        "PARTIAL",
        "nothing is known to have been published from 2015-01-01 to 2015-01-20",
    )
