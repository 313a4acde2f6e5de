"""The stand-in behind a real socket."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.loopback import PortUnavailableError
from app.replay.config import ReplayConfig
from app.replay.server import Served, run, serving
from tests.replay.asking import API, BUCKET, Clock
from tests.waiting import until

RELEASE = f"{API}/release/ocds-9t57fa-134203"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(ReplayConfig(clock=Clock())) as running:
        yield running


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    served.stand_in.set_faults("none")
    served.stand_in.orders.clear()
    with httpx.Client(base_url=served.base_url, timeout=30) as client:
        yield client


def test_both_hosts_are_answered_on_one_port(http: httpx.Client, served: Served) -> None:
    truth = {tender["ocid"]: tender for tender in served.stand_in.truth()}
    rows = http.get(BUCKET, params={"status": 1}).json()
    assert all(truth[f"ocds-9t57fa-{row['id']}"]["older"] == row for row in rows)
    assert http.get(RELEASE).json() == truth["ocds-9t57fa-134203"]["release"]


def _read_into(body: bytearray, answer: httpx.Response) -> None:
    for chunk in answer.iter_raw():
        body += chunk


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_a_dropped_connection_is_seen_as_one_and_the_next_request_succeeds(
    http: httpx.Client, served: Served, fault: str
) -> None:
    served.stand_in.orders.add("release", fault)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http.get(RELEASE)
    assert http.get(RELEASE).status_code == 200


def test_a_connection_lost_half_way_leaves_half_a_body(http: httpx.Client, served: Served) -> None:
    served.stand_in.orders.add("bucket", "cut")
    got = bytearray()
    with (
        http.stream("GET", BUCKET, params={"status": 1}) as answer,
        pytest.raises(httpx.RemoteProtocolError, match="complete message body"),
    ):
        _read_into(got, answer)
    whole = http.get(BUCKET, params={"status": 1}).content
    assert 0 < len(got) < len(whole)
    assert whole.startswith(got)


def test_a_hang_outlasts_a_short_timeout() -> None:
    with serving(ReplayConfig(clock=Clock(), time_scale=1.0)) as slow:
        slow.stand_in.orders.add("release", "hang")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(slow.base_url + RELEASE, timeout=0.2)


def test_a_bucket_is_not_made_to_its_end_for_a_client_that_has_gone() -> None:
    with serving(ReplayConfig(clock=Clock(), synthetic=1_000_000)) as large:
        with httpx.stream("GET", large.base_url + BUCKET, params={"status": 3}) as answer:
            next(answer.iter_raw())
        assert httpx.get(f"{large.base_url}{API}/release/ocds-9t57fa-1", timeout=30).status_code == 200
        stats = until(lambda: _ended(large), seconds=20, what="the bucket's end")
        assert stats["answers"]["bucket 200"] == 1


def _ended(served: Served) -> dict[str, Any] | None:
    stats: dict[str, Any] = httpx.get(f"{served.base_url}/__replay__/stats", timeout=30).json()
    return stats if "bucket 200" in stats["answers"] else None


def test_requests_under_way_at_once_are_counted() -> None:
    with serving(ReplayConfig(clock=Clock(), faults="documented", time_scale=0.1)) as slow:
        url = f"{slow.base_url}{API}?PageNumber=3&PageSize=10&dateFrom=2026-08-13&dateTo=2026-08-14&n="
        barrier = threading.Barrier(4)

        def ask(number: int) -> None:
            barrier.wait()
            with httpx.Client(timeout=30) as client:
                try:
                    client.get(f"{url}{number}")
                except httpx.RemoteProtocolError:
                    return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))
        stats = httpx.get(f"{slow.base_url}/__replay__/stats").json()
        assert 2 <= stats["maxConcurrency"]["api"] <= 4
        assert stats["maxConcurrency"]["portal"] == 0
        assert stats["requests"]["list"] == 4


def test_a_busy_port_is_refused_with_what_to_do() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PortUnavailableError, match="another"),
    ):
        run(ReplayConfig(), port=taken.getsockname()[1])


def test_run_serves_in_the_foreground_until_it_is_terminated() -> None:
    imports = "from app.replay.config import ReplayConfig; from app.replay.server import run"
    say = "lambda url: print(url, flush=True)"
    code = f"{imports}; run(ReplayConfig(), port=0, say_where={say})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()

    try:
        assert httpx.get(f"{url}{RELEASE}", timeout=60).status_code == 200
    finally:
        process.terminate()
    assert process.wait(timeout=10) in (0, -15)
