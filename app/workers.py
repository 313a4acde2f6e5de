"""Several server processes on one port: they share the socket and the database, and one that dies is replaced.

Each is a whole `protenders serve`: whichever takes a request can answer it, and the embedded engines share the runs as
those of several machines would.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

log = logging.getLogger("protenders.server")

STOP_SECONDS = 10.0
# Whoever lived so long has started well; as long as nobody has, the third end is the last.
_PROVEN_SECONDS = 30.0
_UNPROVEN_ENDS = 3
_LONGEST_PAUSE_SECONDS = 30.0


class Workers:
    """Starts the processes and stays until they are told to stop."""

    def __init__(self, listener: socket.socket, count: int, arguments: Sequence[str]) -> None:
        self._listener = listener
        self._count = count
        self._command = [
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--socket",
            str(listener.fileno()),
            *arguments,
        ]
        self._stopping = asyncio.Event()
        self._proven = False
        self._failed = False

    async def run(self) -> bool:
        """Until SIGINT or SIGTERM; False when the workers cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        environment = _environment()
        await asyncio.gather(*(self._keep(environment) for _ in range(self._count)))
        return not self._failed

    async def _keep(self, environment: Mapping[str, str]) -> None:
        ends = 0
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            worker = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment,
                pass_fds=[self._listener.fileno()],
                # A worker ends when this pipe does: should we be killed, nobody is left on the port.
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            if await self._ended(worker):
                return
            if asyncio.get_running_loop().time() - began > _PROVEN_SECONDS:
                self._proven, ends = True, 0
            ends += 1
            if ends == _UNPROVEN_ENDS and not self._proven:
                log.error("a worker ended %d times soon after its start: stopping", ends)
                self._failed = True
                self._stopping.set()
                return
            log.error("worker %d ended with %s; starting another", worker.pid, worker.returncode)
            await self._pause(min(2.0 ** (ends - 2), _LONGEST_PAUSE_SECONDS))

    async def _ended(self, worker: asyncio.subprocess.Process) -> bool:
        """Waits for the end of a worker; whether it was asked for. One that does not heed the asking is killed."""
        ending, stopping = asyncio.create_task(worker.wait()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not self._stopping.is_set():
            return False
        if worker.returncode is None:
            worker.send_signal(signal.SIGTERM)
            await asyncio.wait({ending}, timeout=STOP_SECONDS)
        if worker.returncode is None:
            worker.kill()
            await ending
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _environment() -> dict[str, str]:
    """What the workers have to have in common, a secret at least, is made here where nobody gave it."""
    from app import settings

    given = dict(os.environ)
    if settings.load().secret_key is None:
        given["SECRET_KEY"] = secrets.token_hex(32)
    return given
