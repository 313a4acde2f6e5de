"""The small process that runs the embedded PostgreSQL for as long as somebody uses it.

A user is an open connection to the control socket. The kernel closes it when the user ends, however that
happens, so nobody can be forgotten; no process number is ever trusted. `db.embedded` starts this module with
two inherited descriptors: the place's lock, and the first user's connection.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from db.embedded_place import EmbeddedPostgresError, Place
from db.embedded_server import Server

_READY_CHECK_SECONDS = 0.01
_ATTEMPTS = 3
"""Starts in a row that may fail before the supervisor gives up."""


class Supervisor:
    """Serves the control socket, starts PostgreSQL again when it dies, stops it after the last user."""

    def __init__(self, place: Place, server: Server, first: socket.socket) -> None:
        self._place = place
        self._server = server
        self._users: set[socket.socket] = set()
        self._last: socket.socket | None = None
        self._ready = False
        self._failures = 0
        self._selector = selectors.DefaultSelector()
        self._child_ended = _child_signals()
        self._selector.register(self._child_ended, selectors.EVENT_READ)
        self._admit(first)
        place.control.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place.control))
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Until the last user has gone, or PostgreSQL cannot be started; then nothing is left running."""
        try:
            self._server.start()
            while self._users:
                self._turn()
        except (EmbeddedPostgresError, OSError) as error:
            _log(f"giving up: {error}")
            self._tell({"error": str(error)})
        finally:
            # New users from here on find no socket, and start a new supervisor once the lock is free.
            self._listener.close()
            self._place.control.unlink(missing_ok=True)
            self._server.stop()
            _log("stopped")

    def _turn(self) -> None:
        for key, _ in self._selector.select(None if self._ready else _READY_CHECK_SECONDS):
            if key.fileobj is self._listener:
                self._admit(self._listener.accept()[0])
            elif key.fileobj is self._child_ended:
                self._child_ended.recv(4096)
            elif isinstance(key.fileobj, socket.socket) and not key.fileobj.recv(64):
                self._dismiss(key.fileobj)
        if self._server.ended():
            self._start_again()
        elif not self._ready and self._server.ready():
            self._ready, self._failures = True, 0
            _log("ready")
            self._tell({"ready": True})

    def _start_again(self) -> None:
        if not self._ready:
            self._failures += 1
            if self._failures >= _ATTEMPTS:
                message = f"PostgreSQL does not start: {self._server.last_words()}"
                raise EmbeddedPostgresError(message)
        _log("PostgreSQL ended unexpectedly; starting it again")
        self._ready = False
        self._server.start()

    def _admit(self, user: socket.socket) -> None:
        self._users.add(user)
        self._selector.register(user, selectors.EVENT_READ)
        if self._ready:
            self._say(user, {"ready": True})

    def _dismiss(self, user: socket.socket) -> None:
        """Forget a user. The last one's connection stays open until the server has stopped: it may wait."""
        self._selector.unregister(user)
        self._users.discard(user)
        if self._users:
            user.close()
        else:
            self._last = user

    def _tell(self, message: dict[str, object]) -> None:
        for user in self._users:
            self._say(user, message)

    @staticmethod
    def _say(user: socket.socket, message: dict[str, object]) -> None:
        try:
            user.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            # It has just ended; the next turn reads its end of file.
            _log("a user left before it was answered")


def _child_signals() -> socket.socket:
    """A socket that becomes readable when a child process ends."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _log(text: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{moment} supervisor {os.getpid()}: {text}\n")


def main() -> None:
    """Entry point of the process that `db.embedded` starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--lock-fd", type=int, required=True)
    parser.add_argument("--user-fd", type=int, required=True)
    parser.add_argument("--not-durable", action="store_true")
    given = parser.parse_args()
    # A child of nobody: whoever started us need not collect us.
    if os.fork():
        os._exit(0)
    # Stopping is up to the users: a signal for the whole group must not take their database from them.
    # A handler, as PostgreSQL would inherit SIG_IGN and miss a request to stop that comes very early.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, lambda *_: None)
    os.chdir("/")
    first = socket.socket(fileno=given.user_fd)
    for descriptor in (given.lock_fd, given.user_fd):
        os.set_inheritable(descriptor, False)
    try:
        place = Place.prepare(given.home)
        supervisor = Supervisor(place, Server(place, durable=not given.not_durable), first)
    except (EmbeddedPostgresError, OSError) as error:
        first.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
        sys.exit(1)
    supervisor.run()
    # Before the last user's connection closes: it may want to start the server again at once.
    os.close(given.lock_fd)


if __name__ == "__main__":
    main()
