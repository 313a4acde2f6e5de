"""With a signing key: calls are signed, answers verified, keys rotated, apps registered in and out of band."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import inngest
import pytest

from engine import EngineConfig
from tests.conftest import temporary_database
from tests.engine.stage import Stage, stand_alone
from tests.engine.trial import Trial, trial

KEY = "signkey-prod-" + "0a" * 32
OLD_KEY = "signkey-prod-" + "0b" * 32
OTHER_KEY = "signkey-prod-" + "0c" * 32


@pytest.fixture(scope="module")
def stage(pg_server: str, template_database: str) -> Iterator[Stage]:
    config = EngineConfig(
        dev=False,
        signing_key=KEY,
        signing_key_fallback=OLD_KEY,
        event_keys=("event-key",),
        retry_base=0.002,
    )
    with temporary_database(pg_server, template=template_database) as dsn, stand_alone(dsn, config) as made:
        yield made


def signed(own: Trial, key: str) -> inngest.Inngest:
    """The SDK's client as in production, with this key."""
    own.http.headers["authorization"] = "Bearer event-key"
    own.client = inngest.Inngest(
        app_id=own.app_id,
        api_base_url=own.stage.origin,
        event_api_base_url=own.stage.origin,
        event_key="event-key",
        signing_key=key,
        is_production=True,
        logger=logging.getLogger("tests.engine.sdk"),
    )
    return own.client


def steps(own: Trial) -> None:
    @own.function()
    async def stepping(ctx: Any) -> Any:
        first = await ctx.step.run("first", lambda: {"float": 1.5, "snow": "☃", "big": 1e21})
        await ctx.step.send_event("send", inngest.Event(name=own.name("nobody")))
        return [first, await ctx.step.run("second", lambda: "two")]


async def outcome(own: Trial) -> dict[str, Any]:
    ids = await own.client.send(inngest.Event(name=own.name("stepping"), data={"ü": 0.1}))
    run = await own.run_of(ids[0])
    return await own.ended(run["run_id"])


EXPECTED = [{"float": 1.5, "snow": "☃", "big": 1e21}, "two"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_signed_app_registers_runs_and_sends(stage: Stage, kind: Any) -> None:
    async def play() -> None:
        async with trial(stage, "signed", kind) as own:
            signed(own, KEY)
            steps(own)
            await own.serve()
            run = await outcome(own)
            assert (run["status"], run["output"]) == ("Completed", EXPECTED)

    asyncio.run(play())


def test_an_app_that_rotates_its_keys_accepts_either(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY_FALLBACK", KEY)

    async def play() -> None:
        async with trial(stage, "rotating", "async") as own:
            signed(own, OTHER_KEY)
            steps(own)
            await own.serve()
            run = await outcome(own)
            assert run["status"] == "Completed", run

    asyncio.run(play())


def test_an_app_with_a_foreign_key_is_refused_and_its_answers_not_believed(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "foreign", "async") as own:
            signed(own, OTHER_KEY)
            steps(own)
            answer = await own.register()
            assert answer.get("ok") is not True
            signed(own, KEY)
            await own.serve()
            signed(own, OTHER_KEY)
            await own.register()
            own.client = signed(own, OTHER_KEY)
            run = await outcome(own)
            assert run["status"] == "Failed"
            assert "signed" in run["output"]["message"] or "Unauthorized" in str(run["output"])

    asyncio.run(play())


def test_the_engine_registers_an_app_in_band_by_its_url(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "in-band", "async") as own:
            signed(own, KEY)
            steps(own)
            own.mount(enable_unauthed_sync=False)
            refused = await own.http.put(f"{stage.app_origin}{own.path}")
            assert refused.status_code == 401, "an unsigned sync is refused by the app"
            reply = await own.http.post("/fn/sync", json={"url": f"{stage.app_origin}{own.path}"})
            assert reply.status_code == 200, reply.text
            assert reply.json()["ok"] is True
            run = await outcome(own)
            assert (run["status"], run["output"]) == ("Completed", EXPECTED)

    asyncio.run(play())


def test_unsigned_calls_to_the_app_are_refused_by_the_app(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "unsigned", "async") as own:
            signed(own, KEY)
            steps(own)
            await own.serve()
            async with httpx.AsyncClient() as stranger:
                reply = await stranger.post(f"{stage.app_origin}{own.path}?fnId=x&stepId=step", json={})
            assert reply.status_code == 401

    asyncio.run(play())


def test_a_streaming_app_is_understood(stage: Stage) -> None:
    async def play() -> None:
        async with trial(stage, "streaming", "async") as own:
            signed(own, KEY)
            steps(own)
            await own.serve(streaming=inngest.Streaming.FORCE)
            run = await outcome(own)
            assert (run["status"], run["output"]) == ("Completed", EXPECTED)

    asyncio.run(play())
