"""The embedded PostgreSQL, as its users see it: ask for a lease, get a URL, give the lease back.

All processes with the same home share one server. It starts with the first lease and stops with the last,
even when that holder is killed: the lease is a connection that the kernel closes. Should the server's
supervisor be killed, the lease brings another.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import quote

from db.embedded_place import EmbeddedPostgresError, Place, binaries
from db.embedded_server import DATABASE, ROLE

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "Lease", "binaries"]

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.02
_LAUNCHES = 3
"""Supervisors of ours that may end without a word before we stop trying."""
_LOG_LIMIT = 1_000_000


class EmbeddedPostgres:
    """The server that belongs to one home directory."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        """`durable=False` gives up safety on power loss for speed: for tests. The first user decides."""
        self._home = home.absolute()
        self._durable = durable

    def acquire(self, timeout: float = 120.0) -> Lease:
        """Wait until the server accepts connections; raises `EmbeddedPostgresError` after `timeout` s.

        The first start makes the cluster (a second or two); after a crash PostgreSQL recovers first.
        """
        return Lease(self, *self.join(timeout))

    def join(self, timeout: float) -> tuple[socket.socket, str]:
        """Become a user: the connection that says so for as long as it is open, and the database's URL."""
        binaries()
        place = Place.prepare(self._home)
        deadline = time.monotonic() + timeout
        launched = 0
        while True:
            connection = self._connect(place)
            if connection is None and (connection := self._launch(place)):
                launched += 1
            if connection is not None:
                answer = _answer(connection, deadline)
                if answer == {"ready": True}:
                    return connection, _url(place)
                connection.close()
                if answer is not None:
                    raise EmbeddedPostgresError(str(answer["error"]))
            # Otherwise a supervisor is on its way in or out; it holds the lock meanwhile.
            if time.monotonic() > deadline or launched >= _LAUNCHES:
                logs = f"{place.supervisor_log} and {place.log}"
                message = f"PostgreSQL was not ready within {timeout:g} s: see {logs}"
                raise EmbeddedPostgresError(message)
            time.sleep(_RETRY_SECONDS)

    @staticmethod
    def _connect(place: Place) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(place.control))
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            return None
        return connection

    def _launch(self, place: Place) -> socket.socket | None:
        """Start a supervisor and be its first user; None when another one holds the lock."""
        lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "db.embedded_supervisor", "--home", str(self._home)]
        command += ["--lock-fd", str(lock), "--user-fd", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        try:
            with _open_log(place.supervisor_log) as log:
                # Its own session: the terminal's Ctrl-C is for the users, who then give their leases back.
                started = subprocess.run(
                    [*command, *([] if self._durable else ["--not-durable"])],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lock, theirs.fileno()),
                    env=environment,
                    start_new_session=True,
                    check=False,
                )
        finally:
            os.close(lock)
            theirs.close()
        if started.returncode != 0:
            ours.close()
            message = f"the database's supervisor did not start: see {place.supervisor_log}"
            raise EmbeddedPostgresError(message)
        return ours

    def destroy(self) -> None:
        """Delete the database for good, with what lies outside the home; raises while somebody uses it."""
        place = Place.prepare(self._home)
        lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            place.forget()
        except BlockingIOError:
            message = f"the database in {place.data} is in use; stop its users first"
            raise EmbeddedPostgresError(message) from None
        finally:
            os.close(lock)


class Lease:
    """The right to use the server; a context manager. `url` stays the same for the lease's life."""

    def __init__(self, server: EmbeddedPostgres, connection: socket.socket, url: str) -> None:
        self.url = url
        self._server = server
        self._connection = connection
        self._released = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="embedded-postgres", daemon=True)
        self._watcher.start()

    def release(self, timeout: float = 10.0) -> None:
        """Give the lease back. The last one waits, at most `timeout` s, for the server to stop."""
        if self._released.is_set():
            return
        self._released.set()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._watcher.join(timeout)
        self._connection.close()

    def _watch(self) -> None:
        """Wait for the supervisor's end; if the lease is still wanted then, bring another supervisor."""
        while True:
            with contextlib.suppress(OSError):
                # After it had to start PostgreSQL again it says so; only its end matters here.
                while self._connection.recv(4096):
                    continue
            if self._released.is_set():
                return
            _log.warning("the embedded PostgreSQL's supervisor has ended; starting another")
            try:
                connection, _ = self._server.join(timeout=60.0)
            except (EmbeddedPostgresError, OSError):
                _log.exception("the embedded PostgreSQL is gone")
                if self._released.wait(5.0):
                    return
                continue
            self._connection.close()
            self._connection = connection
            if self._released.is_set():
                return

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _answer(connection: socket.socket, deadline: float) -> dict[str, object] | None:
    """The supervisor's first line: ready, or an error. None if it ended without one, or time ran out."""
    received = b""
    while b"\n" not in received:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            chunk = connection.recv(4096)
        except (TimeoutError, ConnectionResetError):
            return None
        if not chunk:
            return None
        received += chunk
    connection.settimeout(None)
    answer: dict[str, object] = json.loads(received.partition(b"\n")[0])
    return answer


def _url(place: Place) -> str:
    password = place.password_file.read_text().strip()
    host = quote(str(place.run), safe="")
    return f"postgresql+psycopg://{ROLE}:{quote(password, safe='')}@/{DATABASE}?host={host}"


def _open_log(path: Path) -> BinaryIO:
    """The supervisor's log, begun anew when it has grown large; only whoever holds the lock may."""
    large = path.exists() and path.stat().st_size > _LOG_LIMIT
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if large else os.O_APPEND), 0o600), "ab"
    )
