"""The embedded engine alone: an Inngest server for any SDK app, on its own port."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from app import database, headers
from app.inngest_link import engine_config
from app.leaving import leave_at_last
from app.loopback import http_server, listen, port_of
from app.settings import Settings
from db.engine import psycopg_dsn
from engine import Engine

log = logging.getLogger("protenders.engine")

STOP_GRACE_SECONDS = 2.0


@asynccontextmanager
async def engine_app(settings: Settings) -> AsyncIterator[FastAPI]:
    """A started engine's routes and `/health`, as an app of its own."""
    async with AsyncExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, database.database_url(settings))
        await asyncio.to_thread(database.prepare, url)
        engine = Engine(psycopg_dsn(url), config=engine_config(settings))
        await engine.start()
        stack.push_async_callback(engine.stop, STOP_GRACE_SECONDS)
        app = FastAPI(title="ProTenders engine", docs_url=None, redoc_url=None, openapi_url=None)
        app.include_router(engine.router)
        app.add_middleware(headers.OwnSite)
        app.add_middleware(headers.SecurityHeaders, https=False)

        async def health(_: Request) -> JSONResponse:
            return JSONResponse({"status": 200, "message": "OK"})

        app.add_route("/health", health)
        yield app


async def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Raises PortUnavailableError before anything is started."""
    with listen(host, port) as listener:
        async with engine_app(settings) as app:
            server = http_server(app)

            def end() -> None:
                leave_at_last()
                server.should_exit = True

            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, end)
            where = f"http://{host}:{port_of(listener)}"
            log.warning("the engine is at %s; give an app INNGEST_DEV=%s", where, where)
            await server.serve(sockets=[listener])
