"""Several processes on one database: the work of one that dies, hangs or loses its database is taken over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.engine import worker
from tests.engine.test_crash import Ledger, end, ledger
from tests.engine.worker import Orders
from tests.waiting import until

RUNS = 120
LEASE = 2.0


def crowd(runs: int, name: str = "three") -> tuple[dict[str, object], ...]:
    """Events for so many runs of three steps each, with ids of their own."""
    return tuple(
        {"name": f"worker/{name}", "id": f"{name}-{number}", "data": {"n": number}} for number in range(runs)
    )


def all_ended(seen: Ledger, runs: int) -> bool:
    row = seen.connection.execute(
        "SELECT count(*) FILTER (WHERE status = 'Completed'), count(*) FROM engine.runs"
    ).fetchone()
    return row is not None and tuple(row) == (runs, runs) and seen.waiting() == 0


@pytest.fixture
def place(pg_server: str, template_database: str) -> Iterator[tuple[str, Ledger]]:
    with ledger(pg_server, template_database) as made:
        yield made


def test_two_processes_share_a_crowd_and_no_step_runs_twice(place: tuple[str, Ledger]) -> None:
    dsn, seen = place
    workers = [worker.start(Orders(dsn, send=crowd(RUNS))), worker.start(Orders(dsn, send=crowd(RUNS)))]
    try:
        until(lambda: all_ended(seen, RUNS), seconds=60, what="the crowd")
        assert set(seen.effects().values()) == {1}
        assert len(seen.effects()) == 3 * RUNS
    finally:
        for each in workers:
            end(each)


def test_a_killed_processs_runs_are_taken_over_within_its_lease(place: tuple[str, Ledger]) -> None:
    dsn, seen = place
    first = worker.start(Orders(dsn, send=crowd(RUNS), lease_seconds=LEASE))
    second = worker.start(Orders(dsn, lease_seconds=LEASE))
    try:
        until(lambda: len(seen.recorded()) > RUNS // 2, what="the crowd to get going")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        recorded = seen.recorded()
        os.kill(first.pid, signal.SIGKILL)
        killed = time.monotonic()
        first.join(10)
        until(lambda: all_ended(seen, RUNS), seconds=60, what="the crowd after the kill")
        assert time.monotonic() - killed < LEASE + 20
        assert max(seen.effects().values()) <= 2
        repeated = {key for key, count in seen.effects().items() if count > 1}
        assert not repeated & recorded, "a recorded step ran again"
    finally:
        end(first)
        end(second)


def test_a_process_that_stops_answering_is_replaced_and_does_no_harm_when_it_comes_back(
    place: tuple[str, Ledger],
) -> None:
    dsn, seen = place
    first = worker.start(Orders(dsn, send=crowd(RUNS), lease_seconds=LEASE))
    try:
        until(lambda: len(seen.effects()) > RUNS // 2, what="the crowd to get going")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        second = worker.start(Orders(dsn, lease_seconds=LEASE))
        try:
            until(lambda: all_ended(seen, RUNS), seconds=60, what="the crowd without the stopped process")
            recorded = _positions(seen)
            os.kill(first.pid, signal.SIGCONT)
            until(lambda: _signed_on_again(seen, first.pid), what="the stopped process's return")
            assert all_ended(seen, RUNS)
            assert _positions(seen) == recorded, "a process that had lost its lease recorded a result"
        finally:
            end(second)
    finally:
        end(first)


def test_a_dead_process_is_replaced_though_the_clock_was_set_back(place: tuple[str, Ledger]) -> None:
    dsn, seen = place
    _killed_at_work(dsn, seen, 40, "slow")
    until(seen.alone, what="the end of what the first process had begun")
    seen.connection.execute(
        """UPDATE engine.instances SET seen_at = now() + interval '1 hour', process = '{"machine": "another"}'"""
    )
    second = worker.start(Orders(dsn, lease_seconds=LEASE))
    try:
        until(lambda: all_ended(seen, 40), seconds=60, what="the crowd of a process on another machine")
    finally:
        end(second)


def _killed_at_work(dsn: str, seen: Ledger, runs: int, kind: str) -> None:
    """A process that dies in the middle of its crowd."""
    process = worker.start(Orders(dsn, send=crowd(runs, kind), lease_seconds=LEASE))
    try:
        until(lambda: len(seen.effects()) > 10, what=f"the {kind} crowd to get going")
    finally:
        end(process)


def _positions(seen: Ledger) -> list[tuple[object, ...]]:
    return seen.connection.execute(
        "SELECT run_id, id, position, ended_at FROM engine.steps ORDER BY run_id, id"
    ).fetchall()


def _signed_on_again(seen: Ledger, pid: int | None) -> bool:
    row = seen.connection.execute(
        "SELECT count(*) FROM engine.instances WHERE process LIKE %s AND seen_at > now() - interval '1 s'",
        (f'%"pid":{pid},%',),
    ).fetchone()
    return row is not None and row[0] == 1


def test_places_that_a_dead_process_held_are_free_again(place: tuple[str, Ledger]) -> None:
    dsn, seen = place
    _killed_at_work(dsn, seen, 30, "limited")
    second = worker.start(Orders(dsn, lease_seconds=LEASE))
    try:
        until(lambda: all_ended(seen, 30), seconds=60, what="the limited crowd")
        slots = seen.connection.execute("SELECT count(*) FROM engine.slots").fetchone()
        assert slots == (0,), "a place is still taken though no run is left"
    finally:
        end(second)


def test_a_process_told_to_stop_lets_steps_end_and_leaves_the_rest(place: tuple[str, Ledger]) -> None:
    dsn, seen = place
    first = worker.start(Orders(dsn, send=crowd(40, "slow"), grace=5.0))
    try:
        until(lambda: len(seen.effects()) > 20, what="the slow crowd to get going")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGTERM)
        first.join(15)
        assert first.exitcode == 0
        assert set(seen.effects()) == seen.recorded(), "a step's result was thrown away"
        assert not all_ended(seen, 40)
        second = worker.start(Orders(dsn))
        try:
            until(lambda: all_ended(seen, 40), seconds=60, what="the slow crowd's end")
            assert set(seen.effects().values()) == {1}
        finally:
            end(second)
    finally:
        end(first)
