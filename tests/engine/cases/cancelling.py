"""Cancelling: by event, by the API, by time limits; and that a cancelled run is over for good."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def an_event_cancels_the_run_that_it_matches_even_in_a_call(trial: Trial) -> None:
    gate = trial.gate()
    done: list[int] = []

    @trial.function(
        cancel=[inngest.Cancel(event=trial.name("stop"), if_exp="event.data.id == async.data.id")]
    )
    async def matched(ctx: Any) -> str:
        async def body() -> None:
            await gate.passed()
            done.append(ctx.event.data["id"])

        if ctx.event.data["id"] == 123:
            await ctx.step.run("slow", body)
        return "too late"

    await trial.serve()
    run = await trial.run_of(await trial.send("matched", {"id": 123}))
    await trial.until(gate.reached.is_set, "the step in flight")
    await trial.send("stop", {"id": 456})
    assert (await trial.run(run["run_id"]))["status"] == "Running"
    await trial.send("stop", {"id": 123})
    cancelled = await trial.ended(run["run_id"])
    assert cancelled["status"] == "Cancelled"
    gate.open()
    await trial.until(lambda: done, "the body that was under way")
    assert await trial.completed("matched", {"id": 1}) == "too late"
    after = await trial.run(run["run_id"])
    assert (after["status"], after["output"]) == ("Cancelled", cancelled["output"])


@case
async def an_event_cancels_a_sleeping_run(trial: Trial) -> None:
    after: list[int] = []

    @trial.function(cancel=[inngest.Cancel(event=trial.name("wake"))])
    async def sleeping(ctx: Any) -> None:
        await ctx.step.run("before", lambda: None)
        await ctx.step.sleep("sleep", dt.timedelta(seconds=3))
        after.append(1)

    await trial.serve()
    run = await trial.run_of(await trial.send("sleeping"))
    await trial.until(lambda: trial.steps(run["run_id"]), "the step before the sleep")
    await trial.send("wake")
    assert (await trial.ended(run["run_id"]))["status"] == "Cancelled"
    end = time.monotonic() + 3.2
    await trial.until(lambda: time.monotonic() > end or after, "the time at which it would have woken")
    assert after == []


@case
async def a_cancel_event_does_not_touch_runs_that_do_not_match(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(
        cancel=[inngest.Cancel(event=trial.name("halt"), if_exp="event.data.id == async.data.id")]
    )
    async def spared(ctx: Any) -> str:
        await ctx.step.run("slow", gate.passed)
        return "finished"

    await trial.serve()
    run = await trial.run_of(await trial.send("spared", {"id": 1}))
    await trial.until(gate.reached.is_set, "the step in flight")
    await trial.send("halt", {"id": 2})
    await trial.send("halt", {})
    gate.open()
    ended = await trial.ended(run["run_id"])
    assert (ended["status"], ended["output"]) == ("Completed", "finished")


@case
async def a_cancel_triggers_window_closes_after_its_timeout(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(cancel=[inngest.Cancel(event=trial.name("late"), timeout=dt.timedelta(seconds=1))])
    async def windowed(ctx: Any) -> str:
        await ctx.step.run("slow", gate.passed)
        return "finished"

    await trial.serve()
    run = await trial.run_of(await trial.send("windowed"))
    end = time.monotonic() + 1.3
    await trial.until(lambda: time.monotonic() > end, "the window's end")
    await trial.send("late")
    gate.open()
    assert (await trial.ended(run["run_id"]))["status"] == "Completed"


@case
async def the_api_cancels_a_run_once(trial: Trial) -> None:
    seen: list[Any] = []

    @trial.function()
    async def long(ctx: Any) -> None:
        await ctx.step.sleep("sleep", 60_000)

    @trial.function(
        trigger=inngest.TriggerEvent(
            event="inngest/function.cancelled",
            expression=f"event.data.function_id == '{trial.app_id}-long'",
        )
    )
    async def watcher(ctx: Any) -> None:
        seen.append(ctx.event.data)

    await trial.serve()
    run = await trial.run_of(await trial.send("long"))
    assert (await trial.http.delete(f"/v1/runs/{run['run_id']}")).status_code == 200
    cancelled = await trial.ended(run["run_id"])
    assert cancelled["status"] == "Cancelled"
    assert cancelled["ended_at"] is not None
    await trial.until(lambda: seen, "the cancelled event")
    assert seen[0]["run_id"] == run["run_id"]
    again = await trial.http.delete(f"/v1/runs/{run['run_id']}")
    assert again.status_code in {200, 409}
    assert (await trial.run(run["run_id"]))["status"] == "Cancelled"


@case
async def a_finish_timeout_cancels_a_run_that_takes_too_long(trial: Trial) -> None:
    @trial.function(timeouts=inngest.Timeouts(finish=dt.timedelta(seconds=1)))
    async def slow(ctx: Any) -> None:
        await ctx.step.sleep("sleep", 60_000)

    await trial.serve()
    run = await trial.outcome("slow")
    assert run["status"] == "Cancelled"


@case
async def a_start_timeout_cancels_a_run_that_waits_too_long_for_its_turn(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(
        timeouts=inngest.Timeouts(start=dt.timedelta(seconds=1)), concurrency=[inngest.Concurrency(limit=1)]
    )
    async def queue(ctx: Any) -> str:
        await ctx.step.run("slow", gate.passed)
        return "finished"

    await trial.serve()
    first = await trial.run_of(await trial.send("queue", {"n": 1}))
    await trial.until(gate.reached.is_set, "the first run's step")
    second = await trial.run_of(await trial.send("queue", {"n": 2}))
    assert (await trial.ended(second["run_id"]))["status"] == "Cancelled"
    gate.open()
    assert (await trial.ended(first["run_id"]))["status"] == "Completed"


@case
async def many_runs_are_cancelled_by_a_filter(trial: Trial) -> None:
    @trial.function()
    async def herd(ctx: Any) -> None:
        await ctx.step.sleep("sleep", 60_000)

    await trial.serve()
    ids = await trial.send_many(
        [{"name": trial.name("herd"), "data": {"keep": n % 2 == 0}} for n in range(6)]
    )
    runs = [await trial.run_of(each) for each in ids]
    now = dt.datetime.now(dt.UTC)
    wanted = {
        "app_id": trial.app_id,
        "function_id": "herd",
        "started_after": (now - dt.timedelta(minutes=5)).isoformat(),
        "started_before": now.isoformat(),
        "if": "event.data.keep == false",
    }
    counted = await trial.http.post("/v1/cancellations", json={**wanted, "dry_run": True})
    assert (counted.status_code, counted.json()["data"]["count"]) == (200, 3)
    reply = await trial.http.post("/v1/cancellations", json=wanted)
    assert reply.status_code in {200, 201}, reply.text
    for number, run in enumerate(runs):
        if number % 2:
            assert (await trial.ended(run["run_id"]))["status"] == "Cancelled"
    for number, run in enumerate(runs):
        if not number % 2:
            assert (await trial.run(run["run_id"]))["status"] == "Running"
            await trial.http.delete(f"/v1/runs/{run['run_id']}")
