"""The SDK's middleware sees exactly the calls that Inngest would make."""

from __future__ import annotations

from typing import Any

import inngest

from tests.engine.trial import Trial, case

HOOKS = (
    "transform_input",
    "before_memoization",
    "after_memoization",
    "before_execution",
    "before_send_events",
    "after_send_events",
    "after_execution",
    "transform_output",
    "before_response",
)


def recording(name: str, kind: str, seen: list[str]) -> Any:
    """A middleware class of the right kind whose every hook writes its name down."""

    def hook(hook_name: str) -> Any:
        def plain(self: Any, *_: Any) -> None:
            seen.append(f"{name}.{hook_name}")

        async def waiting(self: Any, *_: Any) -> None:
            seen.append(f"{name}.{hook_name}")

        return plain if kind == "sync" else waiting

    base = inngest.MiddlewareSync if kind == "sync" else inngest.Middleware
    return type(name, (base,), {hook_name: hook(hook_name) for hook_name in HOOKS})


def _pair(hook: str, *, reverse: bool = False) -> list[str]:
    return [f"{name}.{hook}" for name in (("two", "one") if reverse else ("one", "two"))]


@case
async def middleware_hooks_run_in_order_around_each_call(trial: Trial) -> None:
    seen: list[str] = []
    pair = [recording("one", trial.kind, seen), recording("two", trial.kind, seen)]

    @trial.function(middleware=pair, retries=0)
    async def observed(ctx: Any) -> None:
        await ctx.step.send_event("a", inngest.Event(name=trial.name("nobody")))

    await trial.serve()
    assert await trial.completed("observed") is None
    assert [each for each in seen if each.startswith("one.")].count("one.transform_input") == 2
    sends = [each for each in seen if "send_events" in each]
    assert sends[:2] == _pair("before_send_events")
    assert sorted(sends[2:]) == sorted(_pair("after_send_events"))
    inputs = [each for each in seen if "transform_input" in each]
    assert inputs == _pair("transform_input") * 2
    for hook in ("before_execution", "after_execution", "transform_output", "before_response"):
        assert len([each for each in seen if each.endswith(f".{hook}")]) == 4, hook


@case
async def middleware_may_change_a_steps_output_before_it_is_kept(trial: Trial) -> None:
    def change(self: Any, result: Any) -> None:
        if result.output == "original":
            result.output = "changed"

    async def change_async(self: Any, result: Any) -> None:
        change(self, result)

    sync = trial.kind == "sync"
    changing = type(
        "Changing",
        (inngest.MiddlewareSync if sync else inngest.Middleware,),
        {"transform_output": change if sync else change_async},
    )

    @trial.function(middleware=[changing])
    async def changed(ctx: Any) -> Any:
        return [await ctx.step.run("step", lambda: "original")]

    await trial.serve()
    run = await trial.outcome("changed")
    assert run["output"] == ["changed"]
    assert (await trial.step(run["run_id"], "step"))["output"] == "changed"


@case
async def middleware_sees_each_member_of_a_group_once(trial: Trial) -> None:
    outputs: list[tuple[str | None, Any]] = []

    def note(self: Any, result: Any) -> None:
        outputs.append((result.step.id if result.step else None, result.output))

    async def note_async(self: Any, result: Any) -> None:
        note(self, result)

    sync = trial.kind == "sync"
    noting = type(
        "Noting",
        (inngest.MiddlewareSync if sync else inngest.Middleware,),
        {"transform_output": note if sync else note_async},
    )

    @trial.function(middleware=[noting], retries=0)
    async def grouped(ctx: Any) -> str:
        await ctx.group.parallel(
            (
                lambda: ctx.step.run("1.1", lambda: "1.1 out"),
                lambda: ctx.step.run("1.2", lambda: "1.2 out"),
            )
        )
        return "function out"

    await trial.serve()
    assert await trial.completed("grouped") == "function out"
    assert outputs.count(("1.1", "1.1 out")) == 1
    assert outputs.count(("1.2", "1.2 out")) == 1
    assert outputs.count((None, "function out")) == 1
