"""Where the cases play: an engine and a host for SDK apps, in one process and loop or joined by HTTP only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import fastapi
import uvicorn

from engine import Engine, EngineConfig

Scope = dict[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

QUICK = EngineConfig(dev=True, retry_base=0.002)


class Host:
    """An ASGI app that hands each request to the app mounted under the path's beginning."""

    def __init__(self) -> None:
        self._apps: dict[str, Asgi] = {}

    def mount(self, prefix: str, app: Asgi) -> None:
        self._apps[prefix] = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        for prefix, app in self._apps.items():
            if path.startswith(prefix):
                await app(scope, receive, send)
                return
        await _NOT_FOUND(scope, receive, send)


_NOT_FOUND = fastapi.FastAPI(openapi_url=None)


class Server:
    """A uvicorn server in a thread with its own loop, on a loopback port that is known before it starts."""

    def __init__(self, app: Asgi, *, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                loop="uvloop",
                lifespan="on",
                timeout_graceful_shutdown=2,
                timeout_keep_alive=120,
            )
        )
        self._thread = threading.Thread(target=self._run, name=f"server-{self.port}", daemon=True)

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._uvicorn.serve(sockets=[self._socket])

        with asyncio.Runner(loop_factory=_uvloop) as runner:
            runner.run(serve())

    def start(self) -> None:
        self._thread.start()
        waiting = threading.Event()
        while not self._uvicorn.started:
            if not self._thread.is_alive():
                message = "the server did not start; see the log above"
                raise RuntimeError(message)
            waiting.wait(0.01)

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and wait for its result."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(20)
        self._socket.close()


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


class Stage:
    """An engine's address, and where SDK apps can be mounted for it to call."""

    def __init__(self, engine: Engine, server: Server, apps: Server, host: Host) -> None:
        self.engine = engine
        self.server = server
        self.origin = server.origin
        self.app_origin = apps.origin
        self.host = host

    def mount(self, prefix: str, app: Asgi) -> None:
        self.host.mount(prefix, app)


def engine_app(engine: Engine) -> fastapi.FastAPI:
    """The engine as a server: its routes, and its life tied to the app's."""

    @contextlib.asynccontextmanager
    async def life(_: fastapi.FastAPI) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop(1.0)

    app = fastapi.FastAPI(lifespan=life, openapi_url=None)
    app.include_router(engine.router)
    return app


@contextlib.contextmanager
def stand_alone(dsn: str, config: EngineConfig = QUICK, **options: Any) -> Iterator[Stage]:
    """The engine in one server, SDK apps in another: they meet over HTTP only."""
    engine = Engine(dsn, config=config, **options)
    host = Host()
    server = Server(engine_app(engine))
    apps = Server(host)
    server.start()
    apps.start()
    try:
        yield Stage(engine, server, apps, host)
    finally:
        server.stop()
        apps.stop()


@contextlib.contextmanager
def embedded(
    dsn: str, config: EngineConfig = QUICK, *, port: int = 0, host: Host | None = None, **options: Any
) -> Iterator[Stage]:
    """Engine and SDK apps in one server and loop; invocations go to the apps without a socket."""
    engine = Engine(dsn, config=config, **options)
    apps = host or Host()
    inner = engine_app(engine)

    async def outer(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/apps/"):
            await apps(scope, receive, send)
        else:
            await inner(scope, receive, send)

    server = Server(outer, port=port)
    engine.serve_in_process(f"{server.origin}/apps/", apps)
    server.start()
    try:
        yield Stage(engine, server, server, apps)
    finally:
        server.stop()
