"""PostgreSQL restarts under a crowd of runs: every run ends, no recorded step runs again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest

from db import migrate
from db.embedded import EmbeddedPostgres
from db.engine import psycopg_dsn
from tests.conftest import _home, temporary_database
from tests.engine import worker
from tests.engine.test_crash import Ledger, end
from tests.engine.test_takeover import all_ended, crowd
from tests.engine.worker import Orders
from tests.waiting import until


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A durable PostgreSQL that no other test uses, for it is going to be restarted."""
    with _home() as home, EmbeddedPostgres(home).acquire() as lease:
        yield lease.url


def restart(dsn: str) -> None:
    """Kill one of the server's processes: PostgreSQL drops every connection, recovers and starts again."""
    until(lambda: _killed(dsn), seconds=30, what="a connection to kill, which the crowd may have used up")


def _killed(dsn: str) -> bool:
    try:
        connection = psycopg.connect(psycopg_dsn(dsn), connect_timeout=2)
    except psycopg.OperationalError:
        return False
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    connection.close()
    return True


def answers(dsn: str) -> bool:
    try:
        psycopg.connect(psycopg_dsn(dsn), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def endure(server: str, *, runs: int, every: float, restarts: int, deadline: float) -> None:
    """Run a crowd in two processes while the server restarts again and again."""
    with temporary_database(server) as dsn:
        migrate.upgrade(dsn)
        with psycopg.connect(psycopg_dsn(dsn), autocommit=True) as connection:
            connection.execute(worker.EFFECTS.encode())
        workers = [worker.start(Orders(dsn, send=crowd(runs), lease_seconds=5)) for _ in range(2)]
        try:
            until(lambda: _recorded(dsn) > 0, what="the first recorded step")
            for _ in range(restarts):
                next_restart = time.monotonic() + every
                until(lambda at=next_restart: time.monotonic() > at, what="the time of the next restart")
                restart(dsn)
                until(lambda: answers(dsn), seconds=60, what="the server's return")
            until(lambda: _over(dsn, runs), seconds=deadline, what=f"the end of {runs} runs")
            with psycopg.connect(psycopg_dsn(dsn), autocommit=True) as connection:
                seen = Ledger(connection)
                steps = [("a"), ("b"), ("c")]
                assert {step for _, step in seen.effects()} == set(steps)
                assert len(seen.effects()) == 3 * runs
                # A result on its way when the server went down is recorded after its return, not run again.
                repeated = [key for key, count in seen.effects().items() if count > 1]
                assert len(repeated) <= restarts * len(workers) * 100, (
                    "more than what was under way ran again"
                )
        finally:
            for each in workers:
                end(each)


def _recorded(dsn: str) -> int:
    try:
        with psycopg.connect(psycopg_dsn(dsn), connect_timeout=2) as connection:
            row = connection.execute("SELECT count(*) FROM engine.steps").fetchone()
            return int(row[0]) if row else 0
    except psycopg.Error:
        return 0


def _over(dsn: str, runs: int) -> bool:
    try:
        with psycopg.connect(psycopg_dsn(dsn), autocommit=True, connect_timeout=2) as connection:
            return all_ended(Ledger(connection), runs)
    except psycopg.Error:
        return False


def test_a_crowd_survives_a_server_that_restarts(own_server: str) -> None:
    endure(own_server, runs=300, every=0.7, restarts=3, deadline=60)


@pytest.mark.chaos
def test_two_thousand_runs_survive_a_server_that_restarts_every_few_seconds(own_server: str) -> None:
    endure(own_server, runs=2000, every=3.0, restarts=8, deadline=300)
