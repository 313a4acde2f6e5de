"""SIGKILL before and after every durable write: every run ends, and no recorded step runs again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import queue
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from typing import Any

import psycopg
import pytest

from db.engine import psycopg_dsn
from tests.conftest import temporary_database
from tests.engine import worker
from tests.engine.worker import Orders
from tests.waiting import until

EVERYTHING = ({"name": "worker/everything", "id": "the-one", "data": {}},)
OUTPUT = ["one", "flaky", "left", "right", "callee", "doomed", "last"]
AT_ONCE = 3


@dataclass
class Ledger:
    """What the database says about effects and recorded steps."""

    connection: psycopg.Connection[Any]

    def effects(self) -> Counter[tuple[str, str]]:
        rows = self.connection.execute("SELECT run_id, step FROM effects").fetchall()
        return Counter((str(run), str(step)) for run, step in rows)

    def recorded(self) -> set[tuple[str, str]]:
        rows = self.connection.execute(
            "SELECT run_id, name FROM engine.steps WHERE ended_at IS NOT NULL"
        ).fetchall()
        return {(str(run), str(step)) for run, step in rows}

    def runs(self) -> dict[str, tuple[str, Any]]:
        """Each function's name, with status and output of its only run."""
        rows = self.connection.execute(
            "SELECT f.name, r.status, convert_from(r.output, 'UTF8')"
            " FROM engine.runs r JOIN engine.functions f ON f.id = r.function_id"
        ).fetchall()
        assert len(rows) == len({row[0] for row in rows}), f"a function ran more than once: {rows}"
        return {str(name): (str(status), json.loads(output or "null")) for name, status, output in rows}

    def alone(self) -> bool:
        """Whether nobody else is connected: what a killed process had begun is over, one way or the other."""
        row = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
        return row is not None and row[0] == 0

    def waiting(self) -> int:
        row = self.connection.execute("SELECT count(*) FROM engine.queue").fetchone()
        return int(row[0]) if row else 0

    def ended(self) -> bool:
        """Whether there are runs and every one of them has ended."""
        row = self.connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM engine.runs"
        ).fetchone()
        return row is not None and row[0] > 0 and row[1] == 0 and self.waiting() == 0


@contextlib.contextmanager
def ledger(server: str, template: str) -> Iterator[tuple[str, Ledger]]:
    """A fresh database with a table of effects."""
    with (
        temporary_database(server, template=template) as dsn,
        psycopg.connect(psycopg_dsn(dsn), autocommit=True) as connection,
    ):
        connection.execute(worker.EFFECTS.encode())
        yield dsn, Ledger(connection)


def end(process: ForkServerProcess) -> None:
    """Make sure that a worker is gone."""
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join(10)


@pytest.fixture(scope="module")
def points(pg_server: str, template_database: str) -> list[tuple[str, str]]:
    """Every call of the write hook in a life without accidents: the write's name, and before or after."""
    tally = worker.context().Manager().Queue()
    with ledger(pg_server, template_database) as (dsn, seen):
        process = worker.start(Orders(dsn, send=EVERYTHING, tally=tally))
        try:
            until(seen.ended, what="the run without accidents")
            assert seen.runs()["everything"] == ("Completed", OUTPUT)
            assert set(seen.effects().values()) == {1}
        finally:
            end(process)
    found: list[tuple[str, str]] = []
    with contextlib.suppress(queue.Empty):
        while True:
            _, point, phase = tally.get_nowait()
            found.append((point, phase))
    return found


def _survives(number: int, server: str, template: str) -> str | None:
    """Kill at one call of the hook, let another process take over; what went wrong, if anything did."""
    with ledger(server, template) as (dsn, seen):
        first = worker.start(Orders(dsn, send=EVERYTHING, kill_at=number))
        second: ForkServerProcess | None = None
        try:
            until(lambda: not first.is_alive() or seen.ended(), what="the first process's end")
            end(first)
            until(seen.alone, what="the end of what the first process had begun")
            effects, recorded = seen.effects(), seen.recorded()
            second = worker.start(Orders(dsn, send=EVERYTHING))
            until(seen.ended, what=f"every run's end after a kill at write {number}")
            return _judged(seen, effects, recorded)
        except AssertionError as error:
            return f"write {number}: {error}"
        finally:
            end(first)
            if second is not None:
                end(second)


def _judged(seen: Ledger, effects: Counter[tuple[str, str]], recorded: set[tuple[str, str]]) -> str | None:
    runs = seen.runs()
    assert runs["everything"] == ("Completed", OUTPUT), runs
    assert runs["doomed"][0] == "Failed", runs
    assert {runs[name][0] for name in ("callee", "answer")} == {"Completed"}, runs
    in_doubt = set(effects) - recorded
    for key, count in seen.effects().items():
        allowed = 2 if key in in_doubt else 1
        assert count <= allowed, f"step {key[1]} ran {count} times, {allowed} would have been right"
    return None


def test_a_kill_at_any_write_loses_nothing_and_repeats_no_recorded_step(
    points: list[tuple[str, str]], pg_server: str, template_database: str
) -> None:
    assert len(points) >= 20, points
    assert {phase for _, phase in points} == {"before", "after"}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(
            lambda number: _survives(number, pg_server, template_database), range(1, len(points) + 1)
        )
        faults = [verdict for verdict in verdicts if verdict is not None]
    assert faults == []
