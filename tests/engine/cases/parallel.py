"""Parallel groups: each member once, the group's shape on the wire as Inngest plays it."""

from __future__ import annotations

from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def a_group_runs_each_step_once_and_returns_in_order(trial: Trial) -> None:
    calls: list[str] = []
    ran: list[int] = []

    @trial.function()
    async def fan(ctx: Any) -> Any:
        calls.append(ctx.request_id)

        def member(number: int) -> Any:
            return lambda: ctx.step.run(f"p{number}", lambda: ran.append(number) or number * number)

        return await ctx.group.parallel(tuple(member(number) for number in range(12)))

    await trial.serve()
    run = await trial.outcome("fan")
    assert run["output"] == [number * number for number in range(12)]
    assert sorted(ran) == list(range(12))
    assert len(calls) == 14, "one plan, twelve targeted calls, one that ends"
    assert {each["name"] for each in await trial.steps(run["run_id"])} == {f"p{n}" for n in range(12)}


@case
async def a_group_mixes_invoke_run_and_send_and_goes_on_after_the_last(trial: Trial) -> None:
    calls: list[str] = []
    ran: list[str] = []

    @trial.function()
    async def child(ctx: Any) -> str:
        await ctx.step.run("work", lambda: None)
        return "done"

    @trial.function()
    async def mixed(ctx: Any) -> Any:
        calls.append(ctx.request_id)
        group = await ctx.group.parallel(
            (
                lambda: ctx.step.invoke("invoke", function=child),
                lambda: ctx.step.run("1a", lambda: ran.append("1a") or 1),
                lambda: ctx.step.run("1b", lambda: ran.append("1b") or 2),
                lambda: ctx.step.send_event("send", inngest.Event(name=trial.name("nobody"))),
            )
        )
        await ctx.step.run("after", lambda: ran.append("after"))
        return group

    await trial.serve()
    output = await trial.completed("mixed")
    assert output[:3] == ["done", 1, 2]
    assert len(output[3]) == 1
    assert sorted(ran) == ["1a", "1b", "after"]
    assert len(calls) == 6, "plan, three targeted calls, one that runs `after` at once, one that ends"


def _sequences(trial: Trial, mode: inngest.ParallelMode) -> tuple[list[str], list[str], Any]:
    calls: list[str] = []
    order: list[str] = []
    gate = trial.gate()

    @trial.function()
    async def sequences(ctx: Any) -> Any:
        calls.append(ctx.request_id)

        async def slow() -> None:
            await gate.passed()
            order.append("b1")

        async def left() -> str:
            await ctx.step.run("a1", lambda: order.append("a1"))
            await ctx.step.run("a2", lambda: order.append("a2"))
            return "left"

        async def right() -> str:
            await ctx.step.run("b1", slow)
            await ctx.step.run("b2", lambda: order.append("b2"))
            return "right"

        return await ctx.group.parallel((left, right), parallel_mode=mode)

    return calls, order, gate


@case
async def groups_of_sequences_wait_for_each_other_by_default(trial: Trial) -> None:
    calls, order, gate = _sequences(trial, inngest.ParallelMode.WAIT)
    await trial.serve()
    run = await trial.run_of(await trial.send("sequences"))
    await trial.until(lambda: gate.reached.is_set() and "a1" in order, "both first steps")
    gate.open()
    assert (await trial.ended(run["run_id"]))["output"] == ["left", "right"]
    assert order[:2] == ["a1", "b1"]
    assert sorted(order[2:]) == ["a2", "b2"]
    assert len(calls) == 7, "two plans, four targeted calls, one that ends"


@case
async def groups_of_sequences_race_when_asked_to(trial: Trial) -> None:
    calls, order, gate = _sequences(trial, inngest.ParallelMode.RACE)
    await trial.serve()
    run = await trial.run_of(await trial.send("sequences"))
    await trial.until(lambda: "a2" in order, "the fast sequence, while the slow one hangs")
    assert order == ["a1", "a2"]
    gate.open()
    assert (await trial.ended(run["run_id"]))["output"] == ["left", "right"]
    assert order == ["a1", "a2", "b1", "b2"]
    assert len(calls) in {8, 9}, (
        "one plan, four targeted calls, a discovery after each; two ends at once share one"
    )


@case
async def a_racing_look_that_was_overtaken_by_every_step_is_taken_again(trial: Trial) -> None:
    look, last = trial.gate(), trial.gate()

    @trial.function(retries=0)
    async def overtaken(ctx: Any) -> Any:
        async def left() -> str:
            await ctx.step.run("a1", lambda: None)
            await look.passed()
            return "left"

        async def slow() -> str:
            await last.passed()
            return "right"

        return await ctx.group.parallel(
            (left, lambda: ctx.step.run("b1", slow)), parallel_mode=inngest.ParallelMode.RACE
        )

    await trial.serve()
    run = await trial.run_of(await trial.send("overtaken"))
    await trial.until(lambda: look.reached.is_set() and last.reached.is_set(), "the look after a1")
    last.open()
    await trial.until(lambda: _ended(trial, run["run_id"], "b1"), "the end of b1")
    look.open()
    ended = await trial.ended(run["run_id"])
    assert (ended["status"], ended["output"]) == ("Completed", ["left", "right"])


async def _ended(trial: Trial, run_id: str, name: str) -> bool:
    return any(each["name"] == name and each["ended_at"] for each in await trial.steps(run_id))


@case
async def groups_of_unequal_sequences_run_each_step_once(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function()
    async def unequal(ctx: Any) -> Any:
        async def sequence(name: str, length: int) -> list[str]:
            return [
                await ctx.step.run(
                    f"{name}{number}",
                    lambda number=number: ran.append(f"{name}{number}") or f"{name}{number}",
                )
                for number in range(length)
            ]

        group = await ctx.group.parallel(
            (lambda: sequence("x", 2), lambda: sequence("y", 3), lambda: sequence("z", 1))
        )
        await ctx.step.run("after", lambda: ran.append("after"))
        return group

    await trial.serve()
    assert await trial.completed("unequal") == [["x0", "x1"], ["y0", "y1", "y2"], ["z0"]]
    assert sorted(ran) == ["after", "x0", "x1", "y0", "y1", "y2", "z0"]


@case
async def a_step_that_disappears_from_its_group_fails_the_run(trial: Trial) -> None:
    calls: list[str] = []

    @trial.function(retries=0)
    async def vanishing(ctx: Any) -> None:
        calls.append(ctx.request_id)
        members = [lambda: ctx.step.run("stays", lambda: None), lambda: ctx.step.run("too", lambda: None)]
        if len(calls) == 1:
            members.append(lambda: ctx.step.run("gone", lambda: None))
        await ctx.group.parallel(tuple(members))
        await ctx.step.run("after", lambda: None)

    await trial.serve()
    error = await trial.failed("vanishing")
    assert error["code"] == "step_unexpected"
    assert error["name"] == "StepUnexpectedError"
    assert "when targeting a different step" in error["message"]


@case
async def a_step_that_appears_while_another_is_targeted_fails_the_run(trial: Trial) -> None:
    calls: list[str] = []
    ran: list[str] = []

    @trial.function(retries=0)
    async def appearing(ctx: Any) -> None:
        calls.append(ctx.request_id)
        if len(calls) > 1:
            await ctx.step.run("unexpected", lambda: ran.append("unexpected"))
        await ctx.group.parallel(
            (
                lambda: ctx.step.run("one", lambda: ran.append("one")),
                lambda: ctx.step.run("two", lambda: ran.append("two")),
            )
        )

    await trial.serve()
    assert await trial.failed("appearing") == {
        "code": "step_unexpected",
        "message": 'found step "unexpected" when targeting a different step',
        "name": "StepUnexpectedError",
        "stack": None,
    }
    assert ran == []


@case
async def a_failed_member_of_a_group_is_an_error_that_the_function_may_catch(trial: Trial) -> None:
    @trial.function(retries=0)
    async def partly(ctx: Any) -> Any:
        async def failing() -> str:
            def handler() -> None:
                message = "one of us"
                raise ValueError(message)

            try:
                await ctx.step.run("bad", handler)
            except inngest.StepError as error:
                return f"caught {error.name}: {error.message}"
            return "not reached"

        return await ctx.group.parallel((failing, lambda: ctx.step.run("good", lambda: "fine")))

    await trial.serve()
    run = await trial.outcome("partly")
    assert run["output"] == ["caught ValueError: one of us", "fine"]
    bad = await trial.step(run["run_id"], "bad")
    assert (bad["status"], bad["error"]["name"], bad["error"]["message"]) == (
        "Failed",
        "ValueError",
        "one of us",
    )


@case
async def a_member_of_a_group_is_retried_alone(trial: Trial) -> None:
    tries = {"flaky": 0, "steady": 0}
    attempts: list[int] = []

    @trial.function(retries=2)
    async def group(ctx: Any) -> Any:
        def flaky() -> str:
            tries["flaky"] += 1
            attempts.append(ctx.attempt)
            if tries["flaky"] < 3:
                message = "not yet"
                raise RuntimeError(message)
            return "at last"

        def steady() -> str:
            tries["steady"] += 1
            return "at once"

        return await ctx.group.parallel(
            (lambda: ctx.step.run("flaky", flaky), lambda: ctx.step.run("steady", steady))
        )

    await trial.serve()
    run = await trial.outcome("group")
    assert run["output"] == ["at last", "at once"]
    assert tries == {"flaky": 3, "steady": 1}
    assert attempts == [0, 1, 2]
    assert (await trial.step(run["run_id"], "flaky"))["attempts"] == 3


@case
async def sleeps_and_waits_of_a_group_go_side_by_side(trial: Trial) -> None:
    @trial.function()
    async def timers(ctx: Any) -> Any:
        nap, answer, ran = await ctx.group.parallel(
            (
                lambda: ctx.step.sleep("nap", 300),
                lambda: ctx.step.wait_for_event("wait", event=trial.name("answer"), timeout=60_000),
                lambda: ctx.step.run("run", lambda: "ran"),
            )
        )
        return [nap, answer.data, ran]

    await trial.serve()
    run = await trial.run_of(await trial.send("timers"))
    await trial.until(lambda: trial.steps(run["run_id"]), "the group's first end")
    await trial.send("answer", {"x": 1})
    assert (await trial.ended(run["run_id"]))["output"] == [None, {"x": 1}, "ran"]


@case
async def timers_and_events_go_on_while_a_lone_sibling_runs(trial: Trial) -> None:
    gate = trial.gate()
    order: list[str] = []

    @trial.function()
    async def overtaking(ctx: Any) -> None:
        async def asleep() -> None:
            await ctx.step.sleep("nap", 100)
            await ctx.step.run("woke", lambda: order.append("woke"))

        async def waiting() -> None:
            await ctx.step.wait_for_event("wait", event=trial.name("answer"), timeout=60_000)
            await ctx.step.run("heard", lambda: order.append("heard"))

        async def held() -> None:
            await gate.passed()
            order.append("held")

        await ctx.group.parallel(
            (asleep, waiting, lambda: ctx.step.run("held", held)), parallel_mode=inngest.ParallelMode.RACE
        )

    await trial.serve()
    run = await trial.run_of(await trial.send("overtaking"))
    await trial.until(lambda: order == ["woke"], "the sleep's end, while a step runs")
    await trial.send("answer")
    await trial.until(lambda: order == ["woke", "heard"], "the event, while a step runs")
    gate.open()
    assert (await trial.ended(run["run_id"]))["status"] == "Completed"
    assert order == ["woke", "heard", "held"]


@case
async def groups_may_follow_each_other_with_single_steps_between(trial: Trial) -> None:
    calls: list[str] = []

    @trial.function()
    async def waves(ctx: Any) -> Any:
        calls.append(ctx.request_id)
        output = []
        for wave in range(2):
            output.append(
                await ctx.group.parallel(
                    tuple(
                        (lambda wave=wave, n=n: ctx.step.run(f"w{wave}-{n}", lambda: [wave, n]))
                        for n in range(3)
                    )
                )
            )
            output.append(await ctx.step.run(f"between-{wave}", lambda wave=wave: wave))
        return output

    await trial.serve()
    assert await trial.completed("waves") == [[[0, 0], [0, 1], [0, 2]], 0, [[1, 0], [1, 1], [1, 2]], 1]
    assert len(calls) == 11, "two plans, six targeted calls, two discoveries that run a step, one that ends"
