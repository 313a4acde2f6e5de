"""SIGKILL before and after every durable write and every question to others, for each function that matters.

A life without accidents is counted first; then one process for each point dies there, another one goes on, and the
database must be as if nothing had been: nothing lost, nothing doubled, the same job carried on and closed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.engine import normalise, psycopg_dsn
from functions.resources import Limits
from tests.acceptance import dying
from tests.acceptance.dying import Orders
from tests.acceptance.scenarios import LIMITS, NOON, SCENARIOS, Scenario, mail_server
from tests.acceptance.whole import differences, whole
from tests.conftest import temporary_database
from tests.functions.alerts.conftest import Server, told
from tests.functions.conftest import Clock, World, make_world  # noqa: F401 - a fixture
from tests.waiting import until

pytestmark = pytest.mark.acceptance

AT_ONCE = 2
SAMPLE = 4
MakeWorld = Callable[..., World]


@dataclass
class Stage:
    """A scenario prepared: a database to be copied for each life, and the hosts that stay as they are."""

    scenario: Scenario
    world: World
    server: str
    prepared: str
    home: Path
    starts_at: datetime

    def orders(self, url: str, report: Path, mailed: int, **more: Any) -> Orders:
        """For a worker on that database."""
        settings = {
            "database_url": url,
            "protenders_home": self.home,
            "ocds_base_url": self.world.source,
            "etenders_base_url": self.world.source,
            "rate_limit_delay_ms": 0,
            "engine_retry_base": 0.01,
            "smtp_host": "127.0.0.1",
            "smtp_port": mailed,
            "email_from": "alerts@protenders.example",
            "sync_cron": "0 0 1 1 *",
            **self.scenario.settings,
        }
        more.setdefault("now", self.starts_at)
        return Orders(settings=settings, report=report, limits=LIMITS, **more)


@dataclass
class Life:
    """A copy of the prepared database, a mail server of its own, and the processes that live on them."""

    stage: Stage
    url: str
    connection: psycopg.Connection[Any]
    mail: Server
    mailed: int
    report: Path

    def start(self, **more: Any) -> Any:
        """A worker; the event is sent as soon as it is ready."""
        more.setdefault("event", self.stage.scenario.event)
        return dying.start(self.stage.orders(self.url, self.report, self.mailed, **more))

    def points(self) -> list[str]:
        """What has been passed so far."""
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return [line for line in lines if line != dying.READY]

    def scalar(self, query: str) -> int:
        row = self.connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def ended(self) -> bool:
        """Whether every job that this life was to have has ended, and the engine has nothing left to do."""
        wanted = self.stage.scenario.jobs
        function = self.stage.scenario.function
        started = self.scalar(
            f"SELECT count(*) FROM job_runs WHERE run_id IN (SELECT id FROM engine.runs) AND job_id IN"
            f" (SELECT id FROM jobs WHERE function_id IN ('{function}', 'history-backfill'))"
        )
        open_ones = self.scalar(
            "SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL)"
            " + (SELECT count(*) FROM engine.queue) + (SELECT count(*) FROM engine.intents)"
            " + (SELECT count(*) FROM engine.runs WHERE ended_at IS NULL)"
        )
        return started >= wanted and open_ones == 0

    def alone(self) -> bool:
        """Whether what a killed process had begun is over, one way or the other."""
        return not self.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@contextlib.contextmanager
def life(stage: Stage) -> Iterator[Life]:
    """Everything for one life, gone at its end."""
    with (
        temporary_database(stage.server, template=stage.prepared) as url,
        psycopg.connect(psycopg_dsn(url), autocommit=True) as connection,
        tempfile.NamedTemporaryFile(dir=stage.home) as report,
        mail_server() as (mail, port),
    ):
        yield Life(stage, url, connection, mail, port, Path(report.name))


@pytest.fixture
def short_home() -> Iterator[Path]:
    """A folder for the workers."""
    home = Path(tempfile.mkdtemp(prefix="protenders-"))
    yield home
    shutil.rmtree(home)


def prepare(scenario: Scenario, make: MakeWorld, server: str, home: Path) -> Stage:
    """What the function finds: data, and an installation that knows its functions and was stopped in order."""
    limits = Limits(**LIMITS)
    world = make(ids=scenario.ids, limits=limits, clock=Clock(now=NOON), **scenario.replay)
    scenario.prepare(world)
    world.engine.dispose()
    world.clock.now = scenario.starts_at(world.clock.now)
    stage = Stage(scenario, world, server, str(normalise(world.url).database), home, world.clock.now)
    report = home / "prepared"
    orders = stage.orders(world.url, report, 9, now=stage.starts_at - timedelta(minutes=1))
    process = dying.start(orders)
    try:
        until(lambda: report.exists() and dying.READY in report.read_text(), what="the installation")
    finally:
        dying.end(process, signal.SIGTERM)
    return stage


@dataclass
class Calm:
    """What a life without accidents leaves, and the points that it passes."""

    points: list[str]
    left: dict[str, Counter[tuple[Any, ...]]]
    mails: Counter[str]


def undisturbed(stage: Stage) -> Calm:
    """A life without accidents."""
    with life(stage) as calm:
        process = calm.start()
        try:
            until(calm.ended, seconds=60, what="the life without accidents")
        finally:
            dying.end(process, signal.SIGTERM)
        left = whole(calm.url)
        assert left["left in the engine"] == Counter()
        assert left["leases of hosts"] == Counter()
        return Calm(calm.points(), left, told(calm.mail.mails))


def survives(stage: Stage, calm: Calm, number: int) -> str | None:
    """Die at one point, let another process go on; what is not as it should be, if anything is."""
    with life(stage) as disturbed:
        first = disturbed.start(kill_at=number)
        second = None
        where = f"point {number}"
        try:
            until(
                lambda: not first.is_alive() or disturbed.ended(), seconds=60, what="the first process's end"
            )
            died = not first.is_alive()
            dying.end(first)
            where = f"point {number}, {disturbed.points()[-1]}"
            if not died:
                return _judged(disturbed, calm, where)
            until(disturbed.alone, what="the end of what the first process had begun")
            second = disturbed.start(now=stage.starts_at + stage.scenario.later)
            until(disturbed.ended, seconds=60, what="every job's end")
            dying.end(second)
            return _judged(disturbed, calm, where)
        except AssertionError as error:
            return f"{where}: {error}"
        finally:
            dying.end(first)
            if second is not None:
                dying.end(second)


def _judged(seen: Life, calm: Calm, where: str) -> str | None:
    found = whole(seen.url)
    doubtful = [row for row in found["alert_deliveries"] if "unknown" in row]
    if doubtful:
        return _judged_in_doubt(seen, calm, where, doubtful)
    if told(seen.mail.mails) != calm.mails:
        return f"{where}: told {told(seen.mail.mails)} instead of {calm.mails}"
    told_apart = differences(calm.left, found)
    return told_apart and f"{where}:\n{told_apart}"


def _judged_in_doubt(seen: Life, calm: Calm, where: str, doubtful: list[Any]) -> str | None:
    """SMTP does not tell afterwards whether a mail was taken: then the record says that nobody knows."""
    if len(doubtful) > 1:
        return f"{where}: more than the one mail in hand is in doubt: {doubtful}"
    mails = [str(mail["Message-ID"]) for mail in seen.mail.mails]
    if len(set(mails)) != len(mails):
        return f"{where}: a mail was sent twice: {mails}"
    if not calm.left["alert_deliveries"].total() - 1 <= len(mails) <= calm.left["alert_deliveries"].total():
        return f"{where}: {len(mails)} mails"
    job = seen.scalar(
        "SELECT count(*) FROM jobs WHERE function_id = 'send-alerts' AND status = 'PARTIAL'"
        " AND note LIKE '%nobody knows whether they arrived%'"
    )
    return None if job == 1 else f"{where}: a mail is in doubt and the job does not say so"


def sampled(total: int) -> list[int]:
    """The first, the last, and some evenly spaced between them."""
    return sorted({1 + round(step * (total - 1) / (SAMPLE - 1)) for step in range(SAMPLE)})


def kill_at(stage: Stage, calm: Calm, numbers: list[int]) -> list[str]:
    """Kill at each of these points, each in a life of its own; what went wrong."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda number: survives(stage, calm, number), numbers)
        return [verdict for verdict in verdicts if verdict is not None]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.function)
def test_killed_at_some_points_a_function_ends_as_if_nothing_had_been(
    scenario: Scenario,
    make_world: MakeWorld,  # noqa: F811
    pg_server: str,
    short_home: Path,
) -> None:
    stage = prepare(scenario, make_world, pg_server, short_home)
    calm = undisturbed(stage)
    assert len(calm.points) > 40
    faults = kill_at(stage, calm, sampled(len(calm.points)))
    assert not faults, "\n\n".join(faults)


@pytest.mark.chaos
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.function)
def test_killed_at_every_point_a_function_ends_as_if_nothing_had_been(
    scenario: Scenario,
    make_world: MakeWorld,  # noqa: F811
    pg_server: str,
    short_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = prepare(scenario, make_world, pg_server, short_home)
    calm = undisturbed(stage)
    faults = kill_at(stage, calm, list(range(1, len(calm.points) + 1)))
    with capsys.disabled():
        print(f"\n{scenario.function}: killed at {len(calm.points)} points, {len(faults)} went wrong")
    assert not faults, "\n\n".join(faults)
