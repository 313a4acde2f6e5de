"""Retention: what is old enough goes, in small batches; what is young, running or needed stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from functions.resources import Limits
from tests.functions.conftest import World

MakeWorld = Callable[..., World]
COUNTS = """
    SELECT (SELECT count(*) FROM jobs WHERE type = 'OLD'), (SELECT count(*) FROM job_steps WHERE job_id LIKE 'j%'),
        (SELECT count(*) FROM staged_releases), (SELECT count(*) FROM audit_log), (SELECT count(*) FROM sessions),
        (SELECT count(*) FROM login_attempts), (SELECT count(*) FROM portal_snapshots)
"""


def fill(world: World, start: datetime, *, each: int) -> None:
    """Rows of every kind, one a day back from `start`."""
    series = "generate_series(0, CAST(:most AS integer)) AS g (i)"
    given = {"start": start, "most": each - 1}
    statements = [
        (
            "INSERT INTO jobs (id, type, status, function_id, run_id, started_at, finished_at, heartbeat_at)"
            " SELECT 'j' || i, 'OLD', CASE i WHEN 90 THEN 'RUNNING' ELSE 'SUCCESS' END, 'f', 'r' || i,"
            " :start - i * interval '1 day', CASE WHEN i <> 90 THEN :start - i * interval '1 day' END, now()"
            f" FROM {series}"
        ),
        (
            "INSERT INTO job_steps (job_id, run_id, name, status, started_at, attempt_started_at)"
            f" SELECT 'j' || i, 'r' || i, 's', 'SUCCESS', now(), now() FROM {series}"
        ),
        (
            "INSERT INTO staged_releases (job_id, ocid, n, content_hash, body, fetched_at)"
            f" SELECT 'j' || i, 'o', 1, 'x', '{{}}', now() FROM {series}"
        ),
        (
            "INSERT INTO staged_releases (job_id, ocid, n, content_hash, body, fetched_at)"
            " VALUES ('forgotten', 'o', 1, 'x', '{}', now())"
        ),
        (
            "INSERT INTO audit_log (at, actor, action)"
            f" SELECT :start - i * interval '1 day', 'a', 'b' FROM {series}"
        ),
        ("INSERT INTO users (id, username, password_hash, role) VALUES ('u', 'u', 'x', 'viewer')"),
        (
            "INSERT INTO sessions (token_hash, user_id, expires_at)"
            f" SELECT decode(lpad(to_hex(i), 8, '0'), 'hex'), 'u', :start + (5 - i) * interval '1 day' FROM {series}"
        ),
        (
            "INSERT INTO login_attempts (username, attempted_at)"
            f" SELECT 'u', :start - i * interval '1 day' FROM {series}"
        ),
        (
            "INSERT INTO portal_snapshots (bucket, fetched_at, accepted)"
            f" SELECT 1 + i % 2, :start - (i + 80) * interval '1 day', i > 40 FROM {series}"
        ),
    ]
    for statement in statements:
        world.execute(statement, **given)


def cleaned(world: World) -> None:
    run = world.driver.run("cleanup-jobs", "system/cleanup-jobs.requested", {"timeoutMinutes": 100_000})
    assert world.job(run).status == "SUCCESS"


@pytest.mark.parametrize("batch", [3, 2000])
def test_each_kind_is_kept_for_its_time_whatever_the_size_of_a_batch(
    make_world: MakeWorld, batch: int
) -> None:
    limits = Limits(jobs_kept_days=60, audit_kept_days=70, housekeeping_batch=batch)
    world = make_world(ids=(134_000, 135_000), limits=limits)
    fill(world, world.clock.now, each=100)
    for _ in range(3 if batch == 3 else 1):
        cleaned(world)

    # The running job stays; of the looks, those younger than 90 days, and the newest believed one of each bucket
    # with all that is newer.
    assert world.rows(COUNTS) == [(61, 61, 2, 70, 5, 30, 43)]
    assert world.rows("SELECT job_id FROM staged_releases ORDER BY 1") == [("j0",), ("j90",)]
    before = world.rows(COUNTS)
    cleaned(world)
    assert world.rows(COUNTS) == before


def test_a_row_that_somebody_holds_is_passed_over_and_goes_the_next_time(make_world: MakeWorld) -> None:
    world = make_world(ids=(134_000, 135_000), limits=Limits(audit_kept_days=10))
    fill(world, world.clock.now - timedelta(days=20), each=4)
    with world.engine.begin() as holder:
        holder.execute(sa.text("SELECT FROM audit_log WHERE id = (SELECT min(id) FROM audit_log) FOR UPDATE"))
        cleaned(world)
        assert world.scalar("SELECT count(*) FROM audit_log") == 1
    cleaned(world)
    assert world.scalar("SELECT count(*) FROM audit_log") == 0
