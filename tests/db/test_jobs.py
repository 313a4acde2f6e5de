"""The job log: opened once, closed once, counted in the transaction that changed something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from db import job_steps, jobs

NOW = datetime(2026, 10, 7, 10, 0, tzinfo=UTC)


def opened(conn: sa.Connection, job_id: str, **changed: Any) -> jobs.Created:
    """Open a job whose run has its name."""
    given: dict[str, Any] = {
        "job_id": job_id,
        "type": "DELTA_SYNC",
        "function_id": "tender-sync",
        "run_id": f"run-{job_id}",
        "event_id": None,
        "source": "replay",
        "triggered_by": "manual",
        "actor": None,
        "parameters": {},
        "now": NOW,
    }
    return jobs.create(conn, **given | changed)


def test_a_run_has_one_job_however_often_it_is_opened(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        assert opened(conn, "a") == jobs.Created("a", "RUNNING")
        assert opened(conn, "b", run_id="run-a") == jobs.Created("a", "RUNNING")
        assert [job.id for job in jobs.page(conn, limit=10)] == ["a"]


def test_beside_another_one_a_job_is_skipped_or_queued_and_names_it(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        skipped = opened(conn, "b", beside="skip")
        queued = opened(conn, "c", beside="queue", now=NOW + timedelta(seconds=1))
        assert skipped == jobs.Created("b", "SKIPPED", "a")
        assert queued == jobs.Created("c", "QUEUED", "a")
        assert jobs.take_turn(conn, "c", now=NOW) == "a"
        jobs.close(conn, "a", "SUCCESS", now=NOW)
        assert jobs.take_turn(conn, "c", now=NOW) is None
        found = jobs.get(conn, "c")
        assert found is not None
        assert (found.status, found.note) == ("RUNNING", None)


@pytest.mark.parametrize("late", ["SUCCESS", "PARTIAL", "FAILED", "CRASHED"])
def test_whoever_comes_late_does_not_write_over_a_cancellation(db_engine: sa.Engine, late: str) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        assert jobs.close(conn, "a", "CANCELLED", now=NOW, note="by an admin")
        assert not jobs.close(conn, "a", late, now=NOW + timedelta(hours=1), note="done")
        found = jobs.get(conn, "a")
        assert found is not None
        assert (found.status, found.note, found.finished_at) == ("CANCELLED", "by an admin", NOW)


def test_a_request_to_stop_is_seen_at_the_next_beat(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        assert jobs.beat(conn, "a", now=NOW) == "RUNNING"
        assert jobs.request_cancel(conn, "a", by="admin", now=NOW)
        assert jobs.beat(conn, "a", now=NOW) == "CANCELLING"
        jobs.close(conn, "a", "CANCELLED", now=NOW)
        assert not jobs.request_cancel(conn, "a", by="admin", now=NOW)


def test_a_step_that_ran_twice_counts_its_changes_once_and_its_reading_once(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        jobs.add_effect(conn, "a", "save", processed=10, added=4, updated=1)
        jobs.add_effect(conn, "a", "save", processed=0, added=0, updated=0)
        jobs.add_effect(conn, "a", "list", processed=5, rejected=1)
        found = jobs.get(conn, "a")
        assert found is not None
        names = ("recordsProcessed", "recordsAdded", "recordsUpdated", "recordsUnchanged", "recordsRejected")
        assert [found.metadata[name] for name in names] == [15, 4, 1, 9, 1]
        with pytest.raises(ValueError, match="does not count guesses"):
            jobs.add_effect(conn, "a", "save", guesses=1)


def test_steps_show_their_attempts_times_and_last_error(db_engine: sa.Engine) -> None:
    error = {"kind": "EXTERNAL_API", "name": "UpstreamError", "message": "down"}
    at = {"run_id": "run-a", "name": "fetch"}
    with db_engine.begin() as conn:
        opened(conn, "a")
        assert job_steps.start(conn, "a", **at, now=NOW) == 1
        job_steps.fail(conn, "a", **at, status="RETRYING", error=error, now=NOW + timedelta(seconds=2))
        assert jobs.last_error(conn, "a") == error
        assert job_steps.start(conn, "a", **at, now=NOW + timedelta(seconds=30)) == 2
        job_steps.finish(conn, "a", **at, output={"rows": 3}, now=NOW + timedelta(seconds=31))
        found = jobs.get(conn, "a")
    assert found is not None
    (step,) = found.to_json()["steps"]
    assert (step["status"], step["attempts"], step["durationMs"]) == ("SUCCESS", 2, 1000)
    assert step["error"] == error
    assert step["output"] == {"rows": 3}
    assert step["startedAt"] == "2026-10-07T12:00:00+02:00"
    assert found.metadata["executions"] == 3


def test_closing_a_failed_job_closes_its_open_step(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        job_steps.start(conn, "a", run_id="run-a", name="fetch", now=NOW)
        jobs.close(conn, "a", "CRASHED", now=NOW)
        found = jobs.get(conn, "a")
    assert found is not None
    assert [step.status for step in found.steps] == ["CANCELLED"]


def test_pages_go_back_in_time_without_gap_or_repeat(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        for number in range(7):
            opened(conn, f"j{number}", now=NOW + timedelta(minutes=number // 2))
            jobs.close(conn, f"j{number}", "SUCCESS" if number % 2 else "FAILED", now=NOW)
        seen: list[str] = []
        before = None
        while page := jobs.page(conn, limit=3, before=before):
            seen += [job.id for job in page]
            before = page[-1].id
        assert seen == ["j6", "j5", "j4", "j3", "j2", "j1", "j0"]
        assert [job.id for job in jobs.page(conn, limit=9, status="FAILED")] == ["j6", "j4", "j2", "j0"]


def test_statistics_count_by_status_and_know_the_last_good_sync(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        for number, status in enumerate(("SUCCESS", "PARTIAL", "FAILED")):
            opened(conn, status, now=NOW - timedelta(hours=number * 20))
            jobs.close(conn, status, status, now=NOW - timedelta(hours=number * 20) + timedelta(seconds=9))
        found = jobs.statistics(conn, now=NOW)
    assert (found["last24Hours"]["SUCCESS"], found["last24Hours"]["PARTIAL"]) == (1, 1)
    assert (found["last24Hours"]["FAILED"], found["last7Days"]["FAILED"]) == (0, 1)
    assert found["medianSeconds"] == {"DELTA_SYNC": 9.0}
    assert found["lastSyncAt"] == "2026-10-07T12:00:09+02:00"


def test_a_run_that_is_new_to_an_ended_job_carries_it_on_and_a_late_one_does_not(
    db_engine: sa.Engine,
) -> None:
    error = {"kind": "EXTERNAL_API", "name": "UpstreamError", "message": "503"}
    with db_engine.begin() as conn:
        opened(conn, "a")
        jobs.close(conn, "a", "FAILED", now=NOW, error=error)
        assert jobs.reopen(conn, "a", run_id="run-a", alone=True, now=NOW) is None
        late = jobs.get(conn, "a")
        assert late is not None
        assert late.status == "FAILED"
        assert jobs.reopen(conn, "a", run_id="again", alone=True, now=NOW) is None
        found = jobs.get(conn, "a")
        assert found is not None
        assert (found.status, found.run_id, found.error, found.finished_at) == (
            "RUNNING",
            "again",
            None,
            None,
        )
        assert jobs.of_run(conn, "again") == "a"


def test_an_ended_job_does_not_go_on_beside_a_running_one(db_engine: sa.Engine) -> None:
    with db_engine.begin() as conn:
        opened(conn, "a")
        jobs.close(conn, "a", "CANCELLED", now=NOW)
        opened(conn, "b")
        assert jobs.reopen(conn, "a", run_id="again", alone=True, now=NOW) == "b"
        assert jobs.of_run(conn, "again") is None
        assert jobs.reopen(conn, "a", run_id="again", alone=False, now=NOW) is None
