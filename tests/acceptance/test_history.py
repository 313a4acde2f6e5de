"""A whole history through real processes, killed ten times on its way: complete, flat in memory, linear in time."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from db import jobs
from ocds.release import content_hash
from tests.acceptance.processes import PROTENDERS, Process, answers, free_port, running, wait_for
from tests.conftest import temporary_database

pytestmark = pytest.mark.soak

StandIn = Callable[..., tuple[str, Process]]
Settings = Callable[..., dict[str, str]]

SMALL = 2_000
# PROTENDERS_SOAK_TENDERS makes the large history another one.
LARGE = int(os.environ.get("PROTENDERS_SOAK_TENDERS", "200000"))
KILLS = 10
MOST_MB = 60
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What the app's processes took: the most memory of any of them, and CPU time beyond that of their starts."""

    peak_mb: float = 0.0
    cpu: float = 0.0
    kills: int = 0
    seconds: float = field(default_factory=time.monotonic)

    @contextmanager
    def of(self, process: Process) -> Iterator[None]:
        pid = process.popen.pid
        begun = _cpu(pid)
        yield
        self.cpu += _cpu(pid) - begun
        self.peak_mb = max(self.peak_mb, _peak_mb(pid))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


@dataclass
class History:
    """A database, a stand-in, and an app that fills the one from the other."""

    env: dict[str, str]
    database: sa.Engine
    source: str
    size: int

    @property
    def last(self) -> int:
        """The highest identifier that the stand-in has."""
        return self.size + (self.size - 1) // 53

    def scalar(self, statement: str) -> int:
        with self.database.connect() as connection:
            return int(connection.execute(sa.text(statement)).scalar_one())

    def ended(self) -> bool:
        with self.database.connect() as connection:
            found = jobs.page(connection, limit=1, type="HISTORY_BACKFILL")
        return bool(found) and found[0].finished_at is not None

    def held(self) -> int:
        return self.scalar("SELECT coalesce(max(n), 0) FROM tenders")

    def fill(self, *, kills: int, seconds: float) -> Cost:
        """Ask for everything, and kill the app so many times before it has it."""
        cost, dice, port = Cost(), random.Random(4), free_port()
        asked = False
        marks = sorted(dice.uniform(0.02, 0.95) * self.size for _ in range(kills))
        for mark in [*marks, None]:
            with running(*PROTENDERS, "serve", "--port", str(port), env=self.env) as process:
                answers(process, f"http://127.0.0.1:{port}/healthz", seconds=120)
                with cost.of(process):
                    if not asked:
                        data = {"fromId": 1, "toId": self.last}
                        event = {"name": "tender/history-backfill.requested", "data": data, "id": "all"}
                        httpx.post(
                            f"http://127.0.0.1:{port}/e/local", json=event, timeout=30
                        ).raise_for_status()
                        asked = True
                    if mark is None:
                        wait_for("the history's end", self.ended, seconds=seconds)
                    else:
                        held = f"{mark:,.0f} tenders"
                        wait_for(held, lambda mark=mark: self.held() >= mark, seconds=seconds)
                process.kill()
                cost.kills += mark is not None
        cost.seconds = time.monotonic() - cost.seconds
        return cost

    def assert_complete(self) -> None:
        """Everything is there as it is served, once, and the job says so."""
        with self.database.connect() as connection:
            (job,) = jobs.page(connection, limit=10, type="HISTORY_BACKFILL")
            assert (job.status, job.metadata["recordsAdded"]) == ("SUCCESS", self.size)
            hashes = {
                row.ocid: bytes(row.release_hash)
                for row in connection.execute(sa.text("SELECT ocid, release_hash FROM tenders"))
            }
        assert len(hashes) == self.size == self.scalar("SELECT count(*) FROM releases")
        seen = 0
        with httpx.Client(base_url=self.source, timeout=120) as client:
            while seen < self.size:
                query = {"offset": seen, "limit": 1000}
                page = client.get("/__replay__/truth", params=query).raise_for_status().json()["data"]
                assert page
                for each in page:
                    assert hashes.pop(each["ocid"]) == content_hash(each["release"]), each["ocid"]
                seen += len(page)
        assert hashes == {}


@pytest.fixture
def history(
    pg_server: str, template_database: str, stand_in: StandIn, settings: Settings
) -> Iterator[Callable[[int], History]]:
    """Makes histories of a size, each with a stand-in and a database of its own."""
    opened = []

    def make(size: int) -> History:
        base, _ = stand_in("--synthetic", str(size))
        context = temporary_database(pg_server, template=template_database)
        url = context.__enter__()
        database = sa.create_engine(url)
        opened.append((context, database))
        env = settings(base, SYNC_CRON="0 0 1 1 *", ENGINE_RETRY_BASE="0.01") | {"DATABASE_URL": url}
        return History(env, database, base, size)

    yield make
    for context, database in opened:
        database.dispose()
        context.__exit__(None, None, None)


def test_a_hundred_times_the_history_costs_a_hundred_times_the_time_and_no_more_memory(
    history: Callable[[int], History], capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = history(SMALL), history(LARGE)
    little = small.fill(kills=0, seconds=600)
    small.assert_complete()

    much = large.fill(kills=KILLS, seconds=7200)

    with capsys.disabled():
        print(f"\n{SMALL:,}: {little}\n{LARGE:,}: {much}")
    large.assert_complete()
    assert much.kills == KILLS
    assert much.peak_mb <= little.peak_mb + MOST_MB
    assert much.cpu <= 1.1 * LARGE / SMALL * little.cpu
