"""A government host on loopback that answers byte for byte as a test tells it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

Script = Callable[["Visit"], None]


class Visit:
    """One request, and the connection to answer it on."""

    def __init__(self, connection: socket.socket, request: bytes, over: threading.Event) -> None:
        self.connection = connection
        self.over = over
        line, *headers = request.decode("latin-1").split("\r\n")
        self.target = line.split(" ")[1]
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (header.partition(":") for header in headers)
        }

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.over.wait()

    def drip(self, data: bytes) -> None:
        """Send this for ever, one byte in ten milliseconds, as long as the other side listens."""
        while not self.over.is_set():
            for byte in data:
                self.connection.sendall(bytes([byte]))
                if self.over.wait(0.01):
                    return


class Host:
    """Answers each request by the next script; the last one answers all that follow. ``targets`` is what
    was asked.
    """

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.connections = 0
        self._scripts: list[Script] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._start(self._accept)

    @property
    def targets(self) -> list[str]:
        return [visit.target for visit in self.visits]

    def will(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    def stop(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        with connection:
            try:
                while (request := self._request(connection)) is not None:
                    connection.settimeout(10)
                    visit = Visit(connection, request, self._over)
                    self.visits.append(visit)
                    script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                    script(visit)
                    connection.settimeout(0.05)
            except OSError:
                return  # the client went away, or the script closed the connection

    def _request(self, connection: socket.socket) -> bytes | None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            try:
                data = connection.recv(4096)
            except TimeoutError:
                if self._over.is_set():
                    return None
                continue
            if not data:
                return None
            request += data
        return request.removesuffix(b"\r\n\r\n")


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Script:
    """A complete answer; header names with underscores for dashes."""

    def script(visit: Visit) -> None:
        visit.send(head(status, content_length=str(len(body)), **headers) + body)

    return script


def answer_json(value: Any, status: int = 200, **headers: str) -> Script:
    return answer(json.dumps(value).encode(), status, content_type="application/json", **headers)


def answer_gzip(data: bytes) -> Script:
    return answer(gzip.compress(data), content_encoding="gzip", content_type="application/json")


def head(status: int = 200, **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Word",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def drop(visit: Visit) -> None:
    """Close the connection without a byte of an answer."""
    visit.connection.shutdown(socket.SHUT_RDWR)
    visit.connection.close()
