"""What happens when something goes wrong: a crash, a cancellation, a host that is down, slow, or lying."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event

from db import jobs
from functions.resources import Limits
from tests.functions.conftest import Clock, World
from tests.functions.content import content, unlike_served
from tests.functions.driver import Killed, Run

MakeWorld = Callable[..., World]
SYNC = "tender/sync.requested"
IDS = (134_320, 137_000)


def test_a_sync_killed_at_any_moment_goes_on_and_ends_like_an_undisturbed_one(
    make_world: MakeWorld, empty_database_url: str
) -> None:
    from db import migrate

    migrate.upgrade(empty_database_url)
    calm = make_world(ids=IDS)
    undisturbed = calm.sync()
    looks = calm.clock.looks
    killed = make_world(ids=IDS, url=empty_database_url)
    moments = sorted(Random(7).sample(range(2, looks + 1), 12))

    run = Run("tender-sync", {"name": SYNC, "data": {}, "id": "e", "ts": 1})
    deaths = 0
    for moment in moments:
        killed.clock.kill_at = max(killed.clock.looks + 1, moment)
        try:
            killed.driver.drive(run)
            break
        except Killed:
            deaths += 1
    else:
        killed.clock.kill_at = None
        killed.driver.drive(run)
    job = killed.job(run)

    assert deaths >= 10
    assert run.error is None
    assert (job.status, job.note) == (undisturbed.status, undisturbed.note)
    assert content(killed) == content(calm)
    for count in ("recordsAdded", "recordsUpdated", "recordsProcessed", "enrichmentSuccess"):
        assert job.metadata[count] == undisturbed.metadata[count], count
    assert killed.scalar("SELECT count(*) FROM jobs WHERE status = 'RUNNING'") == 0


def test_a_database_error_is_retried_and_leaves_no_trace(world: World) -> None:
    failures = iter([True, True])

    def fail(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO tenders" in statement and next(failures, False):
            raise sa.exc.OperationalError(statement, {}, Exception("the connection was lost"))

    sa_event.listen(world.engine, "before_cursor_execute", fail)
    job = world.sync()

    assert job.status == "SUCCESS"
    saving = next(step for step in job.steps if step.name == "save-to-database")
    assert (saving.attempts, saving.status) == (3, "SUCCESS")
    assert saving.error is not None
    assert saving.error["kind"] == "APPLICATION"
    assert "the connection was lost" in saving.error["message"]
    assert job.metadata["recordsAdded"] == world.scalar("SELECT count(*) FROM tenders")


def test_both_hosts_down_fails_as_external_and_changes_nothing(world: World) -> None:
    world.sync()
    before = content(world)
    world.stand_in.orders.add("list", "500", times=-1)
    world.stand_in.orders.add("bucket", "html", times=-1)
    world.clock.forward(hours=1)

    run = world.driver.run("tender-sync", SYNC)
    job = world.job(run)

    assert job.status == "FAILED"
    assert job.error is not None
    assert job.error["kind"] == "EXTERNAL_API"
    assert run.error is not None
    assert content(world) == before


def test_a_host_that_asks_for_a_pause_is_left_alone_for_so_long(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.stand_in.orders.add("bucket", "503-retry-after")

    run = world.driver.run("tender-sync", SYNC)
    job = world.job(run)

    assert job.status == "SUCCESS"
    looked = next(step for step in job.steps if step.name == "fetch-portal-rows")
    assert looked.attempts == 2
    assert looked.error is not None
    assert looked.error["kind"] == "EXTERNAL_API"
    assert len(run.waits) == 1


def test_without_the_portal_a_sync_is_partial_and_its_return_heals_all(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.stand_in.orders.add("bucket", "503", times=-1)
    job = world.sync()

    assert job.status == "PARTIAL"
    assert job.note is not None
    assert "the portal was not read" in job.note
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'") > 0
    assert (
        world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'")
        != (world.clock.now.date() - timedelta(days=1)).isoformat()
    )

    world.stand_in.orders.clear()
    world.clock.forward(minutes=30)
    healed = world.sync()

    assert healed.status == "SUCCESS", healed.note
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'") == 0
    assert healed.metadata["coverage"]["missing"] == 0


def test_a_day_without_the_portal_loses_nothing_and_is_made_up_for_within_two_runs(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS, hold_back=0.4, publish_over=timedelta(hours=20))
    world.sync()
    told = "SELECT ocid, slug, city, organ_of_state_type, document_count FROM tenders WHERE is_published"
    enriched = f"{told} AND enrichment_status = 'enriched' AND release_hash IS NOT NULL ORDER BY ocid"
    before = world.rows(enriched)
    world.stand_in.orders.add("bucket", "503", times=-1)
    for _ in range(4):
        world.clock.forward(hours=6)
        job = world.sync()
        assert job.status == "PARTIAL"
        assert "the portal was not read" in str(job.note)
        assert "503" in str(job.note)
    reason = "SELECT count(*) FROM tenders WHERE enrichment_status = 'pending' AND enrichment_error = :error"
    assert world.scalar(reason, error="the portal could not be read") > 0
    assert set(before) <= set(world.rows(told))

    world.stand_in.orders.clear()
    for _ in range(2):
        world.clock.forward(minutes=30)
        job = world.sync()

    assert job.status == "SUCCESS", job.note
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'") == 0
    assert {row[0] for row in before} <= {row[0] for row in world.rows(enriched)}


@pytest.mark.parametrize("lie", ["half", "nothing", "future"])
def test_a_bucket_that_lies_is_not_believed_and_nothing_is_closed(make_world: MakeWorld, lie: str) -> None:
    world = make_world(ids=IDS)
    world.sync()
    before = world.rows("SELECT ocid, lifecycle FROM tenders ORDER BY ocid")
    world.stand_in.orders.add("bucket", lie, times=-1)
    world.clock.forward(minutes=30)

    job = world.sync()

    assert job.status == "PARTIAL"
    assert job.note is not None
    assert "the portal was not believed" in job.note
    assert world.rows("SELECT ocid, lifecycle FROM tenders ORDER BY ocid") == before
    assert world.scalar("SELECT count(*) FROM portal_rows WHERE vanished_at IS NOT NULL") == 0


def test_an_amended_tender_is_fetched_again_and_its_history_is_kept(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    number = world.scalar("SELECT max(n) FROM portal_rows")
    slug = world.scalar("SELECT slug FROM tenders WHERE n = :n", n=number)
    world.clock.forward(hours=2)
    world.stand_in.world.change(number, "amend")

    job = world.sync()

    assert job.status == "SUCCESS"
    assert job.metadata["recordsUpdated"] == 1
    assert world.scalar("SELECT count(*) FROM releases WHERE ocid = :o", o=f"ocds-9t57fa-{number}") == 2
    assert world.scalar("SELECT slug FROM tenders WHERE n = :n", n=number) == slug
    assert unlike_served(world) == []


def test_a_job_asked_to_stop_stops_before_its_next_step(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)

    def cancel(run: Run) -> None:
        if len(run.memos) == 4:
            with world.engine.begin() as conn:
                job_id = jobs.of_run(conn, run.run_id)
                assert job_id is not None
                assert jobs.request_cancel(conn, job_id, by="an admin", now=world.clock.now)

    world.driver._before = cancel
    run = world.driver.run("tender-sync", SYNC)
    job = world.job(run)

    assert (job.status, job.note) == ("CANCELLED", "cancelled on request")
    assert [step.name for step in job.steps][-1] == "fetch-ocds-releases-2"
    assert len(run.memos) == 4
    assert world.scalar("SELECT count(*) FROM tenders") == 0


def test_the_engines_cancellation_closes_the_job(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    run = Run("tender-sync", {"name": SYNC, "data": {}, "id": "e", "ts": 1})

    def kill(current: Run) -> None:
        if current is run and len(run.memos) == 3:
            raise Killed

    world.driver._before = kill
    with pytest.raises(Killed):
        world.driver.drive(run)
    assert world.job(run).status == "RUNNING"
    data = {"function_id": "protenders-platform-tender-sync", "run_id": run.run_id}

    world.driver.run("close-cancelled-jobs", "inngest/function.cancelled", data)

    assert world.job(run).status == "CANCELLED"


def test_cleanup_closes_the_dead_and_spares_the_living(world: World) -> None:
    for job_id, silent in (("dead", 31), ("alive", 29)):
        world.execute(
            "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
            " VALUES (:id, 'DELTA_SYNC', 'RUNNING', 'tender-sync', :id, :then, :beat)",
            id=job_id,
            then=world.clock.now - timedelta(hours=5),
            beat=world.clock.now - timedelta(minutes=silent),
        )
    run = world.driver.run("cleanup-jobs", "system/cleanup-jobs.requested")

    assert world.job(run).status == "SUCCESS"
    assert dict(world.rows("SELECT id, status FROM jobs WHERE id IN ('dead', 'alive')")) == {
        "dead": "CRASHED",
        "alive": "RUNNING",
    }


def test_what_has_closed_by_the_clock_is_closed_though_no_source_answers(world: World) -> None:
    world.sync()
    for order in ("list", "bucket"):
        world.stand_in.orders.add(order, "500", times=-1)
    world.clock.forward(days=200)
    passed = "SELECT count(*) FROM tenders WHERE lifecycle = 'open' AND closing_at < :now"
    assert world.sync().status == "FAILED"
    assert world.scalar(passed, now=world.clock.now) > 0
    world.driver.run("cleanup-jobs", "system/cleanup-jobs.requested")
    assert world.scalar(passed, now=world.clock.now) == 0


def test_a_run_that_was_taken_for_dead_goes_on_and_says_so(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    run = Run("tender-sync", {"name": SYNC, "data": {}, "id": "e", "ts": 1})

    def crash_once(current: Run) -> None:
        if len(current.memos) == 3 and world.job(run).status == "RUNNING":
            world.execute("UPDATE jobs SET status = 'CRASHED', finished_at = now()")

    world.driver._before = crash_once
    world.driver.drive(run)

    assert world.job(run).status == "SUCCESS"


def test_no_connection_is_held_while_a_host_is_asked(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS, clock=Clock())
    held: list[int] = []
    pool = world.engine.pool
    original = world.stand_in._respond

    async def respond(*args: object) -> None:
        held.append(pool.checkedout())  # type: ignore[attr-defined]
        await original(*args)  # type: ignore[arg-type]

    world.stand_in._respond = respond  # type: ignore[assignment, method-assign]
    world.sync()

    assert len(held) > 20
    assert set(held) == {0}


def test_a_release_that_cannot_be_read_is_kept_with_its_reason_and_stops_nothing(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ocds import release as reader
    from ocds.errors import RejectedRelease

    world = make_world(ids=IDS, limits=Limits(max_release_fetch_per_run=50))
    odd = "ocds-9t57fa-136747"
    plain = reader.read

    def read(raw: object) -> reader.Release:
        if isinstance(raw, dict) and raw.get("ocid") == odd:
            raise RejectedRelease("its date is on the wrong side of the moon", ocid=odd)
        return plain(raw)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "read", read)
        first = world.sync()
    assert first.metadata["recordsRejected"] > 0
    assert world.rows("SELECT ocid, reason FROM rejected_releases WHERE resolved_at IS NULL") == [
        (odd, "its date is on the wrong side of the moon")
    ]
    there = world.scalar("SELECT count(*) FROM tenders")

    monkeypatch.setattr(reader, "READER_VERSION", reader.READER_VERSION + 1)
    world.clock.forward(minutes=30)
    second = world.sync()

    assert second.status == "SUCCESS", second.note
    assert world.scalar("SELECT count(*) FROM rejected_releases WHERE resolved_at IS NULL") == 0
    assert world.scalar("SELECT count(*) FROM tenders") >= there
    assert unlike_served(world) == []
