"""Steps that run: once each, in order, under any id, with any output that JSON can hold."""

from __future__ import annotations

import json
from typing import Any

import inngest

from tests.engine.trial import Trial, case

CRAZY = "%$^&*(_+{|:<?☃️ /\\\"'"


@case
async def a_function_without_steps_completes_with_its_result(trial: Trial) -> None:
    @trial.function()
    async def plain(ctx: Any) -> dict[str, Any]:
        return {"got": ctx.event.data["n"], "text": "ünïcödé ☃", "none": None}

    await trial.serve()
    assert await trial.completed("plain", {"n": 7}) == {"got": 7, "text": "ünïcödé ☃", "none": None}


@case
async def a_function_that_returns_nothing_completes_with_null(trial: Trial) -> None:
    @trial.function()
    async def silent(ctx: Any) -> None:
        await ctx.step.run("only", lambda: None)

    await trial.serve()
    run = await trial.outcome("silent")
    assert (run["status"], run["output"]) == ("Completed", None)
    step = await trial.step(run["run_id"], "only")
    assert (step["status"], step["output"], step["error"]) == ("Completed", None, None)


@case
async def sequential_steps_run_once_each_with_one_call_more_than_steps(trial: Trial) -> None:
    calls: list[str] = []
    ran: list[str] = []

    @trial.function()
    async def three(ctx: Any) -> list[Any]:
        calls.append(ctx.request_id)
        first = await ctx.step.run("first", lambda: ran.append("first") or {"a": 1})
        second = await ctx.step.run("second", lambda: ran.append("second") or "two")
        third = await ctx.step.run("third", lambda: ran.append("third") or [1, 2, 3])
        return [first, second, third]

    await trial.serve()
    run = await trial.outcome("three")
    assert run["output"] == [{"a": 1}, "two", [1, 2, 3]]
    assert ran == ["first", "second", "third"]
    assert len(calls) == len(set(calls)) == 4
    steps = await trial.steps(run["run_id"])
    assert [each["name"] for each in steps] == ["first", "second", "third"]
    assert [each["output"] for each in steps] == [{"a": 1}, "two", [1, 2, 3]]
    for each in steps:
        assert each["status"] == "Completed"
        assert each["attempts"] == 1
        assert each["queued_at"] <= each["started_at"] <= each["ended_at"]


@case
async def any_text_serves_as_a_function_id_and_as_a_step_id(trial: Trial) -> None:
    @trial.function("odd", fn_id=f"crazy{CRAZY}")
    async def crazy(ctx: Any) -> Any:
        return await ctx.step.run(CRAZY, lambda: "ran")

    await trial.serve()
    run = await trial.outcome("odd")
    assert run["output"] == "ran"
    assert (await trial.step(run["run_id"], CRAZY))["output"] == "ran"


@case
async def a_step_id_used_twice_names_two_steps(trial: Trial) -> None:
    ran: list[int] = []

    @trial.function()
    async def twice(ctx: Any) -> list[int]:
        outputs = []
        for number in range(3):

            def handler(number: int = number) -> int:
                ran.append(number)
                return number

            outputs.append(await ctx.step.run("same", handler))
        return outputs

    await trial.serve()
    run = await trial.outcome("twice")
    assert run["output"] == [0, 1, 2]
    assert ran == [0, 1, 2]
    assert [each["output"] for each in await trial.steps(run["run_id"])] == [0, 1, 2]
    assert len({each["id"] for each in await trial.steps(run["run_id"])}) == 3


@case
async def a_tuple_comes_back_as_a_list(trial: Trial) -> None:
    seen: list[Any] = []

    @trial.function()
    async def tuples(ctx: Any) -> None:
        seen.append(await ctx.step.run("pair", lambda: (1, 2)))

    await trial.serve()
    run = await trial.outcome("tuples")
    assert run["status"] == "Completed"
    assert seen == [[1, 2]]
    assert (await trial.step(run["run_id"], "pair"))["output"] == [1, 2]


@case
async def every_kind_of_json_survives_the_memo(trial: Trial) -> None:
    value = {
        "big": 2**53 - 1,
        "negative": -1.5e-7,
        "text": 'quote " back \\ line \n snow ☃ emoji 🎉',
        "deep": [[[[{"x": []}]]]],
        "keys like ours": {"data": 1, "error": None, "id": "x", "op": "StepRun"},
        "false": False,
    }
    seen: list[Any] = []

    @trial.function()
    async def mirror(ctx: Any) -> Any:
        seen.append(await ctx.step.run("value", lambda: value))
        seen.append(await ctx.step.run("falsy", lambda: [0, "", False, {}, None]))
        return seen[0]

    await trial.serve()
    assert await trial.completed("mirror") == value
    assert seen[-2:] == [value, [0, "", False, {}, None]]


@case
async def a_nul_character_passes_through_events_steps_and_results(trial: Trial) -> None:
    @trial.function()
    async def nul(ctx: Any) -> Any:
        return await ctx.step.run("nul", lambda: {"a\u0000b": ctx.event.data["text"] + "\u0000"})

    await trial.serve()
    assert await trial.completed("nul", {"text": "x\u0000y"}) == {"a\u0000b": "x\u0000y\u0000"}


@case
async def half_a_character_passes_as_a_replacement_in_events_steps_results_and_errors(trial: Trial) -> None:
    @trial.function(retries=0)
    async def halved(ctx: Any) -> Any:
        if "fail" in ctx.event.data:
            raise ValueError("half \ud83d")
        return [ctx.event.data["text"], await ctx.step.run("half", lambda: "\ude00!"), "\ud83d\ude00 \ud83d"]

    await trial.serve()
    body = json.dumps({"name": trial.name("halved"), "data": {"text": "cut \ud83d"}})
    sent = await trial.http.post("/e/test", content=body.encode())
    run = await trial.run_of(sent.json()["ids"][0])
    assert (await trial.ended(run["run_id"]))["output"] == ["cut \ufffd", "\ufffd!", "\U0001f600 \ufffd"]
    error = await trial.failed("halved", {"fail": True})
    assert (error["name"], error["message"]) == ("ValueError", "half \ufffd")


@case
async def output_that_json_cannot_hold_fails_the_run_with_the_sdks_words(trial: Trial) -> None:
    @trial.function(retries=0)
    async def unserialisable(ctx: Any) -> None:
        await ctx.step.run("object", object)

    await trial.serve()
    assert await trial.failed("unserialisable") == {
        "code": "output_unserializable",
        "message": '"object" returned unserializable data',
        "name": "OutputUnserializableError",
    }


@case
async def a_step_inside_a_step_fails_the_run_at_once(trial: Trial) -> None:
    counts = {"outer": 0, "inner": 0, "after": 0}

    @trial.function(retries=5)
    async def nested(ctx: Any) -> None:
        async def inner() -> None:
            counts["inner"] += 1

        async def outer() -> None:
            counts["outer"] += 1
            await ctx.step.run("inner", inner)

        await ctx.step.run("outer", outer)
        counts["after"] += 1

    await trial.serve()
    error = await trial.failed("nested")
    assert (error["code"], error["message"]) == ("step_errored", "Nested steps are not supported.")
    assert counts == {"outer": 1, "inner": 0, "after": 0}


@case
async def steps_may_change_their_order_between_calls(trial: Trial) -> None:
    calls: list[int] = []
    ran: list[str] = []

    @trial.function(retries=0)
    async def shuffled(ctx: Any) -> Any:
        calls.append(1)
        names = ["one", "two"] if len(calls) % 2 else ["two", "one"]
        return [await ctx.step.run(name, lambda name=name: ran.append(name) or name) for name in names]

    await trial.serve()
    run = await trial.outcome("shuffled")
    assert run["status"] == "Completed"
    assert sorted(ran) == ["one", "two"]
    assert (await trial.step(run["run_id"], "one"))["output"] == "one"
    assert (await trial.step(run["run_id"], "two"))["output"] == "two"


@case
async def a_steps_handler_gets_its_arguments(trial: Trial) -> None:
    @trial.function()
    async def summing(ctx: Any) -> Any:
        return await ctx.step.run("add", lambda left, right: left + right, 40, 2)

    await trial.serve()
    assert await trial.completed("summing") == 42


@case
async def the_context_names_run_attempt_and_event(trial: Trial) -> None:
    @trial.function()
    async def context(ctx: Any) -> dict[str, Any]:
        return {
            "run": ctx.run_id,
            "attempt": ctx.attempt,
            "job": ctx.job_id,
            "request": ctx.request_id,
            "event": [ctx.event.id, ctx.event.name, ctx.event.ts, ctx.event.data],
            "events": [each.id for each in ctx.events],
        }

    await trial.serve()
    event_id = await trial.send("context", {"x": 1}, ts=1_695_439_185_906)
    run = await trial.ended((await trial.run_of(event_id))["run_id"])
    output = run["output"]
    assert output["run"] == run["run_id"]
    assert output["attempt"] == 0
    assert output["job"]
    assert output["request"]
    assert output["event"] == [event_id, trial.name("context"), 1_695_439_185_906, {"x": 1}]
    assert output["events"] == [event_id]


@case
async def a_run_has_its_output_whenever_it_is_completed(trial: Trial) -> None:
    @trial.function()
    async def visible(ctx: Any) -> str:
        await ctx.step.run("one", lambda: 1)
        return "out"

    await trial.serve()
    event_ids = await trial.send_many([{"name": trial.name("visible")} for _ in range(20)])
    finished: set[str] = set()

    async def look() -> bool:
        for event_id in event_ids:
            for run in await trial.runs(event_id):
                if run["status"] == "Completed":
                    assert run["output"] == "out", "a finished status was visible before its output"
                    assert run["ended_at"] is not None
                    finished.add(event_id)
        return len(finished) == len(event_ids)

    await trial.until(look, "twenty runs")


@case
async def a_hundred_sequential_steps_are_a_hundred_memos(trial: Trial) -> None:
    @trial.function()
    async def long(ctx: Any) -> int:
        total = 0
        for number in range(100):
            total += await ctx.step.run(f"step-{number}", lambda number=number: number)
        return total

    await trial.serve()
    run = await trial.outcome("long")
    assert run["output"] == 4950
    assert [each["output"] for each in await trial.steps(run["run_id"])] == list(range(100))


@case
async def an_app_that_streams_its_answers_is_understood(trial: Trial) -> None:
    @trial.function(retries=1)
    async def streamed(ctx: Any) -> Any:
        first = await ctx.step.run("first", lambda: "streamed")

        def flaky() -> str:
            if ctx.attempt == 0:
                raise RuntimeError("once")
            return "twice"

        return [first, await ctx.step.run("flaky", flaky)]

    await trial.serve(streaming=inngest.Streaming.FORCE)
    assert await trial.completed("streamed") == ["streamed", "twice"]
