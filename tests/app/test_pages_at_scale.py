"""How long the console's pages take after years of use: run by `make soak`, which prints the figures.

What counts is the time that this process and the database's connections (parallel workers aside) spend on a processor
for one answer, so that the figures mean the same on a busy machine; how long the answer took by the clock is printed
beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from app.live import Ticker
from app.runtime import utc_now
from app.serving import BackgroundServing, Serving
from app.settings import Settings
from tests.app import scale
from tests.app.conftest import add_accounts, log_in
from tests.conftest import temporary_database

pytestmark = pytest.mark.soak

ASKED = 60
PROMISED_MS = 50.0

PAGES = {
    "overview": "/admin",
    "jobs": "/admin/jobs",
    "jobs, a later page": f"/admin/jobs?before={scale.job_id(scale.JOBS // 2)}",
    "jobs of a status": "/admin/jobs?status=FAILED",
    "jobs of a type": "/admin/jobs?type=ENRICHMENT_MANUAL",
    "jobs by a seldom trigger": "/admin/jobs?trigger=github-actions",
    "jobs of a status and a trigger": "/admin/jobs?status=CRASHED&trigger=manual",
    "jobs, the longest": "/admin/jobs?sort=longest",
    "jobs of a status, the longest": "/admin/jobs?sort=longest&status=CANCELLED",
    "jobs, the oldest": "/admin/jobs?sort=oldest",
    "jobs of some days": "/admin/jobs?from={first}&to={last}",
    "jobs with common words": "/admin/jobs?q=running",
    "jobs with seldom words": "/admin/jobs?q=699",
    "jobs with words that no job has": "/admin/jobs?q=nowhere-to-be-found",
    "jobs by an id": f"/admin/jobs?q={scale.run_id(77)}",
    "a job": f"/admin/jobs/{scale.job_id(scale.JOBS - 10)}",
    "a failed job": f"/admin/jobs/{scale.job_id(97 * 1000)}",
    "runs": "/admin/runs",
    "runs, a later page": f"/admin/runs?before={scale.run_id(scale.RUNS // 2)}",
    "runs of a function": "/admin/runs?function=protenders-platform-cleanup-jobs",
    "runs of a function without any": "/admin/runs?function=protenders-platform-send-alerts",
    "failed runs": "/admin/runs?status=Failed",
    "failed runs of a function": "/admin/runs?status=Failed&function=protenders-platform-enrich-today",
    "running runs": "/admin/runs?status=Running",
    "a run": f"/admin/runs/{scale.run_id(97 * 1000)}",
    "functions": "/admin/functions",
    "events": "/admin/events",
    "events of a name": "/admin/events?name=system/cleanup-jobs.requested",
    "an event": f"/admin/events/{scale.job_id(500).replace('01J', '01E', 1)}",
    "tenders": "/admin/tenders",
    "tenders with words": "/admin/tenders?q=borehole+pump",
    "tenders with words that none has": "/admin/tenders?q=nowhere",
    "tenders of a province and state": "/admin/tenders?province=Limpopo&lifecycle=cancelled",
    "tenders by enrichment": "/admin/tenders?enrichment_status=failed",
    "a tender": "/admin/tenders/ocds-9t57fa-150001",
    "coverage": "/admin/coverage",
    "enrichment": "/admin/enrichment",
    "users": "/admin/users",
    "account": "/admin/account",
    "searches": "/admin/searches",
    "audit": "/admin/audit",
    "audit of an actor": "/admin/audit?actor=seldom",
    "audit of an action": "/admin/audit?action=function.pause",
    "login": "/admin/login",
    "API of jobs": "/api/admin/jobs",
    "API of a sync's state": "/api/admin/sync/state",
    "search for a common word": "/api/tenders?q=transformer",
    "search for two words": "/api/tenders?q=borehole+pump",
    "search for a phrase": "/api/tenders?q=%22transformer+cable%22",
    "search for what none has": "/api/tenders?q=nowhere",
    "search with filters": "/api/tenders?q=transformer&province=Limpopo&lifecycle=open",
    "search by filters alone": "/api/tenders?province=Gauteng&lifecycle=closed&closing_before=2026-01-01",
}


@pytest.fixture(scope="module")
def served(
    pg_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """The whole app on the filled database; its functions registered, its syncs far away, no limit for a client."""
    with temporary_database(pg_server, template=template_database) as url:
        settings = Settings(
            _env_file=None,
            database_url=url,
            protenders_home=tmp_path_factory.mktemp("home"),
            sync_cron="0 0 1 1 *",
            open_data_requests_per_minute=0,
        )
        with BackgroundServing(settings, source="replay") as serving:
            add_accounts(serving)
            scale.fill(serving.runtime.engine, now=utc_now())
            yield serving


@pytest.fixture(scope="module")
def admin(served: Serving) -> Iterator[httpx.Client]:
    with closing(log_in(served.url, "admin")) as client:
        yield client


@dataclass(frozen=True)
class Measured:
    """Milliseconds a call: on a processor, of that in the database, and by the clock."""

    busy: list[float]
    database: list[float]
    waited: list[float]

    def told(self, name: str) -> str:
        """One line."""
        return (
            f"\n{name:34} busy p50 {statistics.median(self.busy):5.1f}  p95 {p95(self.busy):5.1f} ms"
            f"  (database {statistics.median(self.database):4.1f})"
            f"   by the clock p50 {statistics.median(self.waited):6.1f}  p95 {p95(self.waited):6.1f} ms"
        )


def p95(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[-1]


def measured(engine: sa.Engine, ask: Callable[[], object]) -> Measured:
    """`ASKED` calls, after a few that count for nothing."""
    for _ in range(6):
        ask()
    with engine.connect() as connection:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        backends = list(connection.execute(sa.text(mine)).scalars())

    def of_database() -> float:
        # Nanoseconds on a processor; a backend that has gone counts no more.
        files = [Path(f"/proc/{pid}/schedstat") for pid in backends]
        return sum(int(file.read_text().split()[0]) for file in files if file.exists()) / 1e6

    found = Measured([], [], [])
    for _ in range(ASKED):
        before, own, began = of_database(), time.process_time(), time.perf_counter()
        ask()
        found.waited.append((time.perf_counter() - began) * 1000)
        used = (time.process_time() - own) * 1000
        found.database.append(of_database() - before)
        found.busy.append(used + found.database[-1])
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_served_within_its_time(
    served: Serving, admin: httpx.Client, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = utc_now()
    address = PAGES[name].format(
        first=f"{now - timedelta(days=90):%Y-%m-%d}", last=f"{now - timedelta(days=80):%Y-%m-%d}"
    )

    def ask() -> None:
        answer = admin.get(address)
        assert answer.status_code == (303 if address == "/admin/login" else 200), answer.text[:300]

    found = measured(served.runtime.engine, ask)
    with capsys.disabled():
        print(found.told(name), end="")
    assert p95(found.busy) < PROMISED_MS


def test_a_live_tick_is_cheap(served: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    ticker = Ticker(served.runtime.engine, asyncio.Event())
    found = measured(served.runtime.engine, ticker._look)
    with capsys.disabled():
        print(found.told("live tick"), end="")
    assert p95(found.busy) < PROMISED_MS / 10


def test_the_database_is_as_large_as_promised(served: Serving) -> None:
    with served.runtime.engine.connect() as connection:
        for table, least in (("tenders", 199_000), ("jobs", 100_000), ("job_steps", 1_000_000)):
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() >= least
