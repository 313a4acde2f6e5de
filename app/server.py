"""The web app: one factory that puts routes, protection, headers and the runtime's life together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from app import errors, extras, headers
from app.api import routers as api_routers
from app.auth.protection import guard
from app.heads import Heads
from app.opendata.models import Problem
from app.opendata.throttle import OpenAccess, TokenBuckets
from app.pages import routers as page_routers
from app.runfile import RunFile, new_instance, published, shared_instance
from app.runtime import Clock, Runtime, started, utc_now
from app.settings import Settings, SourceChoice, load

log = logging.getLogger("protenders.server")

DEFAULT_URL = "http://127.0.0.1:8000"
STATIC = Path(__file__).parent / "static"


def create_app(
    settings: Settings | None = None,
    *,
    source: SourceChoice | None = None,
    instance: RunFile | None = None,
    clock: Clock = utc_now,
) -> FastAPI:
    """The app. Its lifespan starts everything that it needs and stops it again; `app.state.runtime` is the result.

    Without arguments (as `uvicorn --factory app.server:create_app` calls it) the settings come from the environment.
    `instance.url` is the address under which this process reaches itself.
    """
    chosen = settings or load()
    if settings is None:
        extras.set_up_logging(chosen)
    this = instance or _instance(chosen)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with started(chosen, instance=this, asked_source=source, clock=clock) as runtime:
            app.state.runtime = runtime
            attach(app, runtime)
            with published(chosen.home, this):
                yield

    app = FastAPI(
        title="ProTenders",
        description="South Africa's public tenders, and the administration of their sync.",
        version=extras.VERSION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(guard)],
        responses={"4XX": {"model": Problem, "description": "Refused, and why."}},
    )
    # The last one added is the outermost.
    app.add_middleware(headers.BodyLimit)
    app.add_middleware(headers.OwnSite)
    app.add_middleware(errors.CatchAll)
    app.add_middleware(OpenAccess, buckets=_buckets(chosen))
    app.add_middleware(headers.SecurityHeaders, https=chosen.production)
    app.add_middleware(Heads)
    errors.install(app)
    for router in (*api_routers(), *page_routers()):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _instance(settings: Settings) -> RunFile:
    """Of a process that uvicorn started, perhaps as one of several."""
    url = settings.app_url or DEFAULT_URL
    return shared_instance(url, settings.derived_key) if settings.secret_key else new_instance(url)


def _buckets(settings: Settings) -> TokenBuckets | None:
    if not settings.open_data_requests_per_minute:
        return None
    return TokenBuckets(settings.open_data_requests_per_minute, settings.open_data_burst)


def attach(app: FastAPI, runtime: Runtime) -> None:
    """Adds the routes that only a started runtime has: the SDK's endpoint, and the embedded engine's."""
    for route in runtime.endpoint.routes:
        if isinstance(route, APIRoute) and route.path == "/api/inngest":
            # The SDK's own protocol: nothing that anybody but an Inngest server may call.
            route.include_in_schema = False
            app.router.routes.append(route)
    if runtime.durable is not None:
        app.include_router(runtime.durable.router)
