"""A database that falls silent: nothing fails, nothing answers, every connection stays open."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from db.engine import normalise, psycopg_dsn
from tests.acceptance.processes import PROTENDERS, answers, environment, free_port, running, wait_for

pytestmark = pytest.mark.acceptance


class Relay:
    """A port that leads to the database, until it keeps everything that comes to itself."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(psycopg_dsn(url)) as connection:
            self._host, self._port = connection.info.host, connection.info.port
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        address = normalise(url).set(host="127.0.0.1", port=self._listener.getsockname()[1], query={})
        self.url = address.set(drivername="postgresql").render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._open.clear()

    def speak(self) -> None:
        self._open.set()

    def close(self) -> None:
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = self._reach()
                self._sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _reach(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return far

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    made = Relay(database_url)
    yield made
    made.close()


def test_a_server_whose_database_falls_silent_lives_goes_on_afterwards_and_can_be_stopped_meanwhile(
    relay: Relay, protenders_home: Path
) -> None:
    port = free_port()
    settings = environment(
        DATABASE_URL=relay.url, PROTENDERS_HOME=str(protenders_home), ADMIN_PASSWORD="a long pass phrase"
    )
    serve = (*PROTENDERS, "serve", "--port", str(port), "--source", "replay")
    base = f"http://127.0.0.1:{port}"
    with running(*serve, env=settings) as process:
        answers(process, f"{base}/readyz", seconds=120)

        relay.fall_silent()
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{base}/readyz", timeout=1)
        assert httpx.get(f"{base}/healthz", timeout=20).status_code == 200
        relay.speak()
        wait_for("the return", lambda: httpx.get(f"{base}/readyz", timeout=30).status_code == 200)

        relay.fall_silent()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 1, process.said
        assert "not reached in order within 8 s" in process.said
