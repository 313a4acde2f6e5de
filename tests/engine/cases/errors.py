"""Errors and retries: what is tried again, when, and what the run says when it is over."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import inngest

from tests.engine.trial import Trial, case


class OwnError(Exception):
    pass


@case
async def a_failing_function_is_tried_again_as_often_as_it_asks(trial: Trial) -> None:
    attempts: list[int] = []

    @trial.function(retries=3)
    async def stubborn(ctx: Any) -> None:
        attempts.append(ctx.attempt)
        message = "never works"
        raise OwnError(message)

    await trial.serve()
    error = await trial.failed("stubborn")
    assert attempts == [0, 1, 2, 3]
    assert (error["code"], error["name"], error["message"]) == ("unknown", "OwnError", "never works")
    assert error["stack"].startswith("Traceback (most recent call last):")


@case
async def retries_are_four_when_nothing_is_said(trial: Trial) -> None:
    attempts: list[int] = []

    @trial.function()
    async def default(ctx: Any) -> None:
        attempts.append(ctx.attempt)
        raise OwnError

    await trial.serve()
    await trial.failed("default")
    assert attempts == [0, 1, 2, 3, 4]


@case
async def the_attempt_counter_starts_anew_for_each_step(trial: Trial) -> None:
    seen: list[tuple[str, int]] = []

    @trial.function(retries=2)
    async def flaky(ctx: Any) -> str:
        for name in ("one", "two"):

            def handler(name: str = name) -> str:
                seen.append((name, ctx.attempt))
                if ctx.attempt < 2:
                    raise OwnError(name)
                return name

            await ctx.step.run(name, handler)
        return "through"

    await trial.serve()
    run = await trial.outcome("flaky")
    assert run["output"] == "through"
    assert seen == [("one", 0), ("one", 1), ("one", 2), ("two", 0), ("two", 1), ("two", 2)]
    assert [each["attempts"] for each in await trial.steps(run["run_id"])] == [3, 3]


@case
async def a_step_that_used_up_its_tries_is_an_error_the_function_may_catch(trial: Trial) -> None:
    tries: list[int] = []

    @trial.function(retries=1)
    async def catching(ctx: Any) -> str:
        def handler() -> None:
            tries.append(1)
            message = "always fails"
            raise OwnError(message)

        try:
            await ctx.step.run("fatal", handler)
        except inngest.StepError as error:
            return f"caught {error.name}: {error.message}"
        return "not reached"

    await trial.serve()
    run = await trial.outcome("catching")
    assert run["output"] == "caught OwnError: always fails"
    assert len(tries) == 2
    step = await trial.step(run["run_id"], "fatal")
    assert (step["status"], step["attempts"]) == ("Failed", 2)
    assert (step["error"]["name"], step["error"]["message"]) == ("OwnError", "always fails")
    assert "OwnError" in step["error"]["stack"]


@case
async def a_step_error_that_nobody_catches_fails_the_run_without_retries(trial: Trial) -> None:
    calls: list[int] = []

    @trial.function(retries=0)
    async def careless(ctx: Any) -> None:
        calls.append(1)

        def handler() -> None:
            message = "from the step"
            raise OwnError(message)

        await ctx.step.run("fatal", handler)

    await trial.serve()
    error = await trial.failed("careless")
    assert (error["code"], error["name"], error["message"]) == ("step_errored", "OwnError", "from the step")
    assert len(calls) == 2


@case
async def a_step_error_may_become_another_error(trial: Trial) -> None:
    @trial.function(retries=0)
    async def changing(ctx: Any) -> None:
        def handler() -> None:
            message = "old"
            raise ValueError(message)

        try:
            await ctx.step.run("old", handler)
        except inngest.StepError:
            message = "I am new"
            raise OwnError(message) from None

    await trial.serve()
    error = await trial.failed("changing")
    assert (error["code"], error["name"], error["message"]) == ("unknown", "OwnError", "I am new")


@case
async def a_non_retriable_error_ends_the_run_at_once(trial: Trial) -> None:
    seen: list[tuple[str, int]] = []

    @trial.function(retries=3)
    async def whole(ctx: Any) -> None:
        seen.append(("function", ctx.attempt))
        message = "do not"
        raise inngest.NonRetriableError(message, quiet=True)

    @trial.function(retries=3)
    async def inside(ctx: Any) -> None:
        def handler() -> None:
            seen.append(("step", ctx.attempt))
            message = "do not either"
            raise inngest.NonRetriableError(message, quiet=True)

        await ctx.step.run("step", handler)

    await trial.serve()
    for event, message in (("whole", "do not"), ("inside", "do not either")):
        error = await trial.failed(event)
        assert (error["code"], error["name"]) == ("non_retriable_error", "NonRetriableError")
        assert error["message"] == message
    assert seen == [("function", 0), ("step", 0)]


@case
async def retry_after_sets_the_time_of_the_next_try(trial: Trial) -> None:
    moments: dict[str, list[float]] = {"function": [], "step": [], "time": []}

    @trial.function(retries=2)
    async def later(ctx: Any) -> str:
        moments["function"].append(time.time())
        if len(moments["function"]) == 1:
            message = "function"
            raise inngest.RetryAfterError(message, 1000, quiet=True)

        def handler() -> None:
            moments["step"].append(time.time())
            if len(moments["step"]) == 1:
                message = "step"
                raise inngest.RetryAfterError(message, dt.timedelta(seconds=1), quiet=True)

        await ctx.step.run("step", handler)
        moments["time"].append(time.time())
        if len(moments["time"]) == 1:
            message = "time"
            at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
            raise inngest.RetryAfterError(message, at, quiet=True)
        return "done"

    await trial.serve()
    assert await trial.completed("later") == "done"
    assert 0.95 <= moments["function"][1] - moments["function"][0] < 4
    assert 0.95 <= moments["step"][1] - moments["step"][0] < 4
    assert 0.95 <= moments["time"][1] - moments["time"][0] < 4


@case
async def on_failure_runs_once_with_the_error_and_the_event(trial: Trial) -> None:
    failures: list[Any] = []

    async def on_failure(ctx: Any) -> str:
        failures.append(ctx.event)
        return await ctx.step.run("clean-up", lambda: "cleaned")

    @trial.function(retries=1, on_failure=on_failure)
    async def doomed(ctx: Any) -> None:
        message = "intentional"
        raise OwnError(message)

    await trial.serve()
    event_id = await trial.send("doomed", {"q": 1})
    run = await trial.ended((await trial.run_of(event_id))["run_id"])
    assert run["status"] == "Failed"
    await trial.until(lambda: failures, "the failure handler")
    event = failures[0]
    assert event.name == "inngest/function.failed"
    assert event.data["function_id"] == f"{trial.app_id}-doomed"
    assert event.data["run_id"] == run["run_id"]
    error = dict(event.data["error"])
    assert error.pop("stack").startswith("Traceback")
    assert error == {"error": "invalid status code: 500", "message": "intentional", "name": "OwnError"}
    assert event.data["event"]["id"] == event_id
    assert event.data["event"]["data"] == {"q": 1}
    assert [each["id"] for each in event.data["events"]] == [event_id]
    assert event.data["_inngest"]["status"] == "Failed"
    handler = await trial.run_of(event.id)
    handled = await trial.ended(handler["run_id"])
    assert (handled["status"], handled["output"]) == ("Completed", "cleaned")
    assert handled["run_id"] != run["run_id"]
    assert len({each.id for each in failures}) == 1


@case
async def a_completed_run_has_a_finished_event_and_no_failure(trial: Trial) -> None:
    seen: list[Any] = []

    @trial.function()
    async def fine(ctx: Any) -> str:
        return "result"

    @trial.function(
        trigger=inngest.TriggerEvent(
            event="inngest/function.finished",
            expression=f"event.data.function_id == '{trial.app_id}-fine'",
        )
    )
    async def watcher(ctx: Any) -> None:
        seen.append(ctx.event.data)

    await trial.serve()
    run = await trial.outcome("fine", {"x": 1})
    await trial.until(lambda: seen, "the finished event")
    assert seen[0]["run_id"] == run["run_id"]
    assert seen[0]["result"] == "result"
    assert seen[0]["event"]["data"] == {"x": 1}


@case
async def an_error_without_words_still_says_what_it_is(trial: Trial) -> None:
    @trial.function(retries=0)
    async def mute(ctx: Any) -> None:
        raise KeyError

    await trial.serve()
    error = await trial.failed("mute")
    assert error["name"] == "KeyError"
