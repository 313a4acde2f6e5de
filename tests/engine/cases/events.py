"""Events and triggers: what an event may say, which functions it starts, and how often."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def an_event_starts_every_function_that_it_triggers(trial: Trial) -> None:
    @trial.function("shared")
    async def left(ctx: Any) -> str:
        return "left"

    @trial.function("shared")
    async def right(ctx: Any) -> str:
        return "right"

    @trial.function("other")
    async def bystander(ctx: Any) -> str:
        return "wrong"

    await trial.serve()
    event_id = await trial.send("shared")

    async def both() -> list[dict[str, Any]]:
        runs = await trial.runs(event_id)
        return runs if len(runs) == 2 else []

    runs = await trial.until(both, "two runs")
    outputs = [(await trial.ended(run["run_id"]))["output"] for run in runs]
    assert sorted(outputs) == ["left", "right"]


@case
async def an_event_with_a_time_stamp_in_the_future_starts_its_runs_then(trial: Trial) -> None:
    @trial.function("reminder")
    async def plain(ctx: Any) -> float:
        return time.time() * 1000

    @trial.function("reminder", concurrency=[inngest.Concurrency(limit=1)])
    async def gated(ctx: Any) -> float:
        return time.time() * 1000

    await trial.serve()
    due = int(time.time() * 1000) + 1500
    event_id = await trial.send("reminder", ts=due)
    runs = await trial.runs(event_id)
    assert [run["status"] for run in runs] == ["Scheduled", "Scheduled"]
    for run in runs:
        assert (await trial.ended(run["run_id"]))["output"] >= due


@case
async def the_last_time_stamp_that_there_is_can_be_waited_for(trial: Trial) -> None:
    @trial.function(
        priority=inngest.Priority(run="-43200"), timeouts=inngest.Timeouts(start=dt.timedelta(days=1))
    )
    async def never(ctx: Any) -> None:
        pass

    await trial.serve()
    run = await trial.run_of(await trial.send("never", ts=253_402_300_799_999))
    assert run["status"] == "Scheduled"


@case
async def a_function_may_have_several_triggers(trial: Trial) -> None:
    @trial.function(
        trigger=[trial.trigger("one"), trial.trigger("two"), inngest.TriggerCron(cron="0 0 1 1 *")]
    )
    async def many(ctx: Any) -> str:
        return str(ctx.event.name)

    await trial.serve()
    assert await trial.completed("one") == trial.name("one")
    assert await trial.completed("two") == trial.name("two")


@case
async def a_triggers_expression_decides_which_events_start_a_run(trial: Trial) -> None:
    ran: list[Any] = []

    @trial.function(trigger=trial.trigger("number", "event.data.x > 1 && event.data.kind == 'good'"))
    async def choosy(ctx: Any) -> None:
        ran.append(ctx.event.data["x"])

    await trial.serve()
    batch = [(0, "good"), (2, "bad"), (3, "good"), (None, "good"), (5, "good")]
    ids = await trial.send_many(
        [{"name": trial.name("number"), "data": {"x": x, "kind": kind}} for x, kind in batch]
    )
    for event_id in (ids[2], ids[4]):
        await trial.ended((await trial.run_of(event_id))["run_id"])
    assert sorted(ran) == [3, 5]
    for event_id in (ids[0], ids[1], ids[3]):
        assert await trial.runs(event_id) == []


@case
async def an_event_keeps_its_name_data_time_user_and_version(trial: Trial) -> None:
    seen: list[Any] = []

    @trial.function()
    async def payload(ctx: Any) -> None:
        seen.append(ctx.event)

    await trial.serve()
    event_id = await trial.send(
        "payload", {"a": {"b": [1, None]}}, ts=1_695_439_185_906, user={"id": "u1"}, v="2026-01-01"
    )
    await trial.ended((await trial.run_of(event_id))["run_id"])
    event = seen[0]
    assert (event.id, event.name, event.ts) == (event_id, trial.name("payload"), 1_695_439_185_906)
    assert event.data == {"a": {"b": [1, None]}}
    stored = await trial.get(f"/v1/events/{event_id}")
    assert stored["name"] == trial.name("payload")
    assert stored["data"] == {"a": {"b": [1, None]}}
    assert stored["ts"] == 1_695_439_185_906
    assert stored["user"] == {"id": "u1"}
    assert stored["v"] == "2026-01-01"
    assert stored["internal_id"] == event_id


@case
async def an_event_without_data_is_delivered_with_empty_data(trial: Trial) -> None:
    @trial.function()
    async def bare(ctx: Any) -> Any:
        return [ctx.event.data, ctx.event.ts > 0]

    await trial.serve()
    event_id = (await trial.send_many([{"name": trial.name("bare")}]))[0]
    run = await trial.ended((await trial.run_of(event_id))["run_id"])
    assert run["output"] == [{}, True]


@case
async def the_same_event_id_starts_a_function_once(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function("order")
    async def first(ctx: Any) -> None:
        ran.append("first")

    @trial.function("order")
    async def second(ctx: Any) -> None:
        ran.append("second")

    await trial.serve()
    own_id = f"{trial.app_id}-order-1"
    kept = await trial.send("order", {"n": 1}, id=own_id)
    repeated = await trial.send("order", {"n": 2}, id=own_id)
    assert kept != repeated

    async def two() -> bool:
        return len(await trial.runs(kept)) == 2

    await trial.until(two, "both functions' runs")
    for run in await trial.runs(kept):
        await trial.ended(run["run_id"])
    assert await trial.runs(repeated) == []
    assert sorted(ran) == ["first", "second"]
    assert len(await trial.events_named(trial.name("order"))) == 2


@case
async def a_retried_send_with_the_same_seed_starts_nothing_twice(trial: Trial) -> None:
    ran: list[int] = []

    @trial.function()
    async def seeded(ctx: Any) -> None:
        ran.append(ctx.event.data["n"])

    await trial.serve()
    body = [{"name": trial.name("seeded"), "data": {"n": n}, "ts": 1_695_439_186_224} for n in range(2)]
    suffix = "AA" if trial.kind == "sync" else "BB"
    host = "EE" if trial.stage.origin == trial.stage.app_origin else "FF"
    headers = {"x-inngest-event-id-seed": f"1795439186224,{suffix}{host}DuCsFxneQQ=="}
    first = (await trial.http.post("/e/test", json=body, headers=headers)).json()["ids"]
    again = (await trial.http.post("/e/test", json=body, headers=headers)).json()["ids"]
    assert first == again
    assert len(set(first)) == 2
    shown = (await trial.http.get("/v1/events", params={"name": trial.name("seeded")})).json()["data"]
    assert sorted(event["internal_id"] for event in shown) == sorted([*first, *again])
    for event_id in first:
        await trial.ended((await trial.run_of(event_id))["run_id"])
    assert sorted(ran) == [0, 1]


@case
async def the_sdks_client_sends_from_outside_and_inside_a_function(trial: Trial) -> None:
    seen: list[int] = []

    @trial.function("out")
    async def receiver(ctx: Any) -> None:
        seen.append(ctx.event.data["i"])

    @trial.function()
    async def sender(ctx: Any) -> Any:
        return await ctx.step.send_event(
            "emit",
            [inngest.Event(name=trial.name("out"), data={"i": i}) for i in (1, 2)],
        )

    await trial.serve()
    ids = await trial.client.send(inngest.Event(name=trial.name("sender")))
    run = await trial.ended((await trial.run_of(ids[0]))["run_id"])
    assert len(run["output"]) == 2
    for event_id in run["output"]:
        await trial.ended((await trial.run_of(event_id))["run_id"])
    assert sorted(seen) == [1, 2]


@case
async def an_idempotency_expression_starts_one_run_per_key(trial: Trial) -> None:
    ran: list[Any] = []

    @trial.function(idempotency="event.data.order + '-' + string(event.data.n)")
    async def idempotent(ctx: Any) -> None:
        ran.append((ctx.event.data["order"], ctx.event.data["n"]))

    await trial.serve()
    keys = [("a", 1), ("a", 1), ("a", 2), ("b", 1), ("a", 1)]
    ids = await trial.send_many(
        [{"name": trial.name("idempotent"), "data": {"order": order, "n": n}} for order, n in keys]
    )
    for place in (0, 2, 3):
        await trial.ended((await trial.run_of(ids[place]))["run_id"])
    assert await trial.runs(ids[1]) == []
    assert await trial.runs(ids[4]) == []
    assert sorted(ran) == [("a", 1), ("a", 2), ("b", 1)]


@case
async def a_hundred_sends_at_once_are_all_taken(trial: Trial) -> None:
    @trial.function()
    async def flood(ctx: Any) -> None:
        return None

    await trial.serve()
    ids = await asyncio.gather(*(trial.send("nobody", {"n": n}) for n in range(100)))
    assert len(set(ids)) == 100
    assert await trial.completed("flood") is None
