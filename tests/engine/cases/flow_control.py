"""Flow control: concurrency, throttle, rate limit, priority and singleton."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Any

import inngest

from tests.engine.trial import Gate, Trial, case


class Crowd:
    """Counts how many bodies are inside at once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self.inside = 0
        self.most = 0
        self.entered = 0

    async def visit(self) -> None:
        with self._lock:
            self.inside += 1
            self.entered += 1
            self.most = max(self.most, self.inside)
        await self._gate.passed()
        with self._lock:
            self.inside -= 1


@case
async def no_more_steps_than_the_limit_run_at_once(trial: Trial) -> None:
    crowd = Crowd(trial.gate())

    @trial.function(concurrency=[inngest.Concurrency(limit=2)])
    async def limited(ctx: Any) -> None:
        await ctx.step.run("visit", crowd.visit)

    await trial.serve()
    ids = await trial.send_many([{"name": trial.name("limited")} for _ in range(6)])
    await trial.until(lambda: crowd.entered == 2, "two visitors")
    trial.gates[0].open()
    for event_id in ids:
        assert (await trial.ended((await trial.run_of(event_id))["run_id"]))["status"] == "Completed"
    assert crowd.entered == 6
    assert crowd.most == 2


@case
async def a_concurrency_key_limits_each_key_for_itself(trial: Trial) -> None:
    gate = trial.gate()
    crowds = {"a": Crowd(gate), "b": Crowd(gate)}

    @trial.function(concurrency=[inngest.Concurrency(limit=1, key="event.data.user")])
    async def keyed(ctx: Any) -> None:
        await ctx.step.run("visit", crowds[ctx.event.data["user"]].visit)

    await trial.serve()
    ids = await trial.send_many(
        [{"name": trial.name("keyed"), "data": {"user": user}} for user in ("a", "a", "b", "b")]
    )
    await trial.until(lambda: all(each.inside == 1 for each in crowds.values()), "one visitor of each key")
    gate.open()
    for event_id in ids:
        await trial.ended((await trial.run_of(event_id))["run_id"])
    assert {key: (each.entered, each.most) for key, each in crowds.items()} == {"a": (2, 1), "b": (2, 1)}


@case
async def two_functions_share_a_limit_of_wider_scope(trial: Trial) -> None:
    crowd = Crowd(trial.gate())
    shared = inngest.Concurrency(limit=1, key=f"'{trial.app_id}'", scope="env")

    @trial.function("both", concurrency=[shared])
    async def left(ctx: Any) -> None:
        await ctx.step.run("visit", crowd.visit)

    @trial.function("both", concurrency=[shared])
    async def right(ctx: Any) -> None:
        await ctx.step.run("visit", crowd.visit)

    await trial.serve()
    event_id = await trial.send("both")
    await trial.until(lambda: crowd.entered == 1, "the first visitor")
    trial.gates[0].open()

    async def both() -> bool:
        return len(await trial.runs(event_id)) == 2

    await trial.until(both, "both runs")
    for run in await trial.runs(event_id):
        assert (await trial.ended(run["run_id"]))["status"] == "Completed"
    assert (crowd.entered, crowd.most) == (2, 1)


@case
async def a_sleeping_run_holds_no_place(trial: Trial) -> None:
    order: list[str] = []

    @trial.function(concurrency=[inngest.Concurrency(limit=1)])
    async def sleepy(ctx: Any) -> None:
        if ctx.event.data["who"] == "sleeper":
            await ctx.step.sleep("sleep", dt.timedelta(seconds=2))
        await ctx.step.run("mark", lambda: order.append(ctx.event.data["who"]))

    await trial.serve()
    sleeper = await trial.run_of(await trial.send("sleepy", {"who": "sleeper"}))
    other = await trial.outcome("sleepy", {"who": "other"})
    assert other["status"] == "Completed"
    await trial.ended(sleeper["run_id"])
    assert order == ["other", "sleeper"]


@case
async def a_throttle_lets_the_excess_wait(trial: Trial) -> None:
    starts: list[float] = []

    @trial.function(throttle=inngest.Throttle(limit=2, period=dt.timedelta(seconds=2), burst=1))
    async def throttled(ctx: Any) -> None:
        starts.append(time.time())

    await trial.serve()
    ids = await trial.send_many([{"name": trial.name("throttled")} for _ in range(5)])
    for event_id in ids:
        assert (await trial.ended((await trial.run_of(event_id))["run_id"]))["status"] == "Completed"
    starts.sort()
    assert len(starts) == 5
    assert starts[-1] - starts[0] >= 1.8, "five starts at two per two seconds, one of them as burst"


@case
async def a_throttles_key_counts_for_itself(trial: Trial) -> None:
    @trial.function(throttle=inngest.Throttle(limit=1, period=dt.timedelta(hours=1), key="event.data.user"))
    async def each_user(ctx: Any) -> str:
        return str(ctx.event.data["user"])

    await trial.serve()
    for user in ("a", "b"):
        assert await trial.completed("each_user", {"user": user}) == user
    waiting = await trial.run_of(await trial.send("each_user", {"user": "a"}))
    assert (await trial.run(waiting["run_id"]))["status"] == "Scheduled"
    await trial.http.delete(f"/v1/runs/{waiting['run_id']}")


@case
async def a_rate_limit_drops_the_excess(trial: Trial) -> None:
    @trial.function(
        rate_limit=inngest.RateLimit(limit=2, period=dt.timedelta(hours=1), key="event.data.user")
    )
    async def rated(ctx: Any) -> int:
        return int(ctx.event.data["n"])

    await trial.serve()
    ids = await trial.send_many(
        [
            {"name": trial.name("rated"), "data": {"user": user, "n": n}}
            for n, user in enumerate(("a", "a", "a", "b", "a"))
        ]
    )
    runs = [await trial.run_of(ids[place]) for place in (0, 1, 3)]
    outputs = [(await trial.ended(run["run_id"]))["output"] for run in runs]
    assert outputs == [0, 1, 3]
    assert await trial.runs(ids[2]) == []
    assert await trial.runs(ids[4]) == []


@case
async def an_event_without_the_key_counts_for_none(trial: Trial) -> None:
    gate, hour, key = trial.gate(), dt.timedelta(hours=1), "event.data.user"

    @trial.function("keyless", rate_limit=inngest.RateLimit(limit=1, period=hour, key=key))
    async def rated_by_user(ctx: Any) -> None:
        return None

    @trial.function("keyless", idempotency=key)
    async def once_a_user(ctx: Any) -> None:
        return None

    @trial.function("keyless", singleton=inngest.Singleton(mode="skip", key=key))
    async def one_of_a_user(ctx: Any) -> None:
        await gate.passed()

    await trial.serve()
    for _ in range(2):
        event = await trial.send("keyless")

        async def three(event: str = event) -> list[dict[str, Any]]:
            runs = await trial.runs(event)
            return runs if len(runs) == 3 else []

        await trial.until(three, "a run of each")


@case
async def priority_orders_what_waits(trial: Trial) -> None:
    gate = trial.gate()
    order: list[str] = []

    @trial.function(priority=inngest.Priority(run="event.data.p"), concurrency=[inngest.Concurrency(limit=1)])
    async def ordered(ctx: Any) -> None:
        if ctx.event.data["who"] == "first":
            await ctx.step.run("hold", gate.passed)
        order.append(ctx.event.data["who"])

    await trial.serve()
    first = await trial.run_of(await trial.send("ordered", {"who": "first", "p": 0}))
    await trial.until(gate.reached.is_set, "the first run's step")
    ids = await trial.send_many(
        [
            {"name": trial.name("ordered"), "data": {"who": who, "p": p}}
            for who, p in (("low", -600), ("middle", 0), ("high", 600))
        ]
    )
    for event_id in ids:
        await trial.run_of(event_id)
    gate.open()
    for run_id in [first["run_id"], *[(await trial.run_of(each))["run_id"] for each in ids]]:
        await trial.ended(run_id)
    waited = [each for each in dict.fromkeys(order) if each != "first"]
    assert waited == ["high", "middle", "low"]


@case
async def a_singleton_skips_while_one_is_running(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(singleton=inngest.Singleton(mode="skip", key="event.data.user"))
    async def lone(ctx: Any) -> str:
        await ctx.step.run("hold", gate.passed)
        return str(ctx.event.data["user"])

    @trial.function(idempotency="event.data.n")
    async def decided(ctx: Any) -> None:
        """Events are decided about in their order: when this one has run, those before it are settled."""

    await trial.serve()
    users = ("a", "a", "b")
    ids = await trial.send_many([{"name": trial.name("lone"), "data": {"user": user}} for user in users])
    first = await trial.run_of(ids[0])
    other = await trial.run_of(ids[2])
    await trial.until(gate.reached.is_set, "the step in flight")
    again = await trial.send("lone", {"user": "a"})
    await trial.completed("decided", {"n": 1})
    gate.open()
    assert (await trial.ended(first["run_id"]))["output"] == "a"
    assert (await trial.ended(other["run_id"]))["output"] == "b"
    assert await trial.runs(ids[1]) == []
    assert await trial.runs(again) == []
    assert await trial.completed("lone", {"user": "a"}) == "a"


@case
async def a_singleton_may_cancel_the_older_run(trial: Trial) -> None:
    @trial.function(singleton=inngest.Singleton(mode="cancel"))
    async def newest(ctx: Any) -> str:
        if ctx.event.data["n"] == 1:
            await ctx.step.sleep("sleep", 60_000)
        return "second"

    await trial.serve()
    first = await trial.run_of(await trial.send("newest", {"n": 1}))
    await trial.until(lambda: _started(trial, first["run_id"]), "the first run's start")
    assert await trial.completed("newest", {"n": 2}) == "second"
    assert (await trial.ended(first["run_id"]))["status"] == "Cancelled"


async def _started(trial: Trial, run_id: str) -> bool:
    return bool((await trial.run(run_id))["status"] == "Running")
