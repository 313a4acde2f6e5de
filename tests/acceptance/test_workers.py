"""Several processes on one port, and another host beside them, share one database: nothing is done twice or lost."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.acceptance.processes import PROTENDERS, Process, answers, free_port, protenders, running, wait_for

pytestmark = pytest.mark.acceptance

StandIn = Callable[..., tuple[str, Process]]
Settings = Callable[..., dict[str, str]]
EVENT = {"name": "tender/sync.requested", "data": {"triggeredBy": "manual"}, "id": "the-one-sync"}
WORKERS = sa.text("SELECT process FROM engine.instances")
OWNER = sa.text("SELECT i.process FROM engine.queue AS q JOIN engine.instances AS i ON i.id = q.owner")
STATUS = sa.text("SELECT status FROM jobs WHERE type = 'DELTA_SYNC'")


class Group:
    """What the database knows of the processes."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url)

    def pids(self, statement: sa.TextClause = WORKERS) -> set[int]:
        with self.engine.connect() as connection:
            return {int(json.loads(row[0])["pid"]) for row in connection.execute(statement)}

    def statuses(self) -> list[str]:
        with self.engine.connect() as connection:
            return [str(row[0]) for row in connection.execute(STATUS)]

    def steps(self) -> int:
        with self.engine.connect() as connection:
            return int(
                connection.execute(
                    sa.text("SELECT count(*) FROM job_steps WHERE finished_at IS NOT NULL")
                ).scalar_one()
            )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers_and_another_host_do_one_sync_though_its_worker_is_killed(
    stand_in: StandIn, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    source, _ = stand_in("--ids", "134180-134381")
    env = settings(source, SYNC_CRON="0 0 1 1 *", ENGINE_RETRY_BASE="0.01", LOG_FORMAT="json")
    ports = free_port(), free_port()
    group = Group(database_url)
    command = (*PROTENDERS, "serve", "--port", str(ports[0]), "--workers", "2")
    # The other host has uvicorn's own command.
    uvicorn = (sys.executable, "-m", "uvicorn", "--factory", "app.server:create_app", "--port", str(ports[1]))
    elsewhere = env | {
        "PROTENDERS_HOME": str(tmp_path / "another"),
        "APP_URL": f"http://127.0.0.1:{ports[1]}",
    }
    with running(*command, env=env) as main, running(*uvicorn, env=elsewhere) as other:
        for process, port in ((main, ports[0]), (other, ports[1])):
            answers(process, f"http://127.0.0.1:{port}/readyz", seconds=60)
        wait_for("three engines", lambda: len(group.pids()) == 3)
        for port in ports:
            httpx.post(f"http://127.0.0.1:{port}/e/key", json=EVENT, timeout=30).raise_for_status()
        wait_for("two steps", lambda: group.steps() >= 2)
        workers = group.pids() - {other.popen.pid}
        driving = wait_for("a driver", lambda: group.pids(OWNER))
        # Whoever drives the run dies; if that is the other host, its worker's turn comes from the database alike.
        for pid in driving:
            os.kill(pid, signal.SIGKILL)
        wait_for("the end of the sync", lambda: group.statuses() == ["SUCCESS"], seconds=90)
        if driving & workers:
            wait_for("another worker", lambda: len(group.pids() & (group.pids() - driving)) == 3, seconds=60)
        for _ in range(2):
            said = protenders("jobs", "--json", env=env)
            assert said.code == 0, said.err
        assert "No server runs here" not in said.err
        main.popen.send_signal(signal.SIGTERM)
        assert main.popen.wait(20) == 0, main.said[-3000:]
        assert not [pid for pid in workers - driving if alive(pid)]
        for line in main.said.splitlines():
            if line.strip() and not line.startswith("  "):
                json.loads(line)
    assert group.statuses() == ["SUCCESS"]
    group.engine.dispose()


def test_workers_end_with_the_process_that_keeps_them(
    stand_in: StandIn, settings: Settings, database_url: str
) -> None:
    source, _ = stand_in("--ids", "134180-134190")
    port = free_port()
    group = Group(database_url)
    command = (*PROTENDERS, "serve", "--port", str(port), "--workers", "2")
    with running(*command, env=settings(source, SYNC_CRON="0 0 1 1 *")) as main:
        answers(main, f"http://127.0.0.1:{port}/readyz", seconds=60)
        wait_for("two engines", lambda: len(group.pids()) == 2)
        workers = group.pids()
        main.kill()
        wait_for("the end of the workers", lambda: not [pid for pid in workers if alive(pid)])
        assert group.pids() == set(), "they signed off"
    group.engine.dispose()
