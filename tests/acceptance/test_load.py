"""A burst of events and a crowd of readers while a backfill runs: no error, and soon all is as quick as before."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
import sqlalchemy as sa

from tests.acceptance.processes import PROTENDERS, Process, answers, free_port, running, wait_for
from tests.acceptance.readers import Read, crowd

pytestmark = pytest.mark.acceptance

StandIn = Callable[..., tuple[str, Process]]
Settings = Callable[..., dict[str, str]]
PAGES = (
    "/admin",
    "/admin/jobs",
    "/api/tenders?limit=20",
    "/api/admin/jobs",
    "/admin/tenders",
    "/readyz",
    "/metrics",
)


@dataclass(frozen=True)
class Size:
    """How much of everything; a reader asks for a page `every` seconds, or as soon as it has the last one."""

    events: int
    readers: int
    reads: int
    every: float


SMALL = Size(events=500, readers=10, reads=10, every=0.0)
# Who reads needs a while for each page.
WHOLE = Size(events=5_000, readers=200, reads=20, every=2.0)


@dataclass
class Server:
    """A running app with a logged-in account."""

    url: str
    process: Process
    cookies: dict[str, str]
    database: sa.Engine

    def send(self, events: list[dict[str, object]]) -> None:
        answer = httpx.post(f"{self.url}/e/local", json=events, timeout=60)
        assert answer.status_code == 200, answer.text[:300]

    def scalar(self, statement: str, **given: object) -> int:
        with self.database.connect() as connection:
            return int(connection.execute(sa.text(statement), given).scalar_one())


@pytest.fixture
def server(stand_in: StandIn, settings: Settings, database_url: str) -> Iterator[Server]:
    base, _ = stand_in("--ids", "134180-134381")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = sa.create_engine(database_url)
    env = settings(base, SYNC_CRON="0 0 1 1 *", OPEN_DATA_REQUESTS_PER_MINUTE="0")
    with running(*PROTENDERS, "serve", "--port", str(port), env=env) as process:
        answers(process, f"{url}/readyz")
        with httpx.Client(base_url=url, timeout=30) as client:
            form = client.get("/admin/login").text
            token = re.search(r'name="form_token" value="([^"]+)"', form)
            assert token
            fields = {"username": "admin", "password": "a long pass phrase for tests", "form_token": token[1]}
            assert client.post("/admin/login", data=fields).status_code == 303
            cookies = dict(client.cookies)
        yield Server(url, process, cookies, database)
    database.dispose()


def read(server: Server, size: Size) -> list[Read]:
    """Every reader's reads, all readers at once."""
    return asyncio.run(
        crowd(
            server.url,
            PAGES,
            readers=size.readers,
            reads=size.reads,
            cookies=server.cookies,
            every=size.every,
        )
    )


def under_load(server: Server, size: Size) -> dict[str, object]:
    """The burst, the crowd and the backfill together; what was measured."""
    wanted = {"fromDate": "2026-01-01", "toDate": "2026-12-31"}
    server.send([{"name": "tender/history-backfill.requested", "data": wanted, "id": "the-backfill"}])
    wait_for("the backfill's job", lambda: server.scalar("SELECT count(*) FROM jobs"))
    begun = time.monotonic()
    # A cleanup is the cheapest run there is that does something.
    burst = [
        {"name": "system/cleanup-jobs.requested", "data": {}, "id": f"burst-{number}"}
        for number in range(size.events)
    ]
    sending = threading.Thread(target=server.send, args=(burst,))
    sending.start()
    reads = read(server, size)
    sending.join()
    wrong = [(each.path, each.status) for each in reads if each.status != 200]
    assert wrong == []
    taken = "SELECT count(*) FROM engine.events WHERE sender_id LIKE 'burst-%'"
    assert server.scalar(taken) == size.events
    wait_for(
        "the end of the burst",
        lambda: server.scalar("SELECT count(*) FROM engine.queue WHERE state IN ('r', 'o')") <= 1,
        seconds=600,
    )
    drained = time.monotonic()
    server.send([{"name": "system/cleanup-jobs.requested", "data": {}, "id": "after"}])
    ended = (
        "SELECT count(*) FROM engine.runs r JOIN engine.events e ON e.id = r.event_ids[1]"
        " WHERE e.sender_id = 'after' AND r.ended_at IS NOT NULL"
    )
    wait_for("a run after the burst", lambda: server.scalar(ended), seconds=10)
    seconds = sorted(each.seconds for each in reads)
    return {
        "reads": len(reads),
        "p50_ms": round(seconds[len(seconds) // 2] * 1000),
        "p99_ms": round(seconds[len(seconds) * 99 // 100] * 1000),
        "drained_s": round(drained - begun, 1),
        "recovered_s": round(time.monotonic() - drained, 2),
    }


def assert_unharmed(server: Server) -> None:
    """Nothing was refused, no pool ran out, nothing unexpected is in the log."""
    assert server.process.popen.poll() is None, server.process.said[-3000:]
    for sign in ("QueuePool limit", "Traceback", "unexpected error"):
        assert sign not in server.process.said, server.process.said[-3000:]
    failed = server.scalar("SELECT count(*) FROM engine.runs WHERE status = 'Failed'")
    assert failed == 0


def test_a_burst_with_readers_during_a_backfill_harms_nothing(server: Server) -> None:
    measured = under_load(server, SMALL)
    assert measured["reads"] == SMALL.readers * SMALL.reads
    assert_unharmed(server)


@pytest.mark.chaos
def test_five_thousand_events_and_two_hundred_readers_during_a_backfill(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = under_load(server, WHOLE)
    with capsys.disabled():
        print(f"\n{json.dumps(measured)} load average {os.getloadavg()}")
    assert_unharmed(server)
