"""Steps that wait: sleep until a time, wait for an event with and without a condition."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def a_sleep_ends_at_its_time_and_not_before(trial: Trial) -> None:
    moments: list[float] = []

    @trial.function()
    async def sleeper(ctx: Any) -> str:
        moments.append(time.time())
        await ctx.step.sleep("nap", dt.timedelta(milliseconds=700))
        return "slept"

    await trial.serve()
    run = await trial.outcome("sleeper")
    assert run["output"] == "slept"
    assert len(moments) == 2
    assert 0.69 <= moments[1] - moments[0] < 5
    nap = await trial.step(run["run_id"], "nap")
    assert (nap["op"], nap["status"], nap["output"]) == ("Sleep", "Completed", None)


@case
async def a_sleep_until_a_time_in_the_past_ends_at_once(trial: Trial) -> None:
    @trial.function()
    async def past(ctx: Any) -> str:
        await ctx.step.sleep_until("past", dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        return "went on"

    await trial.serve()
    assert await trial.completed("past") == "went on"


@case
async def a_wait_is_fulfilled_by_the_event_it_waits_for(trial: Trial) -> None:
    @trial.function()
    async def waiter(ctx: Any) -> Any:
        event = await ctx.step.wait_for_event(
            "wait",
            event=trial.name("signal"),
            if_exp="event.data.id == async.data.id",
            timeout=dt.timedelta(minutes=1),
        )
        return [event.id, event.name, event.ts, event.data]

    await trial.serve()
    run = await trial.run_of(await trial.send("waiter", {"id": "A"}))
    await trial.until(lambda: _waiting(trial, run["run_id"]), "the wait")
    await trial.send("signal", {"id": "B"})
    signal = await trial.send("signal", {"id": "A", "payload": 1}, ts=1_695_439_187_962)
    output = (await trial.ended(run["run_id"]))["output"]
    assert output == [signal, trial.name("signal"), 1_695_439_187_962, {"id": "A", "payload": 1}]


async def _waiting(trial: Trial, run_id: str) -> bool:
    jobs = await trial.http.get(f"/v1/runs/{run_id}/jobs")
    return jobs.status_code == 200 and bool(jobs.json()["data"])


@case
async def a_wait_without_its_event_times_out_with_none(trial: Trial) -> None:
    @trial.function()
    async def lonely(ctx: Any) -> Any:
        by_name = await ctx.step.wait_for_event("name", event=trial.name("never"), timeout=1000)
        return [by_name, "went on"]

    await trial.serve()
    run = await trial.outcome("lonely")
    assert run["output"] == [None, "went on"]
    step = await trial.step(run["run_id"], "name")
    assert (step["op"], step["output"]) == ("WaitForEvent", None)


@case
async def a_wait_whose_condition_does_not_hold_times_out(trial: Trial) -> None:
    @trial.function()
    async def picky(ctx: Any) -> Any:
        return await ctx.step.wait_for_event(
            "wait", event=trial.name("signal"), if_exp="event.data.id == async.data.id", timeout=3000
        )

    await trial.serve()
    run = await trial.run_of(await trial.send("picky", {"id": 1}))
    await trial.until(lambda: _waiting(trial, run["run_id"]), "the wait")
    await trial.send("signal", {"id": 2})
    await trial.send("signal", {"other": True})
    assert (await trial.ended(run["run_id"]))["output"] is None


@case
async def one_event_fulfils_every_run_that_waits_for_it(trial: Trial) -> None:
    @trial.function()
    async def many(ctx: Any) -> Any:
        event = await ctx.step.wait_for_event("wait", event=trial.name("go"), timeout=60_000)
        return event.data["n"]

    await trial.serve()
    events = await trial.send_many([{"name": trial.name("many")} for _ in range(5)])
    runs = [await trial.run_of(event) for event in events]
    for run in runs:
        await trial.until(lambda run=run: _waiting(trial, run["run_id"]), "the wait")
    await trial.send("go", {"n": 9})
    assert [(await trial.ended(run["run_id"]))["output"] for run in runs] == [9] * 5


@case
async def a_question_sent_by_one_run_is_answered_by_another(trial: Trial) -> None:
    @trial.function()
    async def chained(ctx: Any) -> Any:
        await ctx.step.send_event("ask", inngest.Event(name=trial.name("question"), data={"id": ctx.run_id}))
        event = await ctx.step.wait_for_event(
            "answer",
            event=trial.name("answer"),
            if_exp=f"async.data.id == '{ctx.run_id}'",
            timeout=60_000,
        )
        return event.data["reply"]

    @trial.function()
    async def question(ctx: Any) -> None:
        run_id = ctx.event.data["id"]
        await ctx.step.wait_for_event("never", event=trial.name("never"), timeout=1000)
        await ctx.step.send_event(
            "reply", inngest.Event(name=trial.name("answer"), data={"id": run_id, "reply": 42})
        )

    await trial.serve()
    assert await trial.completed("chained") == 42
