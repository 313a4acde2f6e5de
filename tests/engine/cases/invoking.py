"""Functions that call functions: by object, by id, across apps; failures and time limits."""

from __future__ import annotations

import datetime as dt
from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def an_invoked_functions_result_is_the_steps(trial: Trial) -> None:
    @trial.function("never-1")
    async def callee(ctx: Any) -> Any:
        return {"echo": ctx.event.data["k"], "name": ctx.event.name}

    @trial.function()
    async def caller(ctx: Any) -> Any:
        by_object = await ctx.step.invoke("object", function=callee, data={"k": "v"})
        by_id = await ctx.step.invoke_by_id("id", function_id="callee", data={"k": "w"})
        return [by_object, by_id]

    await trial.serve()
    run = await trial.outcome("caller")
    assert run["output"] == [
        {"echo": "v", "name": "inngest/function.invoked"},
        {"echo": "w", "name": "inngest/function.invoked"},
    ]
    steps = await trial.steps(run["run_id"])
    assert [each["op"] for each in steps] == ["InvokeFunction", "InvokeFunction"]


@case
async def an_invoked_function_that_returns_nothing_gives_none(trial: Trial) -> None:
    @trial.function("never-2")
    async def quiet(ctx: Any) -> None:
        await ctx.step.run("work", lambda: None)

    @trial.function()
    async def asks(ctx: Any) -> Any:
        return [await ctx.step.invoke("call", function=quiet)]

    await trial.serve()
    assert await trial.completed("asks") == [None]


@case
async def a_function_without_triggers_runs_when_it_is_invoked(trial: Trial) -> None:
    @trial.function(trigger=[])
    async def hidden(ctx: Any) -> Any:
        return ctx.event.data["k"]

    @trial.function()
    async def finds(ctx: Any) -> Any:
        return await ctx.step.invoke("call", function=hidden, data={"k": "found"})

    await trial.serve()
    assert await trial.completed("finds") == "found"


@case
async def the_callee_sees_who_called_it(trial: Trial) -> None:
    @trial.function("never-3")
    async def told(ctx: Any) -> Any:
        return ctx.event.data["_inngest"]

    @trial.function()
    async def tells(ctx: Any) -> Any:
        return await ctx.step.invoke("call", function=told, data={})

    await trial.serve()
    run = await trial.outcome("tells")
    told_of = run["output"]
    assert told_of["fn_id"] == f"{trial.app_id}-told"
    assert told_of["correlation_id"].startswith(f"{run['run_id']}.")


@case
async def a_failed_callee_is_a_step_error_with_its_name_and_message(trial: Trial) -> None:
    caught: list[inngest.StepError] = []

    class OwnError(Exception):
        pass

    @trial.function("never-4", retries=0)
    async def breaks(ctx: Any) -> None:
        message = "oh no"
        raise OwnError(message)

    @trial.function(retries=0)
    async def breaking(ctx: Any) -> None:
        try:
            await ctx.step.invoke("call", function=breaks)
        except inngest.StepError as error:
            caught.append(error)
            raise

    await trial.serve()
    error = await trial.failed("breaking")
    assert (error["name"], error["message"]) == ("OwnError", "oh no")
    assert (caught[0].name, caught[0].message) == ("OwnError", "oh no")
    assert isinstance(caught[0].stack, str)


@case
async def an_invoke_that_takes_too_long_is_a_step_error(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function("never-5")
    async def slow(ctx: Any) -> None:
        await ctx.step.sleep("sleep", 60_000)
        gate.open()

    @trial.function(retries=0)
    async def impatient(ctx: Any) -> None:
        await ctx.step.invoke("call", function=slow, timeout=dt.timedelta(seconds=1))

    await trial.serve()
    assert await trial.failed("impatient") == {
        "code": "step_errored",
        "message": "Timed out waiting for invoked function to complete",
        "name": "InngestInvokeTimeoutError",
        "stack": None,
    }


@case
async def an_invoke_of_a_function_that_does_not_exist_fails_the_step(trial: Trial) -> None:
    @trial.function(retries=0)
    async def lost(ctx: Any) -> Any:
        try:
            await ctx.step.invoke_by_id("call", function_id="no-such-function")
        except inngest.StepError as error:
            return error.message
        return "not reached"

    await trial.serve()
    assert "no-such-function" in await trial.completed("lost")


@case
async def an_app_may_invoke_another_apps_function(trial: Trial) -> None:
    other = Trial(trial.stage, f"{trial.app_id}-other", trial.kind)

    @other.function("never-6")
    async def neighbour(ctx: Any) -> str:
        return f"hello from {ctx.event.data['to']}"

    @trial.function()
    async def visitor(ctx: Any) -> Any:
        return await ctx.step.invoke_by_id(
            "call", app_id=other.app_id, function_id="neighbour", data={"to": "next door"}
        )

    try:
        await other.serve()
        await trial.serve()
        assert await trial.completed("visitor") == "hello from next door"
    finally:
        await other.close()


@case
async def a_cancelled_callee_fails_the_invoke(trial: Trial) -> None:
    gate = trial.gate()
    child: list[str] = []

    @trial.function("never-7")
    async def endless(ctx: Any) -> None:
        child.append(ctx.run_id)
        gate.reached.set()
        await ctx.step.sleep("sleep", 60_000)

    @trial.function(retries=0)
    async def parent(ctx: Any) -> Any:
        try:
            await ctx.step.invoke("call", function=endless)
        except inngest.StepError as error:
            return [error.name, error.message]
        return "not reached"

    await trial.serve()
    run = await trial.run_of(await trial.send("parent"))
    await trial.until(gate.reached.is_set, "the callee")
    assert (await trial.http.delete(f"/v1/runs/{child[0]}")).status_code == 200
    name, message = (await trial.ended(run["run_id"]))["output"]
    assert name
    assert "cancel" in message.lower()


@case
async def an_invoke_that_a_rate_limit_turns_away_fails_the_step(trial: Trial) -> None:
    @trial.function("never-8", rate_limit=inngest.RateLimit(limit=1, period=dt.timedelta(hours=1)))
    async def rare(ctx: Any) -> str:
        return "run"

    @trial.function("never-9", idempotency="event.data.k")
    async def unique(ctx: Any) -> str:
        return "run"

    @trial.function(retries=0)
    async def greedy(ctx: Any) -> list[str]:
        found = []
        for number, callee in enumerate((rare, rare, unique, unique)):
            try:
                found.append(await ctx.step.invoke(f"call-{number}", function=callee, data={"k": 1}))
            except inngest.StepError as error:
                found.append(error.message)
        return found

    await trial.serve()
    assert await trial.completed("greedy") == [
        "run",
        "invoked function is rate limited",
        "run",
        "invoked function has run for its idempotency key",
    ]


@case
async def an_invoked_singleton_runs_once_at_a_time(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(singleton=inngest.Singleton(mode="skip"))
    async def alone(ctx: Any) -> str:
        await gate.passed()
        return "run"

    @trial.function(retries=0)
    async def second(ctx: Any) -> Any:
        try:
            await ctx.step.invoke("early", function=alone)
        except inngest.StepError as error:
            gate.open()
            await ctx.step.wait_for_event("end", event=trial.name("end"), timeout=dt.timedelta(minutes=1))
            return [error.message, await ctx.step.invoke("late", function=alone)]

    await trial.serve()
    first = await trial.run_of(await trial.send("alone"))
    await trial.until(gate.reached.is_set, "the first run")
    run = await trial.run_of(await trial.send("second"))
    await trial.ended(first["run_id"])

    async def waits() -> bool:
        return any(step["status"] == "Waiting" for step in await trial.steps(run["run_id"]))

    await trial.until(waits, "the wait")
    await trial.send("end")
    ended = await trial.ended(run["run_id"])
    assert ended["output"] == ["invoked function is a singleton, and is running already", "run"]


@case
async def an_invoke_of_a_newer_run_cancels_the_singletons_older_one(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function("never-10", singleton=inngest.Singleton(mode="cancel"))
    async def latest(ctx: Any) -> Any:
        if ctx.event.data["n"] == 1:
            gate.reached.set()
            await ctx.step.sleep("sleep", 60_000)
        return ctx.event.data["n"]

    @trial.function(retries=0)
    async def asks_for(ctx: Any) -> Any:
        try:
            return await ctx.step.invoke("call", function=latest, data={"n": ctx.event.data["n"]})
        except inngest.StepError as error:
            return error.message

    await trial.serve()
    older = await trial.run_of(await trial.send("asks_for", {"n": 1}))
    await trial.until(gate.reached.is_set, "the older run")
    assert await trial.completed("asks_for", {"n": 2}) == 2
    assert (await trial.ended(older["run_id"]))["output"] == "function cancelled"


@case
async def an_invoked_function_waits_for_no_debounce_and_no_batch(trial: Trial) -> None:
    hour = dt.timedelta(hours=1)

    @trial.function("never-11", debounce=inngest.Debounce(period=hour))
    async def bouncing(ctx: Any) -> str:
        return "debounced"

    @trial.function("never-12", batch_events=inngest.Batch(max_size=10, timeout=hour))
    async def gathering(ctx: Any) -> int:
        return len(ctx.events)

    @trial.function()
    async def hasty(ctx: Any) -> Any:
        return [await ctx.step.invoke("a", function=bouncing), await ctx.step.invoke("b", function=gathering)]

    await trial.serve()
    assert await trial.completed("hasty") == ["debounced", 1]
