"""A sync's whole surroundings: a real database, the recorded stand-in over real HTTP, a scripted engine, a clock."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn

from app.replay.stand_in import ReplayConfig, StandIn, make_app
from db import jobs
from db.engine import make_engine
from db.jobs import Job
from enrichment.client import PortalClient
from functions import build
from functions.gate import PostgresGate
from functions.resources import Limits, Resources
from ocds.client import OcdsClient
from ocds.dates import SAST
from tests.functions.driver import CollectingClient, Driver, Killed, Run
from tests.waiting import until

NOON = datetime(2026, 10, 7, 12, 0, tzinfo=SAST)


@dataclass
class Clock:
    """A clock that stands still until it is moved; it can be told to kill whoever looks at it once too often."""

    now: datetime = NOON
    looks: int = 0
    kill_at: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        with self.lock:
            self.looks += 1
            if self.kill_at is not None and self.looks >= self.kill_at:
                self.kill_at = None
                raise Killed
            self.now += timedelta(milliseconds=1)
            return self.now

    def forward(self, **span: float) -> None:
        """Move on by so much."""
        self.now += timedelta(**span)

    def until(self, text: str) -> None:
        """Move on to an instant that a sleeping run waits for, on whose own clock time has passed meanwhile."""
        self.now += timedelta(minutes=20)


@dataclass
class World:
    """Everything around the functions of one test."""

    url: str
    source: str
    engine: sa.Engine
    stand_in: StandIn
    clock: Clock
    client: CollectingClient
    resources: Resources
    driver: Driver
    began: datetime = NOON

    def sync(self, **data: Any) -> Job:
        """Run tender-sync to its end; its job."""
        return self.job(self.driver.run("tender-sync", "tender/sync.requested", data))

    def drain(self, **data: Any) -> Job:
        """Run history-backfill to its end; its job."""
        return self.job(self.driver.run("history-backfill", "tender/history-backfill.requested", data))

    def job(self, run: Run) -> Job:
        """The job of a run, with its steps."""
        with self.engine.connect() as conn:
            job_id = jobs.of_run(conn, run.run_id)
            assert job_id is not None, run.error
            job = jobs.get(conn, job_id)
        assert job is not None
        return job

    def scalar(self, sql: str, **given: Any) -> Any:
        """The first value of a query."""
        with self.engine.connect() as conn:
            return conn.execute(sa.text(sql), given).scalar()

    def rows(self, sql: str, **given: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.execute(sa.text(sql), given)]

    def execute(self, sql: str, **given: Any) -> None:
        """Change something behind the functions' back."""
        with self.engine.begin() as conn:
            conn.execute(sa.text(sql), given)


@pytest.fixture
def make_world(database_url: str) -> Iterator[Callable[..., World]]:
    """Makes worlds: `make_world(limits=Limits(…), url=…, **replay)`, with the stand-in's options as `replay`."""
    with ExitStack() as stack:

        def make(*, limits: Limits | None = None, url: str | None = None, **replay: Any) -> World:
            clock = replay.pop("clock", None) or Clock()
            replay.setdefault("time_scale", 0.0)
            timeout = replay.pop("timeout", 2.0)
            stand_in = make_app(ReplayConfig(clock=lambda: clock.now, **replay))
            base = stack.enter_context(_served(stand_in))
            engine = make_engine(url or database_url)
            stack.callback(engine.dispose)
            gate = PostgresGate(engine, pause=0.0, rest=0.01)
            ocds = OcdsClient(base, gate=gate, timeout=timeout)
            portal = PortalClient(base, gate=gate, delay_ms=0, timeout=2 * timeout)
            # The hosts are told to fail, so that nobody need wait for them to get well.
            ocds._http._pause = portal._source._pause = lambda _: None
            stack.callback(ocds.close)
            stack.callback(portal.close)
            resources = Resources(
                engine=engine,
                ocds=ocds,
                portal=portal,
                clock=clock,
                source="replay",
                limits=limits or Limits(),
            )
            client = CollectingClient()
            driver = Driver(client, build(client, resources), asleep=clock.until)
            return World(
                url=url or database_url,
                source=base,
                engine=engine,
                stand_in=stand_in,
                clock=clock,
                client=client,
                resources=resources,
                driver=driver,
            )

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world of 200 recent tenders whose hosts behave."""
    return make_world(ids=(134_000, 137_000))


class _served:  # noqa: N801 - reads as a verb
    """Serve an ASGI app on a loopback port as long as the block lasts; its base URL."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> str:
        self._thread.start()
        until(lambda: self._server.started, what="the stand-in's start")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def with_limits(resources: Resources, **changed: Any) -> Resources:
    """The same resources with other limits."""
    return replace(resources, limits=replace(resources.limits, **changed))
