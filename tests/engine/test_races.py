"""Two things at once have one winner: cancel and finish, twenty senders of one id, a retried sender."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fastapi
import httpx
import inngest
import pytest

from tests.conftest import temporary_database
from tests.engine.stage import Server, Stage, embedded
from tests.engine.trial import FINISHED, trial


@pytest.fixture(scope="module")
def stage(pg_server: str, template_database: str) -> Iterator[Stage]:
    with temporary_database(pg_server, template=template_database) as dsn, embedded(dsn) as made:
        yield made


def test_cancel_racing_with_finish_has_one_winner(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "racing", "async") as own:
            told: Counter[tuple[str, str]] = Counter()

            @own.function()
            async def racer(ctx: Any) -> str:
                await ctx.step.run("one", lambda: 1)
                await ctx.step.run("two", lambda: 2)
                return "finished"

            @own.function(
                trigger=[
                    inngest.TriggerEvent(
                        event=f"inngest/function.{name}",
                        expression=f"event.data.function_id == '{own.app_id}-racer'",
                    )
                    for name in ("finished", "cancelled")
                ]
            )
            async def listener(ctx: Any) -> None:
                told[ctx.event.data["run_id"], ctx.event.name] += 1

            await own.serve()
            seen: dict[str, str] = {}

            async def race(number: int) -> None:
                run = await own.run_of(await own.send("racer"))
                await asyncio.sleep((number % 20) * 0.001)
                cancelled = await own.http.delete(f"/v1/runs/{run['run_id']}")
                ended = await own.ended(run["run_id"])
                seen[run["run_id"]] = ended["status"]
                assert (cancelled.status_code == 200) is (ended["status"] == "Cancelled"), ended
                if ended["status"] == "Completed":
                    assert ended["output"] == "finished"

            for first in range(0, 120, 12):
                await asyncio.gather(*(race(number) for number in range(first, first + 12)))
            for run_id, status in seen.items():
                assert status in FINISHED
                assert (await own.run(run_id))["status"] == status, "a finished status changed"
            cancelled = {run_id for run_id, status in seen.items() if status == "Cancelled"}

            def all_told() -> bool:
                return {run for run, name in told if name.endswith("cancelled")} == cancelled

            await own.until(all_told, "every cancelled run's event")
            assert max(told.values()) == 1

    asyncio.run(play())


def test_twenty_senders_of_one_id_start_one_run(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "same-id", "async") as own:
            ran: list[str] = []

            @own.function()
            async def once(ctx: Any) -> None:
                ran.append(ctx.run_id)

            await own.serve()
            ids = await asyncio.gather(*(own.send("once", {"n": n}, id="order-77") for n in range(20)))

            async def with_runs() -> list[str]:
                return [event_id for event_id in ids if await own.runs(event_id)]

            first = await own.until(with_runs, "the run")
            assert len(first) == 1
            await own.ended((await own.runs(first[0]))[0]["run_id"])
            assert len(ran) == 1

    asyncio.run(play())


def test_a_sender_that_saw_a_500_and_sends_again_starts_one_run(stage: Stage) -> None:
    """The SDK's own retry, through a relay that hides the first success behind a 500."""
    passed_on: list[int] = []
    relay = fastapi.FastAPI(openapi_url=None)

    @relay.post("/e/{key}")
    async def pass_on(key: str, request: fastapi.Request) -> fastapi.Response:
        headers = {name: value for name, value in request.headers.items() if name.startswith("x-")}
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{stage.origin}/e/{key}", content=await request.body(), headers=headers)
        passed_on.append(answer.status_code)
        status = 500 if len(passed_on) == 1 else answer.status_code
        return fastapi.Response(answer.content, status, media_type="application/json")

    async def play(origin: str) -> None:
        async with trial(stage, "again", "async") as own:
            ran: list[str] = []

            @own.function()
            async def once(ctx: Any) -> None:
                ran.append(ctx.event.id)

            await own.serve()
            client = inngest.Inngest(app_id=own.app_id, is_production=False, event_api_base_url=origin)
            ids = await client.send([inngest.Event(name=own.name("once")) for _ in range(2)])
            assert passed_on == [200, 200]
            for event_id in ids:
                await own.ended((await own.run_of(event_id))["run_id"])
            assert sorted(ran) == sorted(ids)

    server = Server(relay)
    server.start()
    try:
        asyncio.run(play(server.origin))
    finally:
        server.stop()
