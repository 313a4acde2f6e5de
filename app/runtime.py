"""What one process runs: database, source, Inngest client, functions and, where it is needed, the embedded engine.

`started()` builds it all in order and takes it down in the reverse order; nothing of it is a module-level global.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fastapi
import inngest
import inngest.fast_api
import psycopg
import sqlalchemy as sa

import functions
from app import database, extras, freshness_watch, source
from app.auth.basic import Recent
from app.endpoint import DirectEndpoint
from app.inngest_link import build_client, engine_config, registration, request_checks, scheduler
from app.keeping import Measured, Shared
from app.live import TICK_SECONDS, Ticker
from app.opendata.downloads import Downloads
from app.resources import resources
from app.runfile import RunFile
from app.settings import Settings, SourceChoice
from db.engine import psycopg_dsn
from engine import Engine, RefusedError

if TYPE_CHECKING:
    from app.tracing import Tracing

log = logging.getLogger("protenders.server")

Clock = Callable[[], datetime]
STOP_GRACE_SECONDS = 1.5
REGISTER_PATIENCE_SECONDS = 15.0
REGISTER_RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass
class Runtime:
    """A started process. `durable` is the embedded engine, or None when an Inngest server runs the functions."""

    settings: Settings
    base_url: str
    instance: RunFile
    clock: Clock
    database_url: str = field(repr=False)
    engine: sa.Engine
    source: source.Source
    client: inngest.Inngest
    functions: list[inngest.Function[Any]]
    endpoint: fastapi.FastAPI
    durable: Engine | None
    started_at: datetime
    tracing: Tracing | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    recent_logins: Recent = field(default_factory=Recent)
    registered: bool = False

    def __post_init__(self) -> None:
        self.ticker = Ticker(self.engine, self.stopping)
        self.downloads = Downloads(self.engine)
        self.measured = Measured()
        self.shared = Shared(TICK_SECONDS)


@asynccontextmanager
async def started(
    settings: Settings,
    *,
    instance: RunFile,
    asked_source: SourceChoice | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[Runtime]:
    """Everything that serves, from the database to the registered functions.

    Raises DatabaseUnavailableError when there is no database to use. At the end the engine stops taking work and its
    running steps finish or are released; then the source and, last, the database are let go.
    """
    async with AsyncExitStack() as stack:
        # The hosts are asked while the database starts.
        looking = asyncio.create_task(source.look(settings, asked_source), name="look-at-the-source")
        stack.push_async_callback(_end, looking)
        url = await asyncio.to_thread(stack.enter_context, database.database_url(settings))
        await asyncio.to_thread(database.prepare, url)
        pool = database.pooled_engine(settings, url)
        stack.callback(pool.dispose)
        tracing = extras.tracing(settings)
        if tracing is not None:
            tracing.watch(pool)
            stack.push_async_callback(asyncio.to_thread, tracing.close)
        holds_live_data = await asyncio.to_thread(_holds_live_data, pool)
        reach = await looking
        chosen = await asyncio.to_thread(
            source.choose, settings, asked_source, reach, holds_live_data=holds_live_data
        )
        stack.push_async_callback(asyncio.to_thread, chosen.close)
        made = stack.enter_context(
            resources(settings, chosen, pool, clock, base_url=instance.url, tracing=tracing)
        )
        client = build_client(settings, instance.url)
        built = functions.build(client, made)
        built.append(freshness_watch.build(client, freshness_watch.Watch.of(settings, made)))
        if settings.engine_mode == "embedded":
            built.append(scheduler(client, settings.sync_cron))
        checks = [fastapi.Depends(check) for check in request_checks(settings)]
        endpoint = fastapi.FastAPI(openapi_url=None, dependencies=checks)
        if tracing is not None:
            endpoint.router.route_class = tracing.route_class
        inngest.fast_api.serve(
            endpoint, client, built, enable_unauthed_sync=not settings.production, serve_path="/api/inngest"
        )
        runtime = Runtime(
            settings=settings,
            base_url=instance.url,
            instance=instance,
            clock=clock,
            database_url=url,
            engine=pool,
            source=chosen,
            client=client,
            functions=built,
            endpoint=endpoint,
            durable=None,
            started_at=clock(),
            tracing=tracing,
        )
        if settings.engine_mode == "embedded":
            config = engine_config(settings, on_accept=tracing.accepted if tracing else None)
            runtime.durable = Engine(psycopg_dsn(url), config=config, clock=clock)
            direct = DirectEndpoint(endpoint, tracing.noticing if tracing else None)
            runtime.durable.serve_in_process(instance.url, direct)
            await runtime.durable.start()
            stack.push_async_callback(runtime.durable.stop, STOP_GRACE_SECONDS)
        registering = asyncio.create_task(_register(runtime), name="register")
        stack.push_async_callback(_end, registering)
        stack.callback(runtime.stopping.set)
        # An event that arrives before the functions are known starts nothing. Nobody can send one while we wait.
        await asyncio.wait({registering}, timeout=REGISTER_PATIENCE_SECONDS)
        log.info("ready: source %s (%s), functions run by %s", chosen.kind, chosen.reason, _runner(settings))
        yield runtime


def _runner(settings: Settings) -> str:
    if settings.engine_mode == "embedded":
        return "the embedded engine"
    return f"Inngest ({settings.inngest_dev or settings.inngest_base_url or 'Inngest Cloud'})"


async def _register(runtime: Runtime) -> None:
    """Makes the functions known to the embedded engine, however long its database takes."""
    if runtime.durable is None:
        return
    name, url, configs = registration(runtime.client, runtime.functions, f"{runtime.base_url}/api/inngest")
    for attempt in range(1_000_000):
        try:
            await runtime.durable.register(name, url, configs)
        except (OSError, psycopg.Error, TimeoutError) as problem:
            delay = REGISTER_RETRY_SECONDS[min(attempt, len(REGISTER_RETRY_SECONDS) - 1)]
            log.warning("the functions could not be registered (%s); trying again in %s s", problem, delay)
            await asyncio.sleep(delay)
            continue
        except RefusedError as problem:
            log.error("the embedded engine refuses the functions: %s", problem)
            return
        log.info("registered %d functions with the embedded engine", len(runtime.functions))
        runtime.registered = True
        return


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _holds_live_data(pool: sa.Engine) -> bool:
    from db.jobs_tables import jobs

    statement = sa.select(
        sa.exists().where(jobs.c.source == "live", jobs.c.status.in_(("SUCCESS", "PARTIAL")))
    )
    with pool.connect() as connection:
        return bool(connection.execute(statement).scalar_one())
