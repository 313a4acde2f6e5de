"""Schedules and the clock: one catch-up run after a pause of hours, a life beyond restarts, an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import inngest
import psycopg
import pytest

from db.engine import psycopg_dsn
from engine import EngineConfig
from tests.conftest import temporary_database
from tests.engine.stage import Stage, embedded
from tests.engine.trial import Trial, trial

HOURLY = "0 * * * *"
CONFIG = EngineConfig(dev=True, retry_base=0.002, poll_seconds=0.05)


class Clock:
    """The real time, and a jump."""

    def __init__(self, start: datetime) -> None:
        self.ahead = start - datetime.now(UTC)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump(self, by: timedelta) -> None:
        self.ahead += by


@pytest.fixture
def clock() -> Clock:
    """Five past an hour."""
    return Clock(datetime(2031, 3, 4, 10, 5, tzinfo=UTC))


@pytest.fixture
def dsn(pg_server: str, template_database: str) -> Iterator[str]:
    with temporary_database(pg_server, template=template_database) as made:
        yield made


@asynccontextmanager
async def playing(dsn: str, clock: Clock) -> AsyncIterator[tuple[Stage, Trial]]:
    with embedded(dsn, CONFIG, clock=clock) as stage:
        async with trial(stage, "schedule", "async") as own:
            yield stage, own


def hourly(own: Trial, ran: list[int]) -> inngest.Function[Any]:
    """A function that runs every hour and notes the times it was due."""

    @own.function(trigger=inngest.TriggerCron(cron=HOURLY), fn_id="hourly")
    async def each_hour(ctx: Any) -> None:
        ran.append(ctx.event.ts)

    return each_hour


async def quiet(clock: Clock, ran: list[int], seconds: float = 0.4) -> int:
    """How many have run after some time in which nothing more should."""
    end = clock() + timedelta(seconds=seconds)
    while clock() < end:  # noqa: ASYNC110 - that nothing happens can only be waited for
        await asyncio.sleep(0.02)
    return len(ran)


def test_a_pause_of_hours_gives_one_catch_up_run_and_the_next_on_time(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        ran: list[int] = []
        async with playing(dsn, clock) as (_, own):
            hourly(own, ran)
            await own.serve()
            assert await quiet(clock, ran, 0.2) == 0
            clock.jump(timedelta(hours=7))
            await own.until(lambda: ran, "the catch-up run")
            assert await quiet(clock, ran) == 1, "one run for seven missed hours"
            clock.jump(timedelta(hours=1))
            await own.until(lambda: len(ran) == 2, "the next hour's run")
            assert await quiet(clock, ran) == 2

    asyncio.run(play())


def test_a_schedule_survives_a_restart_without_registration(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        ran: list[int] = []
        async with playing(dsn, clock) as (stage, own):
            hourly(own, ran)
            await own.serve()
        clock.jump(timedelta(hours=3))
        with embedded(dsn, CONFIG, clock=clock, port=stage.server.port, host=stage.host) as again:
            async with trial(again, "schedule", "async") as own:
                await own.until(lambda: ran, "the run after the restart")
                assert await quiet(clock, ran) == 1

    asyncio.run(play())


def test_a_registration_that_drops_the_function_ends_its_schedule(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        ran: list[int] = []
        async with playing(dsn, clock) as (_, own):
            hourly(own, ran)

            @own.function("other")
            async def other(ctx: Any) -> None:
                return None

            await own.serve()
            clock.jump(timedelta(hours=1))
            await own.until(lambda: ran, "a scheduled run")
            await own.serve(other)
            clock.jump(timedelta(hours=5))
            assert await own.completed("other") is None
            assert await quiet(clock, ran) == 1

    asyncio.run(play())


def test_a_paused_functions_schedule_fires_nothing(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        ran: list[int] = []
        async with playing(dsn, clock) as (_, own):
            hourly(own, ran)
            await own.serve()
            paused = await own.http.post(f"/v1/functions/{own.app_id}-hourly/pause", json={})
            assert paused.status_code == 200
            clock.jump(timedelta(hours=2))
            assert await quiet(clock, ran) == 0
            await own.http.post(f"/v1/functions/{own.app_id}-hourly/resume", json={})
            clock.jump(timedelta(hours=1))
            await own.until(lambda: ran, "a run after resuming")

    asyncio.run(play())


def test_a_sleep_ends_when_the_clock_has_jumped_over_its_time(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        async with playing(dsn, clock) as (_, own):

            @own.function()
            async def sleeper(ctx: Any) -> str:
                await ctx.step.sleep_until("long", datetime(2031, 3, 5, tzinfo=UTC))
                return "woke"

            await own.serve()
            run = await own.run_of(await own.send("sleeper"))
            await own.until(lambda: own.run(run["run_id"]), "the run")
            clock.jump(timedelta(days=2))
            assert (await own.ended(run["run_id"]))["output"] == "woke"

    asyncio.run(play())


def test_what_is_past_its_retention_is_deleted_and_what_lives_is_not(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        config = EngineConfig(dev=True, poll_seconds=0.05, retention_every=0.1)
        with embedded(dsn, config, clock=clock) as stage:
            async with trial(stage, "retention", "async") as own:

                @own.function()
                async def quick(ctx: Any) -> None:
                    await ctx.step.run("one", lambda: 1)

                @own.function()
                async def long(ctx: Any) -> str:
                    await ctx.step.sleep_until("long", datetime(2031, 6, 1, tzinfo=UTC))
                    return "woke"

                await own.serve()
                old = await own.outcome("quick")
                living = await own.run_of(await own.send("long"))
                clock.jump(timedelta(days=31))

                async def gone() -> bool:
                    return (await own.http.get(f"/v1/runs/{old['run_id']}")).status_code == 404

                await own.until(gone, "the old run's end")
                clock.jump(timedelta(days=80))
                assert (await own.ended(living["run_id"]))["output"] == "woke"

    asyncio.run(play())


def test_what_a_crash_left_is_swept_though_the_clock_was_set_back(dsn: str, clock: Clock) -> None:
    async def play() -> None:
        async with playing(dsn, clock) as (_, own):

            @own.function(concurrency=[inngest.Concurrency(limit=1)])
            async def limited(ctx: Any) -> None:
                return None

            await own.serve()
            await own.completed("limited")
            clock.jump(timedelta(hours=-2))
            with psycopg.connect(psycopg_dsn(dsn), autocommit=True) as connection:
                connection.execute(
                    "INSERT INTO engine.slots (gate, run_id, taken) VALUES ('gate', 'gone', 1)"
                )
                left = "SELECT FROM engine.slots WHERE run_id = 'gone'"
                await own.until(lambda: connection.execute(left).fetchone() is None, "the sweep")

    asyncio.run(play())
