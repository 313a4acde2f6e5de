"""What the engine's benchmark runs: a FastAPI app with trivial functions and the engine, in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import fastapi
import inngest
import inngest.fast_api
import psycopg
import uvicorn

from app.endpoint import DirectEndpoint
from app.inngest_link import registration
from db.engine import psycopg_dsn
from engine import Engine, EngineConfig

DEADLINE = 300.0


class Rig:
    """An engine with its app, how to ask it for runs and how to wait until they have ended."""

    def __init__(self, engine: Engine, url: str, watch: psycopg.AsyncConnection[Any]) -> None:
        self.engine = engine
        self.url = url
        self.first_steps: dict[int, float] = {}
        self.woken: list[float] = []
        self._watch = watch

    async def left(self) -> int:
        """Runs that have not ended."""
        cursor = await self._watch.execute("SELECT count(*) FROM engine.queue")
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def idle(self) -> bool:
        """Whether every run has ended."""
        return await self.left() == 0

    async def parked(self) -> int:
        """Runs that wait for a time."""
        cursor = await self._watch.execute("SELECT count(*) FROM engine.queue WHERE state = 't'")
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def execute(self, sql: str) -> None:
        await self._watch.execute(sql.encode())

    async def until(self, done: Callable[[], Any], pause: float = 0.002) -> None:
        """Ask the database until it says so."""
        end = time.monotonic() + DEADLINE
        while not await done():
            if time.monotonic() > end:
                message = f"the engine did not come to an end within {DEADLINE:g} s"
                raise RuntimeError(message)
            await asyncio.sleep(pause)

    async def timed(self, events: list[dict[str, Any]]) -> float:
        """Seconds from the first event until every run has ended and is recorded."""
        begun = time.perf_counter()
        for first in range(0, len(events), 1000):
            await self.engine.send(events[first : first + 1000])

        await self.until(self.idle)
        return time.perf_counter() - begun


def functions(client: inngest.Inngest, rig: Callable[[], Rig]) -> list[inngest.Function[Any]]:
    """The shapes, with bodies that do nothing."""

    def on(name: str) -> dict[str, Any]:
        return {"fn_id": name, "trigger": inngest.TriggerEvent(event=f"bench/{name}")}

    async def plus(number: int) -> int:
        return number + 1

    @client.create_function(**on("three"))
    async def three(ctx: inngest.Context) -> int:
        number = 0
        for name in ("a", "b", "c"):
            number = await ctx.step.run(name, plus, number)
        return number

    @client.create_function(**on("three-sync"))
    def three_sync(ctx: inngest.ContextSync) -> int:
        number = 0
        for name in ("a", "b", "c"):
            number = ctx.step.run(name, lambda value: value + 1, number)
        return number

    @client.create_function(**on("sequence"))
    async def sequence(ctx: inngest.Context) -> int:
        number = 0
        for place in range(int(str(ctx.event.data["n"]))):
            number = await ctx.step.run(f"s{place}", plus, number)
        return number

    @client.create_function(**on("fan"))
    async def fan(ctx: inngest.Context) -> int:
        width = int(str(ctx.event.data["n"]))

        def member(place: int) -> Callable[[], Any]:
            return lambda: ctx.step.run(f"p{place}", plus, place)

        return sum(await ctx.group.parallel(tuple(member(place) for place in range(width))))

    @client.create_function(**on("first"))
    async def first(ctx: inngest.Context) -> None:
        async def note() -> None:
            rig().first_steps[int(str(ctx.event.data["n"]))] = time.perf_counter()

        await ctx.step.run("note", note)

    @client.create_function(**on("sleeper"))
    async def sleeper(ctx: inngest.Context) -> None:
        until = datetime.fromtimestamp(float(str(ctx.event.data["until"])), UTC)
        await ctx.step.sleep_until("nap", until)
        rig().woken.append(time.time())

    return [three, three_sync, sequence, fan, first, sleeper]


@contextlib.asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Rig]:
    """The rig, its server listening on a loopback port, its functions registered."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    client = inngest.Inngest(
        app_id="bench",
        is_production=False,
        api_base_url=url,
        event_api_base_url=url,
        logger=logging.getLogger("bench"),
    )
    engine = Engine(dsn, config=EngineConfig(dev=True))
    made: list[Rig] = []
    served = functions(client, lambda: made[0])
    app = fastapi.FastAPI(openapi_url=None)
    inngest.fast_api.serve(app, client, served)
    engine.serve_in_process(f"{url}/api/inngest", DirectEndpoint(app))
    app.include_router(engine.router)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    async with await psycopg.AsyncConnection.connect(psycopg_dsn(dsn), autocommit=True) as watch:
        made.append(Rig(engine, url, watch))
        await engine.start()
        serving = asyncio.create_task(server.serve(sockets=[place]))
        try:
            await engine.register(*registration(client, served, f"{url}/api/inngest"))
            yield made[0]
        finally:
            server.should_exit = True
            await serving
            await engine.stop(1.0)
