"""Serving the stand-in: in the foreground for the command line, in a thread for tests and other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from app.loopback import ThreadedServer, listen, port_of
from app.replay.config import ReplayConfig
from app.replay.stand_in import StandIn, make_app


@dataclass(frozen=True)
class Served:
    """A running stand-in: give `base_url` as both ``OCDS_BASE_URL`` and ``ETENDERS_BASE_URL``."""

    base_url: str
    stand_in: StandIn


def run(
    config: ReplayConfig,
    host: str = "127.0.0.1",
    port: int = 8001,
    say_where: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until interrupted; `say_where` is told the address as soon as it can be asked.

    Raises `ReplayError` for unusable options or captures, `PortUnavailableError` for a busy port.
    """
    stand_in = make_app(config)
    with listen(host, port) as listening:
        say_where(f"http://{host}:{port_of(listening)}")
        options = uvicorn.Config(
            stand_in, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
        )
        uvicorn.Server(options).run(sockets=[listening])


@contextmanager
def serving(config: ReplayConfig | None = None, port: int = 0) -> Iterator[Served]:
    """Serve in a thread of this process while the context lasts, on a free port for 0. Raises like `run`."""
    stand_in = make_app(config)
    server = ThreadedServer(stand_in, port=port)
    server.start()
    try:
        yield Served(server.url, stand_in)
    finally:
        server.stop()
