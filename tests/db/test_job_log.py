"""Pages of the job log: every order pages through all jobs once, and words find what people look for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from db import job_log, jobs
from db.job_log import Order

NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)


@pytest.fixture
def engine(db_engine: sa.Engine) -> sa.Engine:
    """Thirty ended jobs and one that runs; some took as long as others."""
    with db_engine.begin() as connection:
        for number in range(31):
            began = NOW - timedelta(hours=number // 2)
            jobs.create(
                connection,
                job_id=f"01JOB{number:021}",
                type="DELTA_SYNC" if number % 3 else "CLEANUP",
                function_id="tender-sync",
                run_id=f"01RUN{number:021}",
                event_id=f"scheduled-sync-2026-08-{number:02}",
                source="live",
                triggered_by="cron",
                actor=None,
                parameters={},
                now=began,
            )
            if number:
                error = {
                    "kind": "EXTERNAL_API",
                    "name": "UpstreamUnavailable",
                    "message": f"ocds-api.etenders.gov.za answered {500 + number} to /api/OCDSReleases?page={number}",
                }
                jobs.close(
                    connection,
                    f"01JOB{number:021}",
                    "FAILED" if number % 2 else "PARTIAL",
                    now=began + timedelta(seconds=number % 7),
                    note="3 days were not proven complete",
                    error=error if number % 2 else None,
                )
    return db_engine


@pytest.mark.parametrize("order", ["newest", "oldest", "longest", "shortest"])
def test_an_order_pages_through_every_job_once(engine: sa.Engine, order: Order) -> None:
    seen: list[jobs.Job] = []
    with engine.connect() as connection:
        while True:
            before = seen[-1].id if seen else None
            found = jobs.page(connection, limit=4, order=order, before=before)
            if not found:
                break
            seen += found
    by_time = order in {"newest", "oldest"}
    # By duration the running one is left out: it has none yet.
    assert len(seen) == len({job.id for job in seen}) == (31 if by_time else 30)
    keys = [job.started_at.timestamp() if by_time else job.metadata["durationMs"] for job in seen]
    assert keys == sorted(keys, reverse=order in {"newest", "longest"})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("01JOB000000000000000000007", 1),
        ("01run000000000000000000007", 1),
        ("scheduled-sync-2026-08-07", 1),
        ("507", 1),
        ("upstream", 15),
        ("answered 507", 1),
        ("etenders.gov.za 509", 1),
        ("/api/OCDSReleases?page=11", 1),
        ("not proven", 30),
        ("prov", 0),
        ("'quoted' & | !(", 0),
        ("...", 0),
        ("nowhere", 0),
    ],
)
def test_words_find_jobs_by_id_note_and_error(engine: sa.Engine, text: str, count: int) -> None:
    with engine.connect() as connection:
        assert len(jobs.page(connection, limit=50, text=text)) == count


def test_words_go_together_with_the_other_filters(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        found = jobs.page(
            connection,
            limit=50,
            text="proven",
            status="PARTIAL",
            type="CLEANUP",
            since=NOW - timedelta(hours=10),
            until=NOW - timedelta(hours=3),
            order="oldest",
        )
    assert [int(job.id[-3:]) for job in found] == [18, 12]


def test_the_active_jobs_come_with_the_steps_that_they_are_at(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        (only,) = job_log.active(connection, limit=5)
    assert only.id == f"01JOB{0:021}"
    assert only.steps == ()
