"""The enriching functions: what is pending moves, oldest first, and nothing is dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from db import jobs
from functions.resources import Limits
from ocds.ids import ocid_of
from tests.functions.conftest import World
from tests.functions.driver import Run

MakeWorld = Callable[..., World]
IDS = (134_300, 137_000)
STATES = "SELECT enrichment_status, count(*) FROM tenders GROUP BY 1 ORDER BY 1"


def pending(world: World) -> int:
    """How many tenders wait for enrichment."""
    return int(world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'"))


def test_without_enrichment_everything_is_saved_and_waits(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS, limits=Limits(enable_enrichment=False))
    job = world.sync()

    assert job.status == "SUCCESS"
    assert pending(world) > 0
    assert job.metadata["enrichmentPending"] >= pending(world)
    assert world.scalar("SELECT count(*) FROM tenders WHERE NOT is_published") == 0


def test_enrich_today_takes_what_was_published_today(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync(maxEnrichment=0)
    today = (
        "SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'"
        " AND (published_at AT TIME ZONE INTERVAL '+02:00')::date = :day"
    )
    before = world.scalar(today, day=world.clock.now.date())
    others = pending(world) - before
    assert before > 0

    run = world.driver.run("enrich-today", "tender/enrich-today.requested", {"maxEnrichment": 500})
    job = world.job(run)

    assert job.status == "SUCCESS"
    assert job.type == "ENRICHMENT_TODAY"
    assert world.scalar(today, day=world.clock.now.date()) == 0
    assert pending(world) == others
    assert job.metadata["enrichmentSuccess"] == before


def test_enrich_backfill_covers_its_days_from_every_bucket_and_is_refused_twice(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS)
    world.sync(maxEnrichment=0)
    days = {"fromDate": "2026-08-01", "toDate": "2026-10-07", "maxEnrichment": 1000}
    world.execute(
        "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
        " VALUES ('first', 'ENRICHMENT_BACKFILL', 'RUNNING', 'enrich-backfill', 'elsewhere', :then, :then)",
        then=world.clock.now,
    )
    refused = world.job(world.driver.run("enrich-backfill", "tender/enrich-backfill.requested", dict(days)))
    assert (refused.status, refused.note) == ("SKIPPED", "skipped: job first was already running")
    world.execute("UPDATE jobs SET status = 'SUCCESS', finished_at = now() WHERE id = 'first'")

    job = world.job(world.driver.run("enrich-backfill", "tender/enrich-backfill.requested", dict(days)))

    assert job.status == "SUCCESS", job.note
    assert pending(world) == 0


def test_a_thousand_that_cannot_be_enriched_do_not_hold_up_those_that_can(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync(maxEnrichment=0)
    waiting = pending(world)
    world.execute(
        "INSERT INTO tenders (ocid, n, slug, lifecycle, enrichment_status, enrichment_attempts, enrichment_next_at,"
        " enrichment_error, is_published, first_seen_at, last_changed_at, content_hash)"
        " SELECT 'ocds-9t57fa-' || n, n, 'old-' || n, 'closed', 'not_listed', 1, :then,"
        " 'the portal does not list it now', true, :then, :then, 'x' FROM generate_series(1, 1000) AS n",
        then=world.clock.now - timedelta(days=40),
    )
    world.clock.forward(minutes=30)

    assert world.sync(maxEnrichment=40).metadata["enrichmentSuccess"] == 40

    assert pending(world) == waiting - 40
    (attempts, due) = world.rows("SELECT max(enrichment_attempts), min(enrichment_next_at) FROM tenders")[0]
    assert attempts == 1
    assert due < world.clock.now


def test_a_backfill_says_how_far_it_is_and_what_is_cancelled_is_left_for_the_next(
    make_world: MakeWorld,
) -> None:
    world = make_world(ids=IDS)
    world.sync(maxEnrichment=0)
    before = pending(world)
    days = {"fromDate": "2026-08-01", "toDate": "2026-10-07", "maxEnrichment": 1000}
    said: list[object] = []

    def look(run: Run) -> None:
        if run.memos:
            said.append(world.job(run).progress)

    def cancel(run: Run) -> None:
        if run.function == "enrich-backfill" and run.memos and world.job(run).progress:
            with world.engine.begin() as conn:
                jobs.request_cancel(conn, world.job(run).id, by="an admin", now=world.clock.now)

    world.driver._before = cancel
    stopped = world.job(world.driver.run("enrich-backfill", "tender/enrich-backfill.requested", dict(days)))
    assert (stopped.status, stopped.note) == ("CANCELLED", "cancelled on request")
    assert pending(world) == before
    assert world.scalar("SELECT count(*) FROM staged_tenders") == 0

    world.driver._before = look
    job = world.job(world.driver.run("enrich-backfill", "tender/enrich-backfill.requested", dict(days)))
    total = job.metadata["recordsProcessed"]
    assert total >= before
    assert {"phase": "tenders made", "done": total, "total": total} in said
    assert job.progress == {"phase": "tenders saved", "done": total, "total": total}
    assert pending(world) == 0


def test_enrich_tender_makes_one_tender_anew_from_both_sources(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync(maxEnrichment=0)
    ocid = world.scalar(
        "SELECT t.ocid FROM tenders t JOIN portal_rows p USING (n) WHERE enrichment_status = 'pending' LIMIT 1"
    )
    waiting = pending(world)

    job = world.job(
        world.driver.run("enrich-tender", "tender/enrich.requested", {"ocid": ocid, "force": True})
    )

    assert (job.status, job.note) == ("SUCCESS", f"{ocid} is up to date")
    assert pending(world) == waiting - 1
    status = world.scalar("SELECT enrichment_status FROM tenders WHERE ocid = :ocid", ocid=ocid)
    assert status == "enriched"


def test_an_unknown_ocid_is_a_partial_job_with_the_reason(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    job = world.job(
        world.driver.run("enrich-tender", "tender/enrich.requested", {"ocid": "ocds-9t57fa-999999"})
    )
    assert job.status == "PARTIAL"
    assert job.note == "the source gave no release of ocds-9t57fa-999999"
    assert job.metadata["recordsRejected"] == 0
    # A mistyped ocid is no missing tender.
    assert world.rows("SELECT state, is_expected FROM tender_ids WHERE n = 999999") == [("hole", False)]


def test_a_release_that_the_host_does_not_give_is_the_host_s_fault(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.stand_in.orders.add("release", "500", times=-1)
    job = world.job(
        world.driver.run("enrich-tender", "tender/enrich.requested", {"ocid": "ocds-9t57fa-134300"})
    )
    assert job.status == "FAILED"
    assert job.error is not None
    assert (job.error["kind"], job.error["name"]) == ("EXTERNAL_API", "UpstreamError")
    assert "500" in job.error["message"]


def test_what_the_portal_does_not_list_is_tried_ever_more_rarely(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    state = (
        "SELECT enrichment_attempts, enrichment_next_at FROM tenders WHERE enrichment_status = 'not_listed'"
    )
    (attempts, first), *_ = world.rows(state)
    assert attempts == 1
    world.clock.forward(hours=7)
    world.sync()
    (attempts, second), *_ = world.rows(state)
    assert attempts == 2
    assert second - world.clock.now > first - world.clock.now
    wait = second - world.clock.now
    world.clock.forward(hours=7)
    world.sync()
    assert world.rows(state)[0][0] == 2
    assert wait.total_seconds() > 11 * 3600


def test_tender_refresh_visits_what_is_due_and_backs_off(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    first = world.job(world.driver.run("tender-refresh", "inngest/scheduled.timer"))
    assert first.status == "SUCCESS", first.note
    number = world.scalar("SELECT max(n) FROM portal_rows WHERE vanished_at IS NULL AND bucket = 1")
    world.stand_in.world.change(number, "award")
    world.clock.forward(days=3)

    second = world.job(world.driver.run("tender-refresh", "inngest/scheduled.timer"))

    assert second.status == "SUCCESS", second.note
    lifecycle = world.rows("SELECT lifecycle, award_supplier FROM tenders WHERE n = :n", n=number)[0]
    assert lifecycle[0] == "awarded"
    assert lifecycle[1]


def test_a_release_without_an_answer_makes_a_refresh_partial(make_world: MakeWorld) -> None:
    world = make_world(ids=IDS)
    world.sync()
    world.driver.run("tender-refresh", "inngest/scheduled.timer")
    number = world.scalar("SELECT max(n) FROM portal_rows WHERE vanished_at IS NULL AND bucket = 1")
    world.stand_in.orders.add("release", "500", times=-1, ocid=ocid_of(number))
    world.clock.forward(days=3)
    job = world.job(world.driver.run("tender-refresh", "inngest/scheduled.timer"))
    assert job.status == "PARTIAL"
    assert job.note == "releases without a proper answer: 1; the next sync asks for them again"
