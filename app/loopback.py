"""HTTP servers inside this process: binding a port with a clear message, and running an app on it in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from app.patience import Impatient


class PortUnavailableError(Exception):
    """The port cannot be listened on. The message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises PortUnavailableError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches off Nagle's algorithm (40 ms a small answer) only on sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as problem:
        listener.close()
        raise PortUnavailableError(_advice(host, port, problem)) from problem
    listener.set_inheritable(True)
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that the socket really has."""
    return int(listener.getsockname()[1])


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers of its own: whoever started it decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the process's signals alone."""
        yield


def http_server(app: Any, *, grace: int = 1) -> QuietServer:
    """A server for `app`; its start-up and shut-down belong to the caller, `grace` seconds end open requests."""
    return QuietServer(
        uvicorn.Config(
            app,
            loop="none",
            http=Impatient,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=grace,
            proxy_headers=True,
        )
    )


class ThreadedServer:
    """An ASGI app on a loopback port of its own, in a thread with its own event loop."""

    def __init__(self, app: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self._listener = listen(host, port)
        self._server = http_server(app, grace=1)
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)
        self.url = f"http://{host}:{port_of(self._listener)}"

    def start(self) -> None:
        """Serves from now on; connections are accepted from the moment the socket listens."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and frees the port."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))


def _advice(host: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop what uses it, or choose another: --port {port + 1}."
    if problem.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} needs more rights than this account has. Choose one above 1023: --port 8000."
    return f"Cannot listen on {host} port {port}: {problem.strerror}. Choose another with --host and --port."
