"""A `protenders serve` whose clock is told from outside, so that a month passes in minutes.

What is counted in real seconds elsewhere (how long a host is left in peace, the pauses between quick retries) passes
as much faster here.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

import uvloop

import app.resources
import app.runtime
import ocds.http
from app.inngest_link import engine_config
from app.serving import Serving
from app.settings import Settings
from db import upstream
from engine import EngineConfig
from functions.gate import PostgresGate
from functions.resources import Limits
from tests.acceptance import dying

KEPT = timedelta(days=7)
LIMITS = {"frontier_above": 3, "frontier_below": 10, "frontier_probes": 13}


class ToldClock:
    """Runs on from the instant that it was last told."""

    def __init__(self, now: datetime) -> None:
        self._told = (now, time.monotonic())

    def __call__(self) -> datetime:
        now, at = self._told
        return now + timedelta(seconds=time.monotonic() - at)

    def tell(self, now: datetime) -> None:
        """It is now so late."""
        self._told = (now, time.monotonic())


@dataclass(frozen=True)
class Orders:
    """What a worker is to do: its settings, the time at its start, and where it hears of later times."""

    settings: dict[str, Any]
    now: datetime
    times: Connection


def start(orders: Orders) -> ForkServerProcess:
    """A worker, on its way."""
    process = dying.context().Process(target=work, args=(orders,), daemon=True)
    process.start()
    return process


def work(orders: Orders) -> None:
    """The worker's whole life."""
    logging.disable(logging.CRITICAL)
    clock = ToldClock(orders.now)
    _hasten()
    serving = Serving(Settings(_env_file=None, **orders.settings), clock=clock)

    async def ready(serving: Serving) -> None:
        listening = threading.Thread(target=_listen, args=(orders.times, clock, serving), daemon=True)
        listening.start()
        orders.times.send("ready")

    uvloop.run(serving.run_until_signalled(ready))


def _listen(times: Connection, clock: ToldClock, serving: Serving) -> None:
    runtime = serving.runtime
    durable = runtime.durable
    assert durable is not None

    def look() -> None:
        durable.timers.nudge()
        durable.expect(clock())

    while True:
        try:
            clock.tell(times.recv())
        except EOFError:
            return
        runtime.loop.call_soon_threadsafe(look)


def _hasten() -> None:
    def kept_briefly(settings: Settings, **more: Any) -> EngineConfig:
        return replace(
            engine_config(settings, **more),
            keep_runs=KEPT,
            keep_events=KEPT,
            retention_every=3600.0,
            lease_seconds=3.0,
        )

    app.runtime.engine_config = kept_briefly  # type: ignore[attr-defined]
    app.resources.PostgresGate = partial(PostgresGate, rest=0.02)  # type: ignore[misc, assignment]
    app.resources.Limits = partial(  # type: ignore[misc, assignment]
        Limits, **LIMITS, jobs_kept_days=KEPT.days, audit_kept_days=KEPT.days
    )
    upstream.LONGEST_REST_SECONDS = 0.3
    ocds.http._QUICK_PAUSES = (0.001, 0.002)
