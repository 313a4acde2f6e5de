"""A process with an engine and an SDK app, made to be killed: every step notes its effect in a table.

Workers are forked from a server process that has everything imported already, so that hundreds of them start
in the time of a few interpreters.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import fastapi
import inngest
import inngest.fast_api
import psycopg

from app.inngest_link import registration
from db.engine import psycopg_dsn
from engine import Engine, EngineConfig

EFFECTS = """
CREATE TABLE IF NOT EXISTS effects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id text NOT NULL, step text NOT NULL,
  pid integer NOT NULL, at timestamptz NOT NULL DEFAULT now())
"""
URL = "http://127.0.0.1:1/api/inngest"
# Housekeeping that finds nothing to do here, however often it looks.
IDLE = frozenset({"cron", "clear", "sweep", "turns"})


@dataclass(frozen=True)
class Orders:
    """What a worker is to do. `kill_at`: the number of the write hook's call at which it kills itself."""

    dsn: str
    send: tuple[dict[str, Any], ...] = ()
    kill_at: int | None = None
    lease_seconds: float = 2.0
    grace: float = 0.2
    tally: Any = field(default=None, compare=False)


def context() -> ForkServerContext:
    """Processes forked from a server that has this module imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__])
    return found


def start(orders: Orders) -> ForkServerProcess:
    """A worker, on its way."""
    process = context().Process(target=work, args=(orders,), daemon=True)
    process.start()
    return process


def work(orders: Orders) -> None:
    """The worker's whole life: it ends by being killed, or by SIGTERM."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_work(orders))


async def _work(orders: Orders) -> None:
    engine = Engine(
        orders.dsn,
        config=EngineConfig(
            dev=True, retry_base=0.002, lease_seconds=orders.lease_seconds, on_write=_assassin(orders)
        ),
    )
    client = inngest.Inngest(
        app_id="worker", is_production=False, api_base_url=URL, event_api_base_url=URL,
        logger=logging.getLogger("worker"),
    )  # fmt: skip
    functions = scenario(client, orders.dsn, engine)
    app = fastapi.FastAPI(openapi_url=None)
    inngest.fast_api.serve(app, client, functions)
    engine.serve_in_process("http://127.0.0.1:1/", app)
    await engine.start()
    await engine.register(*registration(client, functions, URL))
    if orders.send:
        await engine.send([dict(event) for event in orders.send])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await engine.stop(orders.grace)


def _assassin(orders: Orders) -> Callable[[str, str], None]:
    """Counts the durable writes, and kills this process at the one that the orders name."""
    calls = 0

    def on_write(point: str, phase: str) -> None:
        nonlocal calls
        if point in IDLE:
            return
        calls += 1
        if orders.tally is not None:
            orders.tally.put((calls, point, phase))
        if calls == orders.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_write


def scenario(client: inngest.Inngest, dsn: str, engine: Engine) -> list[inngest.Function[Any]]:
    """One function that uses every kind of step, those that it calls, and a plain one for crowds."""
    plain_dsn = psycopg_dsn(dsn)

    async def effect(run_id: str, step: str) -> str:
        connection = await psycopg.AsyncConnection.connect(plain_dsn, autocommit=True)
        async with connection:
            await connection.execute(
                "INSERT INTO effects (run_id, step, pid) VALUES (%s, %s, %s)", (run_id, step, os.getpid())
            )
        return step

    def on(name: str) -> dict[str, Any]:
        return {"fn_id": name, "trigger": inngest.TriggerEvent(event=f"worker/{name}")}

    @client.create_function(**on("callee"))
    async def callee(ctx: inngest.Context) -> str:
        return await ctx.step.run("callee", effect, ctx.run_id, "callee")

    @client.create_function(**on("answer"))
    async def answer(ctx: inngest.Context) -> str:
        await ctx.step.run("answer", effect, ctx.run_id, "answer")
        await ctx.step.run("reply", _sender(engine, "worker/answered", ctx.event.data))
        return "answered"

    # A singleton, so that it is decided whether its invocation runs.
    @client.create_function(**on("doomed"), retries=0, singleton=inngest.Singleton(mode="skip"))
    async def doomed(ctx: inngest.Context) -> None:
        await ctx.step.run("doomed", effect, ctx.run_id, "doomed")
        raise RuntimeError("doomed")

    @client.create_function(**on("everything"), retries=3)
    async def everything(ctx: inngest.Context) -> list[Any]:
        found: list[Any] = [await ctx.step.run("one", effect, ctx.run_id, "one")]

        async def flaky() -> str:
            if ctx.attempt == 0:
                raise RuntimeError("once")
            return await effect(ctx.run_id, "flaky")

        found.append(await ctx.step.run("flaky", flaky))
        group = await ctx.group.parallel(
            (
                lambda: ctx.step.run("left", effect, ctx.run_id, "left"),
                lambda: ctx.step.run("right", effect, ctx.run_id, "right"),
                lambda: ctx.step.invoke("call", function=callee),
            )
        )
        found.extend(group)
        await ctx.step.sleep("nap", 50)
        await ctx.step.run("ask", _sender(engine, "worker/answer", {"id": ctx.run_id}))
        answered = await ctx.step.wait_for_event(
            "wait", event="worker/answered", if_exp=f"async.data.id == '{ctx.run_id}'", timeout=2000
        )
        del answered
        try:
            await ctx.step.invoke("fail", function=doomed)
        except inngest.StepError as error:
            found.append(error.message)
        found.append(await ctx.step.run("last", effect, ctx.run_id, "last"))
        return found

    @client.create_function(**on("three"))
    async def three(ctx: inngest.Context) -> list[str]:
        return [await ctx.step.run(name, effect, ctx.run_id, name) for name in ("a", "b", "c")]

    @client.create_function(
        **on("limited"),
        concurrency=[inngest.Concurrency(limit=2)],
        cancel=[inngest.Cancel(event="worker/never", if_exp="event.data.n == async.data.n")],
    )
    async def limited(ctx: inngest.Context) -> list[str]:
        return [await ctx.step.run(name, effect, ctx.run_id, name) for name in ("a", "b", "c")]

    @client.create_function(**on("slow"))
    async def slow(ctx: inngest.Context) -> list[str]:
        async def body(name: str) -> str:
            await asyncio.sleep(0.05)
            return await effect(ctx.run_id, name)

        return [await ctx.step.run(name, body, name) for name in ("a", "b", "c")]

    return [callee, answer, doomed, everything, three, limited, slow]


def _sender(engine: Engine, name: str, data: Any) -> Callable[[], Any]:
    """Sends an event whose id is its content's, so that a repeated step repeats no event."""

    async def send() -> None:
        await engine.send([{"name": name, "id": f"{name}-{data['id']}", "data": {"id": data["id"]}}])

    return send
