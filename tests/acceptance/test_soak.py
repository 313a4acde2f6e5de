"""A month of syncs with everything that goes wrong in a month; at its end nothing is missing, open or growing."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
import pytest

from app.loopback import ThreadedServer
from app.replay.stand_in import ReplayConfig, StandIn, make_app
from db import coverage, migrate
from db.embedded import EmbeddedPostgres
from db.engine import make_engine, psycopg_dsn
from ocds.dates import SAST
from tests.acceptance import dying, soaking
from tests.acceptance.soaking import KEPT, Orders, ToldClock
from tests.conftest import _home, temporary_database
from tests.engine.test_chaos import answers, restart
from tests.functions.content import unlike_served
from tests.waiting import until

pytestmark = pytest.mark.acceptance

# The SDK stamps its events with the real time, and an event of the future would be waited for.
START = datetime(2031, 10, 7, 6, 7, 0, tzinfo=SAST)
HOSTS = ("list", "release", "page", "bucket", "download")
MOODS = ("none", "documented", "none", "seed:11", "documented", "seed:3", "none", "seed:27")
_BUSY = """
SELECT (SELECT count(*) FROM engine.queue WHERE state IN ('r', 'o') OR (state = 't' AND wake_at <= %(now)s))
     + (SELECT count(*) FROM engine.schedules WHERE next_at <= %(now)s)
     + (SELECT count(*) FROM engine.intents),
       (SELECT min(wake_at) FROM engine.queue WHERE state = 't')
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A soak: one sync each `every`, for so many `days`; what happens on which day."""

    days: float
    every: timedelta
    cron: str
    outage: tuple[float, float]
    killed: frozenset[int]
    restarted: frozenset[int]
    ids: tuple[int, int]

    @property
    def syncs(self) -> int:
        return round(timedelta(days=self.days) / self.every)


MONTH = Plan(
    days=30,
    every=timedelta(minutes=30),
    cron="7,37 * * * *",
    outage=(12.0, 14.0),
    # In each of the first nights, about the outage, and once late: from then on memory is watched.
    killed=frozenset([*range(40, 480, 60), 580, 650, 690]),
    restarted=frozenset([*range(20, 500, 90), 600, 1000, 1300]),
    ids=(134_180, 137_000),
)
DAY = Plan(
    days=1,
    every=timedelta(hours=2),
    cron="7 */2 * * *",
    outage=(0.4, 0.6),
    killed=frozenset([3]),
    restarted=frozenset([8]),
    ids=(134_340, 137_000),
)


@dataclass
class Sample:
    """What the app held after a sync."""

    rss: int
    threads: int
    descriptors: int
    connections: int


@dataclass
class Soak:
    """A simulated installation: its clock, its hosts, its database, and the process that lives now."""

    plan: Plan
    url: str
    home: Path
    clock: ToldClock = field(default_factory=lambda: ToldClock(START))
    now: datetime = START
    process: Any = None
    times: Any = None
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stand_in: StandIn = make_app(
            ReplayConfig(
                clock=self.clock,
                ids=self.plan.ids,
                hold_back=0.6,
                churn=0.4,
                publish_over=timedelta(days=self.plan.days * 0.95),
                time_scale=0.0,
            )
        )
        self.hosts = ThreadedServer(self.stand_in)
        self.hosts.start()

    def live(self) -> None:
        """A process starts."""
        settings = {
            "database_url": self.url,
            "protenders_home": self.home,
            "ocds_base_url": self.hosts.url,
            "etenders_base_url": self.hosts.url,
            "rate_limit_delay_ms": 0,
            "sync_cron": self.plan.cron,
        }
        self.times, theirs = multiprocessing.Pipe()
        self.process = soaking.start(Orders(settings, self.clock(), theirs))
        theirs.close()
        assert self.times.poll(60), "the app did not start"
        assert self.times.recv() == "ready"
        self.tell(self.clock())

    def die(self) -> None:
        """The process is killed."""
        dying.end(self.process)
        self.times.close()

    def tell(self, now: datetime) -> None:
        """It is so late, for everybody."""
        self.now = now
        self.clock.tell(now)
        self.times.send(now)

    def rows(self, query: str, given: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query, as soon as the server answers."""

        def ask() -> list[list[tuple[Any, ...]]]:
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(self._dsn, connect_timeout=5) as connection,
            ):
                return [connection.execute(query.encode(), given).fetchall()]
            return []

        return until(ask, seconds=60, what="an answer of the database")[0]

    @property
    def _dsn(self) -> str:
        return psycopg_dsn(self.url)

    def settle(self) -> None:
        """Until nothing is due any more; what waits for less than the next sync is waited for."""
        following = self.now + self.plan.every
        while True:
            until(lambda: not self._busy()[0], seconds=120, what=f"rest at {self.now}")
            waits = self._busy()[1]
            if waits is None or waits >= following:
                return
            self.tell(max(waits, self.now))

    def _busy(self) -> tuple[int, datetime | None]:
        ((busy, waits),) = self.rows(_BUSY, {"now": self.now})
        return busy, waits

    def measure(self) -> None:
        """Note what the app holds."""
        process = psutil.Process(self.process.pid)
        held = self.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'protenders%'"
        )
        self.samples.append(
            Sample(process.memory_info().rss, process.num_threads(), process.num_fds(), held[0][0])
        )


@contextmanager
def soak(plan: Plan) -> Iterator[Soak]:
    """An installation on a PostgreSQL of its own, for that is going to be restarted."""
    folder = Path(tempfile.mkdtemp(prefix="protenders-"))
    with (
        _home() as home,
        EmbeddedPostgres(home).acquire() as lease,
        temporary_database(lease.url) as url,
    ):
        migrate.upgrade(url)
        one = Soak(plan, url, folder)
        try:
            one.live()
            yield one
        finally:
            one.die()
            one.hosts.stop()
            shutil.rmtree(folder)


def live_through(one: Soak) -> None:
    """All syncs of the plan, with what happens meanwhile."""
    plan = one.plan
    first, last = (round(timedelta(days=day) / plan.every) for day in plan.outage)
    per_day = round(timedelta(days=1) / plan.every)
    for number in range(plan.syncs):
        if number == first:
            for endpoint in HOSTS:
                one.stand_in.orders.add(endpoint, "503", times=-1)
        elif number == last:
            one.stand_in.orders.clear()
        if number % max(per_day // 2, 1) == 0:
            one.stand_in.set_faults(MOODS[number // max(per_day // 2, 1) % len(MOODS)])
        if number >= plan.syncs - max(per_day // 4, 2):
            one.stand_in.set_faults("none")
        if number in plan.killed:
            one.samples.clear()
        _half_hour(one, killed=number in plan.killed, restarted=number in plan.restarted)


def _half_hour(one: Soak, *, killed: bool, restarted: bool) -> None:
    steps = one.rows("SELECT count(*) FROM job_steps WHERE finished_at IS NOT NULL")[0][0]
    one.tell(one.now + one.plan.every)
    if killed or restarted:
        query = "SELECT count(*) FROM job_steps WHERE finished_at IS NOT NULL"
        until(lambda: one.rows(query)[0][0] > steps + 3, seconds=60, what="a sync under way")
    if killed:
        one.die()
        one.live()
    if restarted:
        restart(one.url)
        until(lambda: answers(one.url), seconds=60, what="the server's return")
    one.settle()
    one.measure()


def judged(one: Soak) -> dict[str, Any]:
    """What is true at the end; asserts what must be."""
    engine = make_engine(one.url)
    with engine.connect() as conn:
        covered = coverage.summary(conn)
    engine.dispose()
    assert (covered.missing, covered.awaiting_release) == (0, 0), covered
    assert unlike_served(one) == []  # type: ignore[arg-type]
    counts = {
        "open jobs": "SELECT count(*) FROM jobs WHERE finished_at IS NULL",
        "leases of hosts": "SELECT count(*) FROM upstream_hosts WHERE lease_holder IS NOT NULL",
        "leases of runs": "SELECT count(*) FROM engine.queue WHERE owner IS NOT NULL",
        "dead processes": "SELECT count(*) - 1 FROM engine.instances",
        "enrichment backlog": "SELECT count(*) FROM tenders WHERE enrichment_status IN ('pending', 'failed')",
        "staged": (
            "SELECT (SELECT count(*) FROM staged_releases) + (SELECT count(*) FROM staged_tenders)"
            " + (SELECT count(*) FROM staged_portal_rows) + (SELECT count(*) FROM job_tenders)"
        ),
    }
    assert {name: one.rows(query)[0][0] for name, query in counts.items()} == dict.fromkeys(counts, 0)
    kept_since = one.now - KEPT - timedelta(hours=3)
    oldest = {
        "jobs": "SELECT min(started_at) FROM jobs",
        "runs": "SELECT min(queued_at) FROM engine.runs",
        "events": "SELECT min(received_at) FROM engine.events",
    }
    for table, query in oldest.items():
        assert one.rows(query)[0][0] >= kept_since, table
    return {
        "syncs": one.plan.syncs,
        "tenders": one.rows("SELECT count(*) FROM tenders")[0][0],
        "jobs by status": dict(one.rows("SELECT status, count(*) FROM jobs GROUP BY 1")),
        "executions": one.rows("SELECT count(*) FROM engine.steps")[0][0],
        "database MB": one.rows("SELECT pg_database_size(current_database()) >> 20")[0][0],
    }


def growth(samples: list[Sample]) -> dict[str, Any]:
    """What was held in the first and in the last quarter of the last process's life, medians."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[:quarter], samples[-quarter:]
    told = {}
    for name in ("rss", "threads", "descriptors", "connections"):
        told[name] = [median(getattr(each, name) for each in part) for part in (early, late)]
    return {"samples": len(samples), **told}


def test_a_day_with_a_kill_a_restart_and_an_outage_ends_with_everything_there() -> None:
    with soak(DAY) as one:
        live_through(one)
        assert judged(one)["syncs"] == 12


@pytest.mark.soak
def test_a_month_with_everything_that_goes_wrong_in_a_month_leaves_nothing_missing_open_or_growing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with soak(MONTH) as one:
        live_through(one)
        told = judged(one)
        held = growth(one.samples)
    with capsys.disabled():
        print(f"\n{json.dumps(told | held)} load {os.getloadavg()}")
    assert held["samples"] > 700
    assert held["rss"][1] < 1.1 * held["rss"][0]
    assert held["threads"][1] <= held["threads"][0] + 2
    assert held["descriptors"][1] <= held["descriptors"][0] + 4
    assert held["connections"][1] <= held["connections"][0] + 2
