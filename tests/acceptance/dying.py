"""A `protenders serve` made to be killed: it counts its durable writes and its exchanges with other hosts, and ends
itself with SIGKILL at the one that its orders name.

Workers are forked from a server process that has everything imported, so that hundreds of them start in the time
of a few interpreters.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import re
import signal
import smtplib
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
import uvloop
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

import app.resources
from app.serving import Serving
from app.settings import Settings
from engine.database import Database
from functions.resources import Limits
from ocds.deadline import DeadlineTransport

# Housekeeping that finds nothing to do here, however often it looks.
IDLE = frozenset({"clear", "sweep", "turns"})
READY = "ready"
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|TRUNCATE|CREATE|ALTER|DROP)\b")


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a worker is to do. `now` is the time of its clock at its start; `kill_at` the number of the point at which
    it kills itself; every point's name is added to the file `report` when it is passed."""

    settings: dict[str, Any]
    now: datetime
    report: Path
    event: dict[str, Any] | None = None
    kill_at: int | None = None
    limits: dict[str, Any] = field(default_factory=dict)


class Points:
    """Counts what is passed; the one that the orders name is the last."""

    def __init__(self, orders: Orders) -> None:
        self._kill_at = orders.kill_at
        self._report = os.open(orders.report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._passed = 0
        self._lock = threading.Lock()

    def here(self, name: str) -> None:
        """One point."""
        with self._lock:
            self._passed += 1
            self.note(name)
            if self._passed == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def note(self, line: str) -> None:
        """Add a line to the report."""
        os.write(self._report, f"{line}\n".encode())


def context() -> ForkServerContext:
    """Processes forked from a server that has this module imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__, "tests.acceptance.warm"])
    return found


def start(orders: Orders) -> ForkServerProcess:
    """A worker, on its way."""
    process = context().Process(target=work, args=(orders,), daemon=True)
    process.start()
    return process


def end(process: ForkServerProcess, number: signal.Signals = signal.SIGKILL) -> None:
    """Make sure that a worker is gone."""
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, number)
    process.join(20)


def work(orders: Orders) -> None:
    """The worker's whole life: it ends by being killed, or by SIGTERM."""
    logging.disable(logging.CRITICAL)
    points = Points(orders)
    watch(points)
    began = time.monotonic()
    app.resources.Limits = partial(Limits, **orders.limits)  # type: ignore[misc, assignment]
    serving = Serving(
        Settings(_env_file=None, **orders.settings),
        clock=lambda: orders.now + timedelta(seconds=time.monotonic() - began),
    )

    async def ready(serving: Serving) -> None:
        if orders.event is not None:
            await asyncio.to_thread(ask, f"{serving.url}/e/local", orders.event)
        points.note(READY)

    uvloop.run(serving.run_until_signalled(ready))


def ask(url: str, event: dict[str, Any]) -> None:
    """Send the event, as curl would."""
    httpx.post(url, json=event, timeout=30).raise_for_status()


def watch(points: Points) -> None:
    """Pass a point before and after each commit that wrote something, each statement that commits by itself, each
    durable write of the engine, each question to eTenders, and each exchange with a mail server."""
    _watch_engine(points)
    _watch_database(points)
    _watch_hosts(points)


def _watch_engine(points: Points) -> None:
    tell = Database.watch

    def watched(self: Database, point: str | None, phase: Any) -> None:
        if point is not None and point not in IDLE:
            points.here(f"{phase} the engine's {point}")
        tell(self, point, phase)

    Database.watch = watched  # type: ignore[method-assign]


def _watch_database(points: Points) -> None:
    commit = PGDialect_psycopg.do_commit

    def commits(self: PGDialect_psycopg, connection: Any) -> None:
        wrote = connection.info.pop("wrote", None)
        if wrote:
            points.here(f"before the commit of {wrote}")
        commit(self, connection)
        if wrote:
            points.here(f"after the commit of {wrote}")

    def before(conn: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if not _WRITES.search(statement):
            return
        if _commits_itself(conn):
            points.here(f"before {_shown(statement)}")
        else:
            conn.info["wrote"] = _shown(statement)

    def after(conn: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if _WRITES.search(statement) and _commits_itself(conn):
            points.here(f"after {_shown(statement)}")

    PGDialect_psycopg.do_commit = commits  # type: ignore[method-assign]
    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(sa.Engine, "after_cursor_execute", after)
    sa.event.listen(sa.Engine, "rollback", lambda conn: conn.info.pop("wrote", None))


def _commits_itself(conn: sa.Connection) -> bool:
    return bool(conn.get_execution_options().get("isolation_level") == "AUTOCOMMIT")


def _shown(statement: str) -> str:
    return " ".join(statement.split())[:50]


def _watch_hosts(points: Points) -> None:
    handle, send, getreply = DeadlineTransport.handle_request, smtplib.SMTP.send, smtplib.SMTP.getreply

    def asks(self: DeadlineTransport, request: httpx.Request) -> httpx.Response:
        points.here(f"before GET {request.url.raw_path.decode()}")
        answer = handle(self, request)
        points.here(f"after GET {request.url.raw_path.decode()}")
        return answer

    def sends(self: smtplib.SMTP, said: Any) -> None:
        points.here(f"before sending {said[:12]!r}")
        send(self, said)
        points.here(f"after sending {said[:12]!r}")

    def reads(self: smtplib.SMTP) -> tuple[int, bytes]:
        points.here("before an answer")
        answer = getreply(self)
        points.here("after an answer")
        return answer

    DeadlineTransport.handle_request = asks  # type: ignore[method-assign]
    smtplib.SMTP.send = sends  # type: ignore[method-assign]
    smtplib.SMTP.getreply = reads  # type: ignore[method-assign]
