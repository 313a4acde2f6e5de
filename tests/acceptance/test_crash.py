"""SIGKILL at any moment of a sync: the same run goes on from its last finished step and ends as if nothing had been."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
import sqlalchemy as sa

from db import jobs
from tests.acceptance.processes import PROTENDERS, Process, answers, free_port, running, wait_for
from tests.acceptance.snapshot import snapshot

StandIn = Callable[..., tuple[str, Process]]
Settings = Callable[..., dict[str, str]]

# Two hundred tenders: long enough to be hit in every step, short enough to be hit thirty times.
IDS = "134180-134381"
FINISHED = "('SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'CRASHED', 'SKIPPED')"


class Server:
    """A `protenders serve` that can be killed and started again on the same port and database."""

    def __init__(self, env: dict[str, str], database: sa.Engine) -> None:
        self.env, self.database, self.port = env, database, free_port()

    @contextmanager
    def up(self) -> Iterator[Process]:
        with running(*PROTENDERS, "serve", "--port", str(self.port), env=self.env) as process:
            answers(process, f"http://127.0.0.1:{self.port}/healthz")
            yield process

    def ask_for_a_sync(self) -> None:
        event = {"name": "tender/sync.requested", "data": {"triggeredBy": "manual"}, "id": "the-one-sync"}
        httpx.post(f"http://127.0.0.1:{self.port}/e/local", json=event, timeout=10).raise_for_status()

    def scalar(self, statement: str) -> object:
        with self.database.connect() as connection:
            return connection.execute(sa.text(statement)).scalar()

    def finished_steps(self) -> int:
        return int(str(self.scalar("SELECT count(*) FROM job_steps WHERE finished_at IS NOT NULL")))

    def ended(self) -> bool:
        done = self.scalar(f"SELECT count(*) FROM jobs WHERE type = 'DELTA_SYNC' AND status IN {FINISHED}")
        return bool(done)

    def everything_ended(self) -> bool:
        waiting = self.scalar(f"SELECT count(*) FROM jobs WHERE status NOT IN {FINISHED}")
        return self.ended() and waiting == 0


@pytest.fixture
def server(stand_in: StandIn, settings: Settings, database_url: str) -> Iterator[Server]:
    base, _ = stand_in("--ids", IDS)
    database = sa.create_engine(database_url)
    yield Server(settings(base, ENGINE_RETRY_BASE="0.01", SYNC_CRON="0 0 1 1 *"), database)
    database.dispose()


def _truthful_end(server: Server) -> None:
    """One sync job, successful; nothing open; no step finished twice."""
    assert server.scalar("SELECT count(*) FROM jobs WHERE type = 'DELTA_SYNC'") == 1
    assert server.scalar("SELECT status FROM jobs WHERE type = 'DELTA_SYNC'") == "SUCCESS"
    assert server.scalar("SELECT count(*) FROM jobs WHERE status IN ('RUNNING', 'QUEUED', 'RETRYING')") == 0
    doubled = server.scalar(
        "SELECT count(*) FROM (SELECT ocid, content_hash FROM releases GROUP BY 1, 2 HAVING count(*) > 1) AS twice"
    )
    assert doubled == 0
    with server.database.connect() as connection:
        (sync,) = jobs.page(connection, limit=10, type="DELTA_SYNC")
    assert sync.to_json()["metadata"]["recordsAdded"] == server.scalar("SELECT count(*) FROM tenders")


@pytest.fixture
def undisturbed(stand_in: StandIn, settings: Settings, second_database_url: str) -> dict[str, object]:
    """The state that a sync leaves that nobody disturbed."""
    base, _ = stand_in("--ids", IDS)
    database = sa.create_engine(second_database_url)
    env = settings(base, ENGINE_RETRY_BASE="0.01", SYNC_CRON="0 0 1 1 *") | {
        "DATABASE_URL": second_database_url
    }
    server = Server(env, database)
    with server.up():
        server.ask_for_a_sync()
        wait_for("the end of an undisturbed sync", server.everything_ended, seconds=90)
    database.dispose()
    return snapshot(second_database_url)


@pytest.mark.acceptance
def test_killed_at_every_step_boundary_the_run_goes_on_where_it_was(
    server: Server, undisturbed: dict[str, object], database_url: str
) -> None:
    with server.up():
        server.ask_for_a_sync()
        wait_for("the job", lambda: server.scalar("SELECT count(*) FROM jobs"))
    kills = 0
    while not server.ended():
        with server.up() as process:
            steps = server.finished_steps()
            wait_for(
                "another finished step",
                lambda steps=steps: server.finished_steps() > steps or server.ended(),
                seconds=60,
            )
            process.kill()
            kills += 1
    assert kills >= 5  # a boundary that is passed within milliseconds can be missed from outside
    with server.up():
        wait_for("the end of the follow-up", server.everything_ended, seconds=90)
    _truthful_end(server)
    assert snapshot(database_url) == undisturbed


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_ten_random_moments_the_run_goes_on_where_it_was(
    server: Server, undisturbed: dict[str, object], database_url: str, seed: int
) -> None:
    moments = random.Random(seed)
    with server.up() as process:
        server.ask_for_a_sync()
        process.kill()
    for _ in range(9):
        if server.everything_ended():
            break
        with server.up() as process:
            with suppress(subprocess.TimeoutExpired):  # it lives on until this moment, as it should
                process.popen.wait(moments.uniform(0.0, 1.2))
            process.kill()
    with server.up():
        wait_for("the end of the sync", server.everything_ended, seconds=120)
    _truthful_end(server)
    assert snapshot(database_url) == undisturbed
