"""Serving the stand-in with uvicorn: in the foreground for the command line, in a thread for everything
else.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from app.replay.config import ReplayConfig, ReplayError
from app.replay.stand_in import StandIn, make_app


@dataclass(frozen=True)
class Served:
    """A running stand-in: give `base_url` as both ``OCDS_BASE_URL`` and ``ETENDERS_BASE_URL``."""

    base_url: str
    stand_in: StandIn


def run(config: ReplayConfig, host: str = "127.0.0.1", port: int = 8001) -> None:
    """Serve until interrupted. Raises `ReplayError` for unusable options or captures and for a busy port."""
    stand_in = make_app(config)
    with _listen(host, port) as listening:
        _server(stand_in).run(sockets=[listening])


@contextmanager
def serving(config: ReplayConfig | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Served]:
    """Serve in a thread of this process while the context lasts, on a free port for 0. Raises like `run`."""
    stand_in = make_app(config)
    with _listen(host, port) as listening:
        server = _server(stand_in)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="eTenders stand-in", daemon=True
        )
        thread.start()
        try:
            # The socket listens already: a request that comes before the loop runs waits in its backlog.
            yield Served(f"http://{host}:{listening.getsockname()[1]}", stand_in)
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise ReplayError(
            f"The stand-in cannot listen on {host}:{port} ({error.strerror}). "
            "Choose another --port, or 0 for a free one."
        ) from error


def _server(stand_in: StandIn) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(stand_in, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )
