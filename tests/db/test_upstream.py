"""The way to a government host: one at a time, spaced, routine first, and a breaker that half-opens."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
import sqlalchemy as sa

from db import upstream
from functions.gate import HostRestsError, PostgresGate, background

HOST = "ocds.example"


def test_two_gates_never_let_two_requests_through_at_once(db_engine: sa.Engine) -> None:
    under_way = most = 0
    lock = threading.Lock()

    def ask(gate: PostgresGate) -> None:
        nonlocal under_way, most
        for _ in range(10):
            gate.enter(HOST)
            with lock:
                under_way += 1
                most = max(most, under_way)
            with lock:
                under_way -= 1
            gate.leave(HOST, ok=True, seconds=0.01, status=200)

    threads = [threading.Thread(target=ask, args=(PostgresGate(db_engine),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    with db_engine.connect() as conn:
        (health,) = upstream.health(conn)
    assert (health["requests"], health["errors"], health["state"]) == (40, 0, "closed")


def test_starts_keep_their_distance_over_gates(db_engine: sa.Engine) -> None:
    starts: list[float] = []
    for gate in (PostgresGate(db_engine, spacing=0.05), PostgresGate(db_engine, spacing=0.05)) * 2:
        gate.enter(HOST)
        starts.append(time.monotonic())
        gate.leave(HOST, ok=True, seconds=0, status=200)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 0.045


def test_a_token_whose_holder_died_comes_back(db_engine: sa.Engine) -> None:
    PostgresGate(db_engine, lease=0.05).enter(HOST)
    PostgresGate(db_engine).enter(HOST)


def test_the_token_of_a_process_that_died_on_this_machine_is_free_at_once(
    db_engine: sa.Engine, database_url: str
) -> None:
    dying = (
        "import sys; from db.engine import make_engine; from functions.gate import PostgresGate;"
        f"PostgresGate(make_engine(sys.argv[1]), lease=3600).enter({HOST!r})"
    )
    subprocess.run([sys.executable, "-c", dying, database_url], check=True, timeout=60)
    PostgresGate(db_engine).enter(HOST)
    with db_engine.connect() as conn:
        holder = conn.execute(sa.text("SELECT lease_holder FROM upstream_hosts")).scalar_one()
    assert f'"pid":{os.getpid()}' in holder


def test_background_work_waits_behind_a_routine_request(db_engine: sa.Engine) -> None:
    holder, routine = PostgresGate(db_engine), PostgresGate(db_engine)
    order: list[str] = []
    waiting = threading.Event()
    holder.enter(HOST)

    def background_ask() -> None:
        gate = PostgresGate(db_engine)
        with background():
            gate.enter(HOST)
        order.append("background")
        gate.leave(HOST, ok=True, seconds=0, status=200)

    def routine_ask() -> None:
        original = routine._sleep

        def sleep(seconds: float) -> None:
            waiting.set()
            original(seconds)

        routine._sleep = sleep
        routine.enter(HOST)
        order.append("routine")
        routine.leave(HOST, ok=True, seconds=0, status=200)

    first = threading.Thread(target=routine_ask)
    first.start()
    assert waiting.wait(10)
    second = threading.Thread(target=background_ask)
    second.start()
    holder.leave(HOST, ok=True, seconds=0, status=200)
    first.join()
    second.join()
    assert order == ["routine", "background"]


def test_a_host_in_trouble_is_left_in_peace_then_tried_once(db_engine: sa.Engine) -> None:
    gate = PostgresGate(db_engine, pause=0.0, rest=0.2)
    for _ in range(upstream.SHUT_AFTER):
        gate.enter(HOST)
        gate.leave(HOST, ok=False, seconds=1, status=500)
    with pytest.raises(HostRestsError) as caught:
        gate.enter(HOST)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 0.2
    assert str(caught.value).startswith(f"{HOST} was not asked: it answered badly")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

    until_open(db_engine)
    gate.enter(HOST)
    with db_engine.connect() as conn:
        assert upstream.health(conn)[0]["state"] == "half_open"
    gate.leave(HOST, ok=False, seconds=1, status=500)
    with pytest.raises(HostRestsError):
        gate.enter(HOST)

    until_open(db_engine)
    gate.enter(HOST)
    gate.leave(HOST, ok=True, seconds=1, status=200)
    with db_engine.connect() as conn:
        assert upstream.health(conn)[0]["state"] == "closed"


def until_open(engine: sa.Engine) -> None:
    """Let the host's rest be over."""
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE upstream_hosts SET open_until = clock_timestamp()"))
