"""tender-sync against the recorded stand-in: everything there, nothing twice, and a log that is true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from functions.resources import Limits
from tests.functions.conftest import World

MakeWorld = Callable[..., World]
VERSIONS = "SELECT ocid, xmin::text, ctid::text FROM tenders ORDER BY ocid"


def served(world: World) -> dict[str, object]:
    """What the stand-in would give for each published tender, by ocid."""
    return {each["ocid"]: each for each in world.stand_in.truth()}


def test_a_sync_saves_every_tender_once_with_its_release_and_its_row(world: World) -> None:
    job = world.sync()

    assert (job.status, job.note) == ("SUCCESS", "everything is there")
    there = len(served(world))
    covered = job.metadata["coverage"]
    assert covered == {"expected": there, "present": there, "missing": 0, "awaitingRelease": 0}
    assert job.metadata["recordsAdded"] == there == world.scalar("SELECT count(*) FROM tenders")
    assert world.scalar("SELECT count(*) FROM portal_rows p JOIN tenders t USING (n)") == world.scalar(
        "SELECT count(*) FROM tenders WHERE enrichment_status = 'enriched'"
    )
    assert world.scalar("SELECT count(*) FROM staged_releases") == 0


def test_two_thousand_tenders_are_enriched_with_at_most_four_requests_of_the_portal(
    make_world: MakeWorld,
) -> None:
    world = make_world(limits=Limits(max_enrichment_per_run=5_000, max_release_fetch_per_run=0))
    world.sync()
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'enriched'") >= 2_000
    asked = world.stand_in.traffic.summary()["requests"]
    assert asked.get("bucket", 0) + asked.get("page", 0) <= 4, asked


def test_closing_times_are_those_of_the_portal_in_south_african_time(world: World) -> None:
    world.sync()
    odd = world.rows(
        "SELECT t.ocid, t.closing_at, p.body ->> 'closing_Date' FROM tenders t JOIN portal_rows p USING (n)"
        " WHERE to_char(t.closing_at AT TIME ZONE INTERVAL '+02:00', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        " <> p.body ->> 'closing_Date'"
    )
    assert odd == []


def test_a_second_sync_finds_nothing_writes_no_tender_and_costs_little(world: World) -> None:
    world.sync()
    before = world.rows(VERSIONS)
    world.clock.forward(minutes=30)
    world.stand_in.traffic.reset()

    run = world.driver.run("tender-sync", "tender/sync.requested", {"triggeredBy": "cron"})
    job = world.job(run)

    assert (job.status, job.metadata["recordsAdded"], job.metadata["recordsUpdated"]) == ("SUCCESS", 0, 0)
    assert job.metadata["recordsUnchanged"] == job.metadata["recordsProcessed"]
    assert world.rows(VERSIONS) == before
    asked = world.stand_in.traffic.summary()["requests"]
    assert asked["bucket"] == 1
    assert "release" not in asked
    assert run.requests <= 13
    assert job.metadata["executions"] <= 13
    assert job.metadata["triggeredBy"] == "cron"


def test_an_unchanged_page_of_the_list_costs_few_statements(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_180, 137_000), limits=Limits(list_page_size=100))
    world.sync()
    world.clock.forward(minutes=30)
    statements: list[str] = []
    pages: list[int] = []
    plain = world.resources.ocds.list_page

    def counted(*given: Any, **named: Any) -> Any:
        pages.append(len(statements))
        return plain(*given, **named)

    sa.event.listen(world.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.resources.ocds, "list_page", counted)
        world.sync()

    costs = [after - before for before, after in pairwise(pages)]
    assert len(costs) >= 3
    assert max(costs) <= 20, statements
    assert not any("INSERT INTO staged_releases" in statement for statement in statements)


def test_the_worst_documented_mood_loses_nothing(make_world: MakeWorld) -> None:
    world = make_world(faults="documented", time_scale=0.0, limits=Limits(max_enrichment_per_run=5000))

    first = world.sync()
    assert first.status == "SUCCESS", (first.note, [step.to_json() for step in first.steps])
    assert first.metadata["coverage"]["missing"] == 0

    drained = world.drain()
    assert drained.status == "SUCCESS", drained.note
    assert drained.metadata["coverage"]["awaitingRelease"] == 0

    world.clock.forward(minutes=30)
    before = world.rows(VERSIONS)
    second = world.sync()
    assert second.status == "SUCCESS", second.note
    assert (second.metadata["recordsAdded"], second.metadata["recordsUpdated"]) == (0, 0)
    assert world.rows(VERSIONS) == before


def test_the_rest_of_a_large_first_sync_goes_to_a_background_run(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_000, 137_000), limits=Limits(max_release_fetch_per_run=0, first_sync_days=1))

    job = world.sync()

    covered = job.metadata["coverage"]
    assert job.status == "SUCCESS"
    assert covered["awaitingRelease"] > 50
    assert covered["missing"] == 0
    assert covered["present"] + covered["awaitingRelease"] == covered["expected"]
    assert [event.name for event in world.client.sent] == ["tender/history-backfill.requested"]
    alone = world.rows(
        "SELECT DISTINCT p.value ->> 'source' FROM tenders t, jsonb_each(t.provenance) p WHERE t.release_hash IS NULL"
    )
    assert ("release",) not in alone

    drained = world.drain()

    assert drained.status == "SUCCESS"
    assert drained.metadata["coverage"]["awaitingRelease"] == 0
    assert drained.progress is not None
    assert drained.progress["done"] == drained.progress["total"]
    assert world.scalar("SELECT count(*) FROM tenders WHERE release_hash IS NULL") == 0
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'pending'") == 0


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"fromDate": "2026-13-01"}, "fromDate"),
        (
            {"fromDate": "2026-10-05", "toDate": "2026-10-01"},
            "fromDate 2026-10-05 is after toDate 2026-10-01",
        ),
        ({"fromDate": "0001-01-01"}, "fromDate"),
        ({"fromDate": "2036-10-05", "toDate": "2036-10-07"}, "fromDate 2036-10-05 is in the future"),
        ({"maxEnrichment": -1}, "maxEnrichment"),
        ({"maxEnrichmnet": 1}, "maxEnrichmnet is not a field of this event"),
        ({"triggeredBy": "somebody"}, "triggeredBy"),
    ],
)
def test_a_bad_payload_fails_at_once_and_names_the_field(
    world: World, data: dict[str, object], fault: str
) -> None:
    run = world.driver.run("tender-sync", "tender/sync.requested", data)
    job = world.job(run)

    assert run.requests == 1
    assert job.status == "FAILED"
    assert job.error is not None
    assert job.error["kind"] == "DATA"
    assert fault in job.error["message"]
    assert world.stand_in.traffic.summary()["requests"]["all"] == 0


def test_a_sync_beside_another_one_is_recorded_as_skipped(world: World) -> None:
    world.execute(
        "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, heartbeat_at)"
        " VALUES ('other', 'DELTA_SYNC', 'RUNNING', 'tender-sync', 'elsewhere', :now, :now)",
        now=world.clock.now,
    )
    job = world.sync()
    assert (job.status, job.note) == ("SKIPPED", "skipped: job other was already running")
    assert world.stand_in.traffic.summary()["requests"]["all"] == 0


def test_a_manual_window_lists_its_days_and_leaves_the_cursor(world: World) -> None:
    world.sync()
    cursor = world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'")
    assert cursor == (world.clock.now.date() - timedelta(days=1)).isoformat()
    for days in (("2026-09-01", "2026-09-03"), ("2026-10-06", "2026-10-07")):
        job = world.sync(fromDate=days[0], toDate=days[1])
        assert job.metadata["window"] == {"from": days[0], "to": days[1]}
        assert world.scalar("SELECT value FROM sync_state WHERE key = 'cursor'") == cursor


def test_no_sync_asks_for_days_that_have_not_begun(world: World) -> None:
    world.sync()
    today = world.clock.now.date()
    assert world.sync(fromDate=str(today), toDate="2036-01-01").metadata["window"]["to"] == str(today)
    assert world.scalar("SELECT max(day) FROM coverage_days") == today

    # What an earlier release has noted of such days does no harm.
    world.execute("INSERT INTO coverage_days (day, reason) VALUES ('2036-01-01', 'not listed')")
    world.clock.forward(minutes=30)
    assert world.sync().metadata["window"]["to"] == str(today)


def test_publication_waits_for_enrichment_where_that_is_required(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_000, 137_000))
    job = world.sync(requireEnrichment=True, maxEnrichment=10)

    assert job.status == "SUCCESS"
    assert job.metadata["enrichmentSuccess"] <= job.metadata["recordsAdded"]
    held = world.scalar("SELECT count(*) FROM tenders WHERE NOT is_published")
    waiting = world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status <> 'enriched'")
    assert held == waiting > 0
    assert world.scalar("SELECT count(*) FROM tenders WHERE enrichment_status = 'enriched'") >= 10
    assert world.rows("SELECT DISTINCT enrichment_error FROM tenders WHERE NOT is_published ORDER BY 1") == [
        ("over the limit of this run",),
        ("the portal does not list it now",),
    ]

    world.clock.forward(minutes=30)
    world.sync(requireEnrichment=True)
    left = "SELECT DISTINCT enrichment_status FROM tenders WHERE NOT is_published"
    assert world.rows(left) == [("not_listed",)]


def test_no_step_gives_out_more_than_64_kb(make_world: MakeWorld) -> None:
    world = make_world(
        synthetic=20_000,
        synthetic_per_day=2_000,
        limits=Limits(max_enrichment_per_run=20_000, max_release_fetch_per_run=100, first_sync_days=1),
    )
    run = world.driver.run("tender-sync", "tender/sync.requested")
    assert run.error is None
    assert world.scalar("SELECT count(*) FROM tenders") >= 15_000
    assert run.largest_output <= 64 * 1024
