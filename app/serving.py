"""Running the app in this process: a socket, the app's life around the HTTP server, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Self

import uvloop

from app import actions
from app.actions import By
from app.auth import sessions
from app.auth.protection import Actor
from app.leaving import leave_at_last
from app.loopback import QuietServer, http_server, listen, port_of
from app.runfile import RunFile, new_instance, shared_instance
from app.runtime import Clock, Runtime, utc_now
from app.server import create_app
from app.settings import Settings, SourceChoice
from db import console

log = logging.getLogger("protenders.server")

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not bound to


class Serving:
    """The app on a port. The socket listens from the start, so a busy port is known before anything else happens;
    or it is given, and shared with other processes.

    Raises PortUnavailableError.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        source: SourceChoice | None = None,
        listener: socket.socket | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.settings = settings
        self._listener = listener or listen(host, port)
        self.port = port_of(self._listener)
        shown = _ANY_ADDRESS.get(host, f"[{host}]" if ":" in host else host)
        self.url = f"http://{shown}:{self.port}"
        # One of several on a socket that their parent opened: a command may meet any of them.
        shared = listener is not None
        self.instance: RunFile = (
            shared_instance(self.url, settings.derived_key) if shared else new_instance(self.url)
        )
        self.app = create_app(settings, source=source, instance=self.instance, clock=clock)
        self._server: QuietServer = http_server(self.app)

    @property
    def runtime(self) -> Runtime:
        """What has been started."""
        runtime: Runtime = self.app.state.runtime
        return runtime

    def stop(self) -> None:
        """Begins the orderly end; safe to call from a signal handler or another thread, and twice."""
        self._server.should_exit = True
        runtime: Runtime | None = getattr(self.app.state, "runtime", None)
        if runtime is not None:
            runtime.loop.call_soon_threadsafe(runtime.stopping.set)

    async def run(self, on_ready: Callable[[Self], Awaitable[None]] | None = None) -> None:
        """Starts everything, serves until `stop()`, takes everything down. Errors of the start come out as they are."""
        try:
            async with self.app.router.lifespan_context(self.app):
                serving = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http")
                try:
                    if on_ready is not None:
                        await on_ready(self)
                    await serving
                finally:
                    self.stop()
                    await serving
        finally:
            self._listener.close()

    async def run_until_signalled(self, on_ready: Callable[[Self], Awaitable[None]] | None = None) -> None:
        """`run()`, ended by SIGINT or SIGTERM, in order or at last; a signal during the start ends that instead."""
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()

        def end() -> None:
            leave_at_last()
            if self._server.started:
                log.info("stopping")
                self.stop()
            elif main is not None:
                main.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        try:
            await self.run(on_ready)
        except asyncio.CancelledError:
            log.info("stopped before the start was complete")

    async def first_admin(self) -> str | None:
        """Creates the first admin if there is none; the generated password, to be shown once."""
        given = self.settings.admin_password
        return await asyncio.to_thread(
            sessions.first_admin,
            self.runtime.engine,
            username=self.settings.admin_username,
            password=given.get_secret_value() if given else None,
            now=self.runtime.clock(),
        )

    async def ask_for_first_sync(self) -> None:
        """Sends a sync event when there never was a job."""

        def newest() -> str | None:
            with self.runtime.engine.connect() as connection:
                return console.newest_job(connection)

        if await asyncio.to_thread(newest) is not None:
            return
        starter = By(Actor(name="start-up", role="admin", via="token"))
        data = {"triggeredBy": "manual"}
        await actions.send(
            self.runtime, starter, actions.SYNC, data, event_id="first-sync", action="sync.first"
        )
        log.info("asked for the first sync; follow it at %s/admin/jobs", self.url)


class BackgroundServing:
    """The app in a thread of this process, on a free loopback port: for a command that needs it for a while."""

    def __init__(self, settings: Settings, *, source: SourceChoice | None = None) -> None:
        self.serving = Serving(settings, source=source)
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="app", daemon=True)

    def __enter__(self) -> Serving:
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem
        return self.serving

    def __exit__(self, *_: object) -> None:
        self.serving.stop()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        async def ready(_: Serving) -> None:
            self._ready.set()

        try:
            uvloop.run(self.serving.run(ready))
        except BaseException as problem:
            self._problem = problem
        finally:
            self._ready.set()
