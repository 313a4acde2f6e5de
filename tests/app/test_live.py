"""Live updates: one look at the job log for all viewers, and only while somebody watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import event

from app.live import MAX_VIEWERS, Ticker, event_stream
from db import jobs

NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)


def open_job(engine: sa.Engine, name: str) -> None:
    with engine.begin() as connection:
        jobs.create(
            connection,
            job_id=name,
            type="DELTA_SYNC",
            function_id="tender-sync",
            run_id=f"run-of-{name}",
            event_id=None,
            source="replay",
            triggered_by="manual",
            actor=None,
            parameters={},
            now=NOW,
        )


async def come_true(condition: Callable[[], bool]) -> None:
    """Waits for something that has no event of its own."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def first_change(stream: AsyncIterator[frozenset[str]]) -> frozenset[str]:
    async for moved in stream:
        if moved:
            return moved
    raise AssertionError("the stream ended without a change")


def test_fifty_viewers_cost_what_one_does_and_all_hear_of_the_change(db_engine: sa.Engine) -> None:
    statements: list[str] = []
    event.listen(db_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    async def watch() -> tuple[list[frozenset[str]], int]:
        ticker = Ticker(db_engine, asyncio.Event(), tick=0.05)
        viewers = [asyncio.create_task(first_change(ticker.changes())) for _ in range(50)]
        await come_true(lambda: ticker.looks >= 2)
        await asyncio.to_thread(open_job, db_engine, "new-job")
        return list(await asyncio.wait_for(asyncio.gather(*viewers), 20)), ticker.looks

    heard, looks = asyncio.run(watch())
    assert all("new-job" in moved for moved in heard)
    reads = [text for text in statements if text.lstrip().startswith("SELECT jobs.id")]
    assert len(reads) <= 2 * (looks + 1)


def test_nobody_watching_means_no_look(db_engine: sa.Engine) -> None:
    async def watch() -> int:
        ticker = Ticker(db_engine, asyncio.Event(), tick=0.01)
        stream = ticker.changes()
        waiting = asyncio.ensure_future(anext(stream))
        await come_true(lambda: ticker.looks >= 2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await stream.aclose()
        assert ticker._task is not None
        await asyncio.wait_for(ticker._task, 10)
        return ticker.looks

    assert asyncio.run(watch()) >= 2


def test_the_streams_end_when_the_process_stops(db_engine: sa.Engine) -> None:
    async def watch() -> list[str]:
        stopping = asyncio.Event()
        ticker = Ticker(db_engine, stopping, tick=0.01)
        texts: list[str] = []

        async def read() -> None:
            texts.extend([text async for text in event_stream(ticker.changes(), str)])

        reader = asyncio.create_task(read())
        await come_true(lambda: ticker.looks >= 1)
        stopping.set()
        await asyncio.wait_for(reader, 10)
        return texts

    assert asyncio.run(watch())[0] == "retry: 3000\n\n"


def test_the_number_of_viewers_is_limited(db_engine: sa.Engine) -> None:
    async def fill() -> bool:
        stopping = asyncio.Event()
        ticker = Ticker(db_engine, stopping, tick=0.05)
        viewers = [asyncio.ensure_future(anext(ticker.changes(), frozenset())) for _ in range(MAX_VIEWERS)]
        await come_true(lambda: ticker.full)
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*viewers), 20)
        return True

    assert asyncio.run(fill())
